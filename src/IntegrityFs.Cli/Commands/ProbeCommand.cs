using System.CommandLine;
using System.Text;
using IntegrityFs.Format;

namespace IntegrityFs.Cli.Commands;

/// <summary>Prints udev properties of a volume, so that UUID=, LABEL= and lsblk work. Needs no key, and so promises
/// nothing about what it prints.</summary>
internal static class ProbeCommand
{
    public static Command Build()
    {
        Argument<string> volume = SharedOptions.Volume();
        var command = new Command("probe", "Print udev properties (ID_FS_TYPE and so on) of a volume, without a key") { volume };
        command.SetAction(parsed =>
        {
            Console.Out.Write(Properties(VolumeHeader.ReadFrom(parsed.GetRequiredValue(volume)).Superblock));
            return 0;
        });
        return command;
    }

    internal static string Properties(Superblock superblock)
    {
        var text = new StringBuilder();
        text.Append("ID_FS_TYPE=integrityfs\nID_FS_USAGE=filesystem\n");
        text.Append(System.Globalization.CultureInfo.InvariantCulture, $"ID_FS_VERSION={Superblock.CurrentVersion}\n");
        text.Append(System.Globalization.CultureInfo.InvariantCulture, $"ID_FS_UUID={superblock.Uuid:D}\nID_FS_UUID_ENC={superblock.Uuid:D}\n");
        if (superblock.Label.Length > 0)
        {
            text.Append("ID_FS_LABEL=").Append(Safe(superblock.Label)).Append('\n');
            text.Append("ID_FS_LABEL_ENC=").Append(Encode(superblock.Label)).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>The label with everything but plain characters as '_': anybody can write one to a device.</summary>
    private static string Safe(string label) => string.Concat(label.Select(c => IsPlain(c) ? c : '_'));

    /// <summary>The label as udev encodes names of links: \xNN for each byte that is not plain.</summary>
    private static string Encode(string label)
    {
        var text = new StringBuilder();
        foreach (byte b in Encoding.UTF8.GetBytes(label))
        {
            if (b < 0x80 && IsPlain((char)b))
            {
                text.Append((char)b);
            }
            else
            {
                text.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\x{b:x2}");
            }
        }

        return text.ToString();
    }

    private static bool IsPlain(char c) => char.IsAsciiLetterOrDigit(c) || "#+-.:=@_".Contains(c, StringComparison.Ordinal);
}
