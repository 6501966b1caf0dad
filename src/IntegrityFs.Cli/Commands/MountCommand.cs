using System.Runtime.InteropServices;
using IntegrityFs.Cli.Daemon;
using IntegrityFs.Cli.Native;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Commands;

/// <summary>The mount helper: resolves paths and asks for a passphrase while there is a working directory and a
/// terminal, then starts the daemon and waits until it serves.</summary>
internal static class MountCommand
{
    public const string Help = """
        Usage: integrityfs mount [-o OPTIONS] [--foreground] IMAGE_OR_DEVICE DIRECTORY
               mount -t fuse.integrityfs IMAGE_OR_DEVICE DIRECTORY -o keyfile=FILE[,OPTION...]

        Key: keyfile=FILE  passphrase  passphrase-file=FILE   (also --key-file, --passphrase, --passphrase-file)
             without one: a systemd credential, /etc/integrityfs/keys.d/UUID.key, or the passphrase is asked for
        Options:
          ro, rw, nosuid, nodev, noexec, noatime, sync, dirsync ...   as in mount(8)
          commit=SECONDS           commit at least so often (5)
          data=journal|auto        file data through the journal (default), or new blocks in place first
          errors=eio|remount-ro|panic|zero   what a mismatch does (eio)
          verify=read|full         verify what is read, or also everything before the mount succeeds (read)
          cache=SIZE               memory for verified blocks (128M)
          writeback                let the kernel collect small writes (gives up their order in a crash)
          threads=N, hash-threads=N   serving and hashing threads
          hash=auto|openssl        compute tags of many blocks with libipsec-mb1 where it is installed, or never (auto)
          busy-poll=auto|off       wait some tens of microseconds for a single caller or read without sleeping (auto), or never
          allow_other, noallow_other  other users may enter (default for root)
          fusetype=auto|fuse|fuseblk  kernel type (fuseblk for root)
          log=FILE, debug          where and how much the daemon logs (the system's log)
          foreground               stay in the foreground
        Switches of mount(8): -f all but mount, -s pass over unknown options, -n, -v, -r, -w, -t TYPE.
        """;

    /// <summary>Mounts. The exit code is one per cause, or mount(8)'s bits where the program is mount(8)'s helper.</summary>
    public static int Run(string[] arguments, bool asHelper)
    {
        if (arguments.AsSpan().ContainsAny("--help", "-h"))
        {
            Console.Out.WriteLine(Help);
            Console.Out.WriteLine();
            Console.Out.Write(HelpText.Examples("integrityfs mount"));
            Console.Out.WriteLine(ExitCodeText.Mount);
            return 0;
        }

        try
        {
            return ExitCode(Mount(MountRequest.Parse(arguments)), asHelper);
        }
        catch (Exception e)
        {
            CommandFailure failure = Failures.Translate(e);
            Print(failure.Message);
            return ExitCode(failure.Cause, asHelper);
        }
    }

    private static int ExitCode(Cause cause, bool asHelper) => asHelper ? MountExit.From(cause) : (int)cause;

    private static Cause Mount(MountRequest request)
    {
        if (request.Options.Remount)
        {
            Remount(request);
            return Cause.None;
        }

        string source = RealSource(request.Source);
        string target = RealTarget(request.Target);
        (string keyOption, byte[]? passphrase) = PrepareKey(request.Options.Key, source);
        var arguments = new List<string> { source, target, "-o", WithPaths(request, keyOption) };
        arguments.AddRange(request.Sloppy ? ["-s"] : []);
        arguments.AddRange(request.Fake ? ["-f"] : []);
        if (request.Options.Foreground || request.Fake)
        {
            return ServeCommand.RunInForeground(MountRequest.Parse(arguments), passphrase);
        }

        Cause cause = Launcher.Run(arguments, passphrase, Print);
        if (cause == Cause.None && request.Verbose)
        {
            Print($"{source} mounted on {target}");
        }

        return cause;
    }

    private static string RealSource(string source)
    {
        string path = Posix.RealPath(source)
            ?? throw new CommandFailure(Cause.System, $"{source}: {Posix.Describe(Marshal.GetLastPInvokeError())}");
        return Directory.Exists(path)
            ? throw new CommandFailure(Cause.NotAVolume, $"{source}: is a directory, not an image or device")
            : path;
    }

    private static string RealTarget(string target)
    {
        // mount.fuse3 -o drop_privileges gives /dev/fd/N; the link would resolve to /dev/fuse.
        if (target.StartsWith("/dev/fd/", StringComparison.Ordinal))
        {
            throw new CommandFailure(Cause.Usage, "a mount point that is an open descriptor is not supported");
        }

        string path = Posix.RealPath(target)
            ?? throw new CommandFailure(Cause.System, $"{target}: {Posix.Describe(Marshal.GetLastPInvokeError())}");
        return Directory.Exists(path)
            ? path
            : throw new CommandFailure(Cause.System, $"{target}: not a directory");
    }

    /// <summary>The key as an option of the daemon, and what goes through its standard input.</summary>
    private static (string Option, byte[]? Passphrase) PrepareKey(KeySource key, string source)
    {
        switch (key)
        {
            case KeySource.KeyFile file:
                return ("keyfile=" + MountRequest.Quote(Credentials.AbsoluteKeyFile(file.Path)), null);
            case KeySource.PassphraseFile file:
                return ("passphrase-file=" + MountRequest.Quote(Path.GetFullPath(file.Path)), null);
            case KeySource.Unspecified when Credentials.Conventional(VolumeHeader.ReadFrom(source).Superblock.Uuid) is { } conventional:
                return ("keyfile=" + MountRequest.Quote(conventional), null);
            default:
                return (MountOptionParser.PassphraseOnInput, PassphrasePrompt.Ask($"Passphrase for {source}: "));
        }
    }

    /// <summary>The options with absolute paths, for a daemon whose directory is "/".</summary>
    private static string WithPaths(MountRequest request, string keyOption)
    {
        string options = request.OptionText.Length == 0 ? keyOption : $"{request.OptionText},{keyOption}";
        if (request.Options.LogFile is { } log)
        {
            options += ",log=" + MountRequest.Quote(Path.GetFullPath(log));
        }

        return request.Options.Foreground ? options + ",foreground" : options;
    }

    /// <summary>mount -o remount: the daemon first makes everything durable and learns the new mode, then the kernel.</summary>
    private static void Remount(MountRequest request)
    {
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(request.Target));
        MountEntry? entry = MountTable.Find(target) ?? (Posix.RealPath(target) is { } real ? MountTable.Find(real) : null);
        if (entry is not { IsOurs: true })
        {
            throw new CommandFailure(Cause.NotMounted, $"{request.Target}: no IntegrityFs mount");
        }

        string wish = request.Options.ReadOnly ? "remount ro" : "remount rw";
        string? answer = ControlPath.Candidates((uint)getuid(), entry.DeviceNumber)
            .Select(path => ControlClient.Ask(path, wish, TimeSpan.FromSeconds(60)))
            .FirstOrDefault(a => a is not null);
        if (answer?.Trim() != "ok")
        {
            throw new CommandFailure(Cause.System, answer is null ? $"{request.Target}: the daemon does not answer" : $"{request.Target}: {answer.Trim()}");
        }

        int error = Posix.Remount(entry.MountPoint, (ulong)request.Options.Flags);
        if (error != 0)
        {
            throw new CommandFailure(Cause.System, $"{request.Target}: remount: {Posix.Describe(error)}");
        }
    }

    private static void Print(string line) => Console.Error.WriteLine($"mount.integrityfs: {line}");
}
