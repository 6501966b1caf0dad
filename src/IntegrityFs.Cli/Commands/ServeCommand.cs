using IntegrityFs.Cli.Daemon;
using IntegrityFs.Cli.Logging;
using IntegrityFs.Cli.Native;
using Microsoft.Extensions.Logging;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Commands;

/// <summary>The process that serves a mount: started by <see cref="Launcher"/>, or the mount command itself where it
/// stays in the foreground.</summary>
internal static class ServeCommand
{
    /// <summary>The hidden verb. Standard input may hold a passphrase, descriptor 3 is the status pipe.</summary>
    public static int Run(string[] arguments)
    {
        _ = fcntl(ChildProcess.ExtraDescriptor, F_SETFD, FD_CLOEXEC);
        using var pipe = new StatusPipeWriter(ChildProcess.ExtraDescriptor);
        try
        {
            MountRequest request = MountRequest.Parse(arguments);
            Harden();
            ProtectFromMemoryPressure();
            using ILoggerFactory loggers = LogSinks.Daemon(request.Options.LogFile, Level(request));
            using var host = new MountHost(request, pipe, loggers);
            return MountExit.From(host.Run(request.Options.Key));
        }
        catch (Exception e)
        {
            CommandFailure failure = Failures.Translate(e);
            pipe.Failed(failure.Cause, failure.Message);
            return MountExit.From(failure.Cause);
        }
    }

    /// <summary>mount --foreground, and mount -f, with the passphrase where it has been asked for already.</summary>
    public static Cause RunInForeground(MountRequest request, byte[]? passphrase)
    {
        Harden();
        using ILoggerFactory loggers = request.Options.LogFile is null
            ? LogSinks.Console(Level(request))
            : LogSinks.Daemon(request.Options.LogFile, Level(request));
        using var host = new MountHost(request, new ConsoleReadiness(), loggers);
        return host.Run(passphrase is null ? request.Options.Key : new KeySource.Given(passphrase));
    }

    private static LogLevel Level(MountRequest request) =>
        request.Options.Debug ? LogLevel.Debug : LogLevel.Information;

    /// <summary>No core dump, no ptrace by the same user: the key is in this process.</summary>
    private static void Harden() => _ = Posix.ProcessControl(Posix.PrSetDumpable, 0, 0, 0, 0);

    /// <summary>A killed daemon is a dead file system. Needs privilege; a precaution where that is missing.</summary>
    private static void ProtectFromMemoryPressure()
    {
        try
        {
            File.WriteAllText("/proc/self/oom_score_adj", "-900");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Not root.
        }
    }

    private sealed class ConsoleReadiness : IReadiness
    {
        public void Note(string text) => Console.Error.WriteLine($"mount.integrityfs: {text}");

        public bool Ready() => true;

        public void Failed(Cause cause, string text) => Console.Error.WriteLine($"mount.integrityfs: {text}");
    }
}
