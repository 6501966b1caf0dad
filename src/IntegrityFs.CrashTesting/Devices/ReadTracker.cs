// Promise: notes which sectors were read, and changes nothing.
using IntegrityFs.Device;

namespace IntegrityFs.CrashTesting;

/// <summary>A device that remembers what was read.</summary>
internal sealed class ReadTracker(IDevice inner) : IDevice
{
    private readonly HashSet<long> _sectors = [];
    private readonly Lock _gate = new();

    /// <summary>Numbers of the 512-byte sectors that were read.</summary>
    public IReadOnlySet<long> Sectors => _sectors;

    public long Length => inner.Length;

    public int SectorSize => inner.SectorSize;

    public bool IsReadOnly => inner.IsReadOnly;

    public string Name => inner.Name;

    public void Read(long offset, Span<byte> buffer)
    {
        lock (_gate)
        {
            for (long sector = offset / 512; sector * 512 < offset + buffer.Length; sector++)
            {
                _sectors.Add(sector);
            }
        }

        inner.Read(offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data) => inner.Write(offset, data);

    public void WriteGather(long offset, ReadOnlySpan<IoSegment> segments) => inner.WriteGather(offset, segments);

    public void Flush() => inner.Flush();

    public void Dispose() => inner.Dispose();
}
