using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace IntegrityFs.Cli.Logging;

/// <summary>Makes the logger of a command: the console in the foreground; for a daemon its file, the systemd journal,
/// syslog or the kernel's log, the first that there is.</summary>
internal static class LogSinks
{
    /// <summary>For commands in the foreground: standard error.</summary>
    public static ILoggerFactory Console(LogLevel least) => LoggerFactory.Create(builder => builder
        .SetMinimumLevel(least)
        .AddConsole(static options => options.LogToStandardErrorThreshold = LogLevel.Trace)
        .AddSimpleConsole(static options =>
        {
            options.SingleLine = true;
            options.ColorBehavior = LoggerColorBehavior.Disabled;
        }));

    /// <summary>For a daemon, with the file of -o log= or null.</summary>
    public static ILoggerFactory Daemon(string? file, LogLevel least)
    {
        // No container and no options framework here: they would cost a third of the helper's start-up time.
        var factory = new LoggerFactory([], new LoggerFilterOptions { MinLevel = least });
        factory.AddProvider(new SinkLoggerProvider(Open(file)));
        return factory;
    }

    private static ILogSink? Open(string? file)
    {
        if (file is not null)
        {
            try
            {
                return StreamSink.OpenFile(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new CommandFailure(Cause.System, $"cannot open the log file: {e.Message}", e);
            }
        }

        return TryOpen(JournalSink.Path, static () => new JournalSink())
            ?? TryOpen(SyslogSink.Path, static () => new SyslogSink())
            ?? TryOpen("/dev/kmsg", StreamSink.OpenKernelLog);
    }

    private static ILogSink? TryOpen(string path, Func<ILogSink> open)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            return open();
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
