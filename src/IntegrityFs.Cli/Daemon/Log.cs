using Microsoft.Extensions.Logging;

namespace IntegrityFs.Cli.Daemon;

/// <summary>The daemon's own messages.</summary>
internal static partial class Log
{
    public const int ServingEvent = 101;
    public const int EndedEvent = 102;
    public const int RefusedEvent = 103;
    public const int PanicEvent = 105;

    [LoggerMessage(ServingEvent, LogLevel.Information, "serving volume {Uuid} by {Type}")]
    public static partial void Serving(ILogger logger, Guid uuid, string type);

    [LoggerMessage(EndedEvent, LogLevel.Information, "the mount ended ({Reason}): {Outcome}")]
    public static partial void Ended(ILogger logger, string reason, string outcome);

    [LoggerMessage(RefusedEvent, LogLevel.Error, "mount refused: {Reason}")]
    public static partial void Refused(ILogger logger, string reason);

    [LoggerMessage(104, LogLevel.Warning, "{Text}")]
    public static partial void Note(ILogger logger, string text);

    [LoggerMessage(PanicEvent, LogLevel.Critical, "errors=panic: serving ends: {Reason}")]
    public static partial void Panic(ILogger logger, string reason);

    [LoggerMessage(106, LogLevel.Error, "the volume could not be closed in order, the next mount will replay: {Reason}")]
    public static partial void CloseFailed(ILogger logger, string reason);

    [LoggerMessage(107, LogLevel.Warning, "no control socket, so no status for this mount: {Reason}")]
    public static partial void NoControl(ILogger logger, string reason);
}
