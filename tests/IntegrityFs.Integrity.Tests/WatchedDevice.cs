using IntegrityFs.Device;

namespace IntegrityFs.Integrity.Tests;

/// <summary>A device that lets a test do something before each write.</summary>
internal sealed class WatchedDevice(IDevice inner) : IDevice
{
    public Action? BeforeWrite { get; set; }

    public long Length => inner.Length;

    public int SectorSize => inner.SectorSize;

    public bool IsReadOnly => inner.IsReadOnly;

    public string Name => inner.Name;

    public void Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        BeforeWrite?.Invoke();
        inner.Write(offset, data);
    }

    public void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        BeforeWrite?.Invoke();
        inner.WriteGather(offset, segments);
    }

    public void Flush() => inner.Flush();

    public void Dispose()
    {
    }
}
