using IntegrityFs.Device;

namespace IntegrityFs.Volume.Tests;

/// <summary>A device that lets a test look at, or do something before, each write and each flush.</summary>
internal sealed class WatchedDevice(IDevice inner) : IDevice
{
    /// <summary>Offset and bytes of a write that is about to happen.</summary>
    public Action<long, int>? BeforeWrite { get; set; }

    public Action? BeforeFlush { get; set; }

    public long Length => inner.Length;

    public int SectorSize => inner.SectorSize;

    public bool IsReadOnly => inner.IsReadOnly;

    public string Name => inner.Name;

    public void Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        BeforeWrite?.Invoke(offset, data.Length);
        inner.Write(offset, data);
    }

    public void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        BeforeWrite?.Invoke(offset, segments[0].Length);
        inner.WriteGather(offset, segments);
    }

    public void Flush()
    {
        BeforeFlush?.Invoke();
        inner.Flush();
    }

    public void Dispose()
    {
    }
}
