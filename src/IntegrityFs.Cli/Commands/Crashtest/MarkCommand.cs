using System.CommandLine;
using IntegrityFs.Cli.Daemon;
using IntegrityFs.Cli.Native;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest mark</c>: for programs that are being recorded.</summary>
internal static class MarkCommand
{
    public static Command Build()
    {
        Argument<string> text = SharedOptions.Checked(new Argument<string>("TEXT") { Description = "What is true from here on, up to 200 bytes" });
        var directory = new Option<string?>("--dir") { Description = "The mount (default: $CRASHTEST_DIR)", HelpName = "DIR" };
        var command = new Command("mark", "Set a mark in the history of the recorded mount that this program runs on") { text, directory };
        command.SetAction(parsed =>
        {
            string mount = parsed.GetValue(directory) ?? Environment.GetEnvironmentVariable("CRASHTEST_DIR")
                ?? throw new CommandFailure(Cause.Usage, "name the mount by --dir or $CRASHTEST_DIR");
            string answer = MountControl.Ask(mount, "mark " + parsed.GetRequiredValue(text).ReplaceLineEndings(" "), TimeSpan.FromSeconds(10));
            return answer.Trim() == "ok" ? 0 : throw new CommandFailure(Cause.NotMounted, $"{mount}: is not being recorded");
        });
        return command;
    }
}

/// <summary>Talks to the daemon of a mount.</summary>
internal static class MountControl
{
    /// <summary>The daemon's answer.</summary>
    /// <exception cref="CommandFailure">Nothing of ours is mounted there, or nobody answers.</exception>
    public static string Ask(string mount, string request, TimeSpan patience)
    {
        string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(mount));
        MountEntry? entry = MountTable.Find(path) ?? (Posix.RealPath(path) is { } real ? MountTable.Find(real) : null);
        if (entry is not { IsOurs: true })
        {
            throw new CommandFailure(Cause.NotMounted, $"{mount}: no IntegrityFs mount");
        }

        return ControlPath.Candidates((uint)getuid(), entry.DeviceNumber)
            .Select(socket => ControlClient.Ask(socket, request, patience))
            .FirstOrDefault(answer => answer is not null)
            ?? throw new CommandFailure(Cause.System, $"{mount}: the daemon does not answer");
    }
}
