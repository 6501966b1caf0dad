using IntegrityFs.Device;

namespace IntegrityFs.Fuse.Tests;

/// <summary>A device in memory that counts what is asked of it.</summary>
internal sealed class CountingDevice(long length) : IDevice
{
    private readonly MemoryDevice _memory = new(length);

    public long Length => _memory.Length;

    public int SectorSize => _memory.SectorSize;

    public bool IsReadOnly => false;

    public string Name => "counting";

    public long Reads { get; private set; }

    public long BytesRead { get; private set; }

    public long Writes { get; private set; }

    public long BytesWritten { get; private set; }

    public long Flushes { get; private set; }

    public void Reset() => Reads = BytesRead = Writes = BytesWritten = Flushes = 0;

    public void Read(long offset, Span<byte> buffer)
    {
        Reads++;
        BytesRead += buffer.Length;
        _memory.Read(offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Writes++;
        BytesWritten += data.Length;
        _memory.Write(offset, data);
    }

    public void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        Writes++;
        foreach (IoSegment segment in segments)
        {
            BytesWritten += segment.Length;
        }

        _memory.WriteGather(offset, segments);
    }

    public void Flush()
    {
        Flushes++;
        _memory.Flush();
    }

    public void Dispose() => _memory.Dispose();
}
