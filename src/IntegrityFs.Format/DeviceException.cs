namespace IntegrityFs.Format;

/// <summary>What the device was asked to do when it failed.</summary>
public enum DeviceOperation
{
    /// <summary>Open or query.</summary>
    Open,

    /// <summary>Read.</summary>
    Read,

    /// <summary>Write.</summary>
    Write,

    /// <summary>Flush.</summary>
    Flush,
}

/// <summary>The device failed: <see cref="Errno"/> as the kernel gave it, at byte <see cref="Offset"/>
/// (−1 where no offset applies).</summary>
public sealed class DeviceException(Errno errno, DeviceOperation operation, long offset, string message)
    : IOException(message)
{
    /// <summary>The kernel's error number.</summary>
    public Errno Errno { get; } = errno;

    /// <summary>The call that failed.</summary>
    public DeviceOperation Operation { get; } = operation;

    /// <summary>Byte offset, or −1.</summary>
    public long Offset { get; } = offset;
}
