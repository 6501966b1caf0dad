// Promise: an IDevice over a PageImage. Everything written is at once readable; what is durable is decided by whoever
// recorded the calls, not here.
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>A device in memory over a copy-on-write image.</summary>
public sealed class ImageDevice(PageImage image, int sectorSize = 512, bool readOnly = false) : IDevice
{
    private readonly Lock _gate = new();

    /// <summary>The image.</summary>
    public PageImage Image { get; } = image;

    /// <summary>Number of write calls so far.</summary>
    public long Writes { get; private set; }

    /// <summary>Number of write calls that were refused because the device is read-only.</summary>
    public long RefusedWrites { get; private set; }

    /// <inheritdoc/>
    public long Length => Image.Length;

    /// <inheritdoc/>
    public int SectorSize { get; } = sectorSize;

    /// <inheritdoc/>
    public bool IsReadOnly { get; } = readOnly;

    /// <inheritdoc/>
    public string Name => "image";

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> buffer)
    {
        CheckAligned(offset, buffer.Length, DeviceOperation.Read);
        lock (_gate)
        {
            Image.Read(offset, buffer);
        }
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        CheckAligned(offset, data.Length, DeviceOperation.Write);
        if (IsReadOnly)
        {
            RefusedWrites++;
            throw new DeviceException(Errno.EROFS, DeviceOperation.Write, offset, "the image is read-only");
        }

        lock (_gate)
        {
            Writes++;
            Image.Write(offset, data);
        }
    }

    /// <inheritdoc/>
    public unsafe void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        foreach (IoSegment segment in segments)
        {
            Write(offset, new ReadOnlySpan<byte>((void*)segment.Address, segment.Length));
            offset += segment.Length;
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private void CheckAligned(long offset, int length, DeviceOperation operation)
    {
        if (((offset | (long)length) & (SectorSize - 1)) != 0)
        {
            throw new DeviceException(Errno.EINVAL, operation, offset, "access is not aligned to sectors");
        }
    }
}
