using Microsoft.Extensions.Logging;

namespace IntegrityFs.Cli.Daemon;

/// <summary>The daemon's own messages.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "serving volume {Uuid} by {Type}")]
    public static partial void Serving(ILogger logger, Guid uuid, string type);

    [LoggerMessage(2, LogLevel.Information, "the mount ended ({Reason}): {Outcome}")]
    public static partial void Ended(ILogger logger, string reason, string outcome);

    [LoggerMessage(3, LogLevel.Error, "mount refused: {Reason}")]
    public static partial void Refused(ILogger logger, string reason);

    [LoggerMessage(4, LogLevel.Warning, "{Text}")]
    public static partial void Note(ILogger logger, string text);

    [LoggerMessage(5, LogLevel.Critical, "errors=panic: serving ends: {Reason}")]
    public static partial void Panic(ILogger logger, string reason);

    [LoggerMessage(6, LogLevel.Error, "the volume could not be closed in order, the next mount will replay: {Reason}")]
    public static partial void CloseFailed(ILogger logger, string reason);

    [LoggerMessage(7, LogLevel.Warning, "no control socket, so no status for this mount: {Reason}")]
    public static partial void NoControl(ILogger logger, string reason);

    [LoggerMessage(8, LogLevel.Error, "background work failed: {Reason}")]
    public static partial void BackgroundFailed(ILogger logger, string reason);
}
