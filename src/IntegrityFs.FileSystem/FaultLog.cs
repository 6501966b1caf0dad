using IntegrityFs.Format;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.FileSystem;

/// <summary>The lines that this floor writes.</summary>
internal static partial class FaultLog
{
    [LoggerMessage(1001, LogLevel.Error, "Volume {Volume}: {Reason} (zone {Zone}, block {Block}, inode {Inode}, path {Path}, offset {Offset})")]
    public static partial void Mismatch(ILogger logger, Guid volume, long block, Zone zone, ulong inode, string path, long offset, string reason);

    [LoggerMessage(1002, LogLevel.Error, "Volume {Volume} holds an impossible structure: {Reason} (inode {Inode}, path {Path}, offset {Offset})")]
    public static partial void Corrupt(ILogger logger, Guid volume, ulong inode, string path, long offset, string reason);

    [LoggerMessage(1003, LogLevel.Error, "The device of volume {Volume} failed: {Operation} at byte {DeviceOffset}: {Reason} (inode {Inode}, path {Path}, offset {Offset})")]
    public static partial void DeviceFailed(ILogger logger, Guid volume, DeviceOperation operation, long deviceOffset, ulong inode, string path, long offset, string reason);

    [LoggerMessage(1004, LogLevel.Error, "Volume {Volume} takes no more changes: {Reason}")]
    public static partial void Faulted(ILogger logger, Guid volume, string reason);

    [LoggerMessage(1005, LogLevel.Critical, "A request on volume {Volume} failed unexpectedly (inode {Inode})")]
    public static partial void Unexpected(ILogger logger, Exception error, Guid volume, ulong inode);

    [LoggerMessage(1006, LogLevel.Critical, "Volume {Volume} is read-only from now on, because of errors=remount-ro")]
    public static partial void ReadOnlyNow(ILogger logger, Guid volume);

    [LoggerMessage(1007, LogLevel.Critical, "Volume {Volume} stops serving, because of errors=panic")]
    public static partial void Panic(ILogger logger, Guid volume);
}
