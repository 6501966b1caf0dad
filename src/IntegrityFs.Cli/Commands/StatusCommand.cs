using System.CommandLine;
using System.Text.Json;
using IntegrityFs.Cli.Daemon;
using IntegrityFs.Cli.Native;
using IntegrityFs.Format;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Commands;

/// <summary>Shows a mount, as its daemon sees it, or a volume that is not mounted, as it claims to be.</summary>
internal static class StatusCommand
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    public static Command Build()
    {
        Argument<string> target = SharedOptions.Checked(new Argument<string>("DIR_OR_IMAGE") { Description = "Mount point, image file or block device" });
        Option<bool> json = SharedOptions.Json();
        var command = new Command("status", "Show the state of a mount or volume") { target, json };
        command.SetAction(parsed =>
        {
            string status = Find(parsed.GetRequiredValue(target));
            Console.Out.Write(parsed.GetValue(json) ? status : JsonText.ForPeople(status));
            return 0;
        });
        return command;
    }

    private static string Find(string target)
    {
        string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(target));
        string? real = null;
        MountEntry? entry = MountTable.Find(path) ?? ((real = Posix.RealPath(path)) is null ? null : MountTable.Find(real));
        if (entry is not null)
        {
            return entry.IsOurs
                ? AskDaemon(entry)
                : throw new CommandFailure(Cause.NotMounted, $"{target}: not an IntegrityFs mount (type {entry.FileSystemType})");
        }

        if (real is null)
        {
            throw new CommandFailure(Cause.System, $"{target}: no such file or directory");
        }

        if (Directory.Exists(real))
        {
            throw new CommandFailure(Cause.NotMounted, $"{target}: nothing is mounted there");
        }

        return FindMountOf(real) ?? Describe(real, VolumeHeader.ReadFrom(real));
    }

    private static string AskDaemon(MountEntry entry)
    {
        foreach (string path in ControlPath.Candidates((uint)getuid(), entry.DeviceNumber))
        {
            if (ControlClient.Ask(path, "status", s_patience) is { Length: > 0 } answer)
            {
                return answer;
            }
        }

        throw new CommandFailure(Cause.System, $"{entry.MountPoint}: the daemon does not answer (is it yours and alive, and XDG_RUNTIME_DIR the same as when it was mounted?)");
    }

    /// <summary>The daemon that has mounted this image or device; null where there is none that we may ask.</summary>
    private static string? FindMountOf(string path)
    {
        uint user = (uint)getuid();
        foreach (MountEntry entry in MountTable.Read().Where(e => e.IsOurs))
        {
            foreach (string socket in ControlPath.Candidates(user, entry.DeviceNumber))
            {
                if (ControlClient.Ask(socket, "status", s_patience) is { Length: > 0 } answer && NamesDevice(answer, path))
                {
                    return answer;
                }
            }
        }

        return null;
    }

    private static bool NamesDevice(string status, string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(status);
            return document.RootElement.TryGetProperty("device", out JsonElement device) && device.GetString() == path;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    internal static string Describe(string path, VolumeHeader header) => JsonText.Object(json =>
    {
        Superblock superblock = header.Superblock;
        json.WriteString("device", path);
        json.WriteBoolean("mounted", false);
        json.WriteBoolean("authenticated", false);
        json.WriteString("note", "read without a key: nothing below is verified");
        json.WriteString("uuid", superblock.Uuid);
        json.WriteString("label", superblock.Label);
        json.WriteNumber("blockSize", superblock.BlockSize);
        json.WriteNumber("deviceLength", superblock.DeviceLength);
        json.WriteNumber("journalBlocks", superblock.JournalBlocks);
        json.WriteString("tagAlgorithm", "HMAC-SHA-256, 192 bits");
        json.WriteBoolean("clean", superblock.State.HasFlag(VolumeState.Clean));
        json.WriteString("created", JsonText.Time(superblock.Created));
        json.WriteString("written", JsonText.Time(superblock.Written));
        json.WriteNumber("mountCount", superblock.MountCount);
        json.WriteNumber("recoveryCount", superblock.RecoveryCount);
        json.WriteNumber("mismatchCount", superblock.MismatchCount);
        json.WriteNumber("readableSuperblocks", header.GoodCopies);
        json.WriteString("freshness", "not anchored");
    });
}
