using System.Diagnostics;
using IntegrityFs.Cli.Daemon;
using IntegrityFs.Cli.Native;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Commands;

/// <summary><c>DIR [-n] [-l] [-f] [-v] [-r] [-t TYPE] [-N NS]</c>, as umount(8) calls its helpers.</summary>
internal sealed record UmountRequest(string Target, bool Lazy, bool Force, bool Verbose)
{
    public static UmountRequest Parse(IReadOnlyList<string> arguments)
    {
        string? target = null;
        bool lazy = false, force = false, verbose = false;
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            switch (argument)
            {
                case "-n" or "-r" or "-i" or "-c":
                    break;
                case "-l" or "--lazy":
                    lazy = true;
                    break;
                case "-f" or "--force":
                    force = true;
                    break;
                case "-v" or "--verbose":
                    verbose = true;
                    break;
                case "-t" or "-N" when i + 1 < arguments.Count:
                    i++;
                    break;
                default:
                    if (argument.StartsWith('-'))
                    {
                        throw new CommandFailure(Cause.Usage, $"unknown option '{argument}'");
                    }

                    target = target is null ? argument : throw new CommandFailure(Cause.Usage, "one directory at a time");
                    break;
            }
        }

        return new UmountRequest(
            target ?? throw new CommandFailure(Cause.Usage, "usage: umount DIRECTORY"), lazy, force, verbose);
    }
}

/// <summary>Unmounts, and returns after the daemon has closed the volume, so that whoever comes next finds it clean and
/// free.</summary>
internal static class UmountCommand
{
    private const int QuietMilliseconds = 1000;

    private const string Help = """
        Usage: integrityfs umount [-l] [-f] [-v] DIRECTORY
          -l   detach now, close when nobody uses it any more
          -f   give up requests that wait for a daemon that does not answer
          -v   say what is done
        Returns after the daemon has committed and closed the volume (not with -l).
        Switches of umount(8) that need nothing here: -n, -r, -i, -c, -t TYPE, -N NS.
        """;

    /// <summary>Unmounts. The exit code is one per cause, or mount(8)'s bits where the program is umount(8)'s helper.</summary>
    public static int Run(string[] arguments, bool asHelper)
    {
        if (arguments.AsSpan().ContainsAny("--help", "-h"))
        {
            Console.Out.WriteLine(Help);
            Console.Out.WriteLine();
            Console.Out.Write(HelpText.Examples("integrityfs umount"));
            Console.Out.WriteLine(ExitCodeText.Mount);
            return 0;
        }

        try
        {
            Unmount(UmountRequest.Parse(arguments));
            return 0;
        }
        catch (Exception e)
        {
            CommandFailure failure = Failures.Translate(e);
            Console.Error.WriteLine($"umount.integrityfs: {failure.Message}");
            return asHelper ? MountExit.From(failure.Cause) : (int)failure.Cause;
        }
    }

    private static void Unmount(UmountRequest request)
    {
        MountEntry entry = Find(request.Target);
        using RunningProcess? daemon = FindDaemon((uint)getuid(), entry);
        if ((uint)geteuid() == 0)
        {
            UnmountAsRoot(entry.MountPoint, request);
        }
        else
        {
            UnmountAsUser(entry.MountPoint, request);
        }

        if (daemon is not null && !request.Lazy)
        {
            WaitFor(daemon, request.Verbose);
        }

        if (request.Verbose)
        {
            Console.Error.WriteLine($"{entry.MountPoint}: unmounted");
        }
    }

    /// <summary>By directory or by source. The name is looked up as it is first: resolving links asks the mount, whose
    /// daemon may be dead.</summary>
    private static MountEntry Find(string target)
    {
        string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(target));
        MountEntry? entry = MountTable.Find(path);
        if (entry is null && Posix.RealPath(path) is { } real)
        {
            entry = MountTable.Find(real) ?? MountTable.Read().LastOrDefault(e => e.IsOurs && e.Source == real);
        }

        return entry switch
        {
            null => throw new CommandFailure(Cause.NotMounted, $"{target}: not mounted"),
            { IsOurs: false } => throw new CommandFailure(Cause.NotMounted, $"{target}: not an IntegrityFs mount (type {entry.FileSystemType})"),
            _ => entry,
        };
    }

    private static RunningProcess? FindDaemon(uint user, MountEntry entry) =>
        ControlPath.Candidates(user, entry.DeviceNumber)
            .Select(ControlClient.Listener)
            .Where(process => process is not null)
            .Select(process => RunningProcess.Open(process!.Value))
            .FirstOrDefault();

    private static void UnmountAsRoot(string directory, UmountRequest request)
    {
        int flags = (request.Lazy ? MNT_DETACH : 0) | (request.Force ? MNT_FORCE : 0);
        int error = Posix.Unmount(directory, flags);
        if (error != 0)
        {
            throw new CommandFailure(error == EBUSY ? Cause.InUse : Cause.System, $"{directory}: {Posix.Describe(error)}");
        }
    }

    private static void UnmountAsUser(string directory, UmountRequest request)
    {
        var start = new ProcessStartInfo("fusermount3") { UseShellExecute = false };
        start.ArgumentList.Add("-u");
        if (request.Lazy || request.Force)
        {
            start.ArgumentList.Add("-z");
        }

        start.ArgumentList.Add(directory);
        using Process process = Process.Start(start)!;
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new CommandFailure(Cause.System, $"{directory}: fusermount3 could not unmount it");
        }
    }

    private static void WaitFor(RunningProcess daemon, bool verbose)
    {
        if (verbose && !daemon.WaitForEnd(TimeSpan.FromMilliseconds(QuietMilliseconds)))
        {
            Console.Error.WriteLine("waiting until the daemon has closed the volume");
        }

        daemon.WaitForEnd(Timeout.InfiniteTimeSpan);
    }
}
