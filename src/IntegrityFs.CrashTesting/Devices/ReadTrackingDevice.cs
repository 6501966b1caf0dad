// Promise: notes which of the watched sectors are read before they are written here, each once, in the order of the first
// read: what the caller does depends on their content and on nothing else of the watched sectors.
using IntegrityFs.Device;

namespace IntegrityFs.CrashTesting;

/// <summary>A device that notes reads of watched sectors.</summary>
internal sealed class ReadTrackingDevice(IDevice inner, StateHasher sectors, List<int> reads) : IDevice
{
    private readonly bool[] _settled = new bool[sectors.SlotCount];

    public long Length => inner.Length;

    public int SectorSize => inner.SectorSize;

    public bool IsReadOnly => inner.IsReadOnly;

    public string Name => inner.Name;

    public void Read(long offset, Span<byte> buffer)
    {
        Touch(offset, buffer.Length, isRead: true);
        inner.Read(offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Touch(offset, data.Length, isRead: false);
        inner.Write(offset, data);
    }

    public void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        int length = 0;
        foreach (IoSegment segment in segments)
        {
            length = checked(length + segment.Length);
        }

        Touch(offset, length, isRead: false);
        inner.WriteGather(offset, segments);
    }

    public void Flush() => inner.Flush();

    public void Dispose() => inner.Dispose();

    private void Touch(long offset, int length, bool isRead)
    {
        for (long at = offset; at < offset + length; at += CrashState.SectorSize)
        {
            int slot = sectors.SlotAt(at);
            if (slot >= 0 && !_settled[slot])
            {
                _settled[slot] = true;
                if (isRead)
                {
                    reads.Add(slot);
                }
            }
        }
    }
}
