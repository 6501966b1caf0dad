using IntegrityFs.Fuse.Protocol;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Fuse;

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Error, "{Operation} of inode {Inode} failed unexpectedly and is answered with EIO")]
    public static partial void HandlerFailed(ILogger logger, Exception failure, Opcode operation, ulong inode);

    [LoggerMessage(2, LogLevel.Error, "closing the volume after the unmount failed")]
    public static partial void FinishFailed(ILogger logger, Exception failure);

    [LoggerMessage(3, LogLevel.Warning, "malformed request from the kernel: {Length} bytes, operation {Operation}")]
    public static partial void MalformedRequest(ILogger logger, int length, Opcode operation);

    [LoggerMessage(4, LogLevel.Error, "reading a request failed with error {Error}; this thread stops serving")]
    public static partial void ReceiveFailed(ILogger logger, int error);

    [LoggerMessage(5, LogLevel.Error, "sending the reply to {Operation} failed with error {Error}")]
    public static partial void SendFailed(ILogger logger, Opcode operation, int error);

    [LoggerMessage(6, LogLevel.Information, "serving FUSE 7.{Minor}, {Threads} threads, requests up to {Transfer} bytes")]
    public static partial void Serving(ILogger logger, uint minor, int threads, int transfer);

    [LoggerMessage(7, LogLevel.Error, "the kernel speaks FUSE {Major}.{Minor}; at least 7.31 is needed")]
    public static partial void Incompatible(ILogger logger, uint major, uint minor);

    [LoggerMessage(8, LogLevel.Information, "unmounted")]
    public static partial void Unmounted(ILogger logger);

    [LoggerMessage(9, LogLevel.Error, "the kernel's connection was aborted")]
    public static partial void Aborted(ILogger logger);

    [LoggerMessage(10, LogLevel.Warning, "{Target} is busy: detached, and served until the last file is closed")]
    public static partial void DetachedBusy(ILogger logger, string target);

    [LoggerMessage(11, LogLevel.Debug, "{Setting} was not changed: {Reason}")]
    public static partial void TuningFailed(ILogger logger, string setting, string reason);

    [LoggerMessage(12, LogLevel.Error, "a serving thread failed")]
    public static partial void WorkerFailed(ILogger logger, Exception failure);

    [LoggerMessage(13, LogLevel.Warning, "files were still open after {Seconds} s; the connection is aborted")]
    public static partial void DrainExpired(ILogger logger, double seconds);
}
