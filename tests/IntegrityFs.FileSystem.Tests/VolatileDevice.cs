using IntegrityFs.Device;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>A device with a volatile cache: what was not flushed may be there after a crash, in part, or not at all.</summary>
internal sealed class VolatileDevice(ReadOnlySpan<byte> content) : IDevice
{
    private const int Sector = 512;
    private readonly Lock _lock = new();
    private readonly byte[] _now = content.ToArray();
    private readonly byte[] _durable = content.ToArray();
    private readonly List<(long Offset, byte[] Data)> _unflushed = [];

    public long Length => _now.Length;

    public int SectorSize => Sector;

    public bool IsReadOnly => false;

    public string Name => "volatile";

    public void Read(long offset, Span<byte> buffer)
    {
        lock (_lock)
        {
            _now.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        lock (_lock)
        {
            data.CopyTo(_now.AsSpan((int)offset));
            _unflushed.Add((offset, data.ToArray()));
        }
    }

    public unsafe void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        foreach (IoSegment segment in segments)
        {
            Write(offset, new ReadOnlySpan<byte>((void*)segment.Address, segment.Length));
            offset += segment.Length;
        }
    }

    public void Flush()
    {
        Thread.Yield();
        lock (_lock)
        {
            foreach ((long offset, byte[] data) in _unflushed)
            {
                data.CopyTo(_durable.AsSpan((int)offset));
            }

            _unflushed.Clear();
        }
    }

    /// <summary>What a power failure now could leave.</summary>
    public MemoryDevice Crash(Random random)
    {
        lock (_lock)
        {
            MemoryDevice left = MemoryDevice.FromBytes(_durable);
            foreach ((long offset, byte[] data) in _unflushed)
            {
                int fate = random.Next(4);
                for (int at = 0; at < data.Length; at += Sector)
                {
                    if (fate < 2 || (fate == 2 && random.Next(2) == 0))
                    {
                        data.AsSpan(at, Sector).CopyTo(left.Slice(offset + at, Sector));
                    }
                }
            }

            return left;
        }
    }

    public void Dispose()
    {
    }
}
