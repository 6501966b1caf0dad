namespace IntegrityFs.Device;

/// <summary>A few aligned buffers for callers whose memory O_DIRECT would refuse. Never waits: where all are out, one
/// more is made and freed on return.</summary>
internal sealed class BouncePool : IDisposable
{
    internal const int BufferBytes = 256 * 1024;
    private const int Kept = 8;

    private readonly Lock _lock = new();
    private readonly AlignedMemory?[] _free = new AlignedMemory?[Kept];
    private int _count;
    private bool _closed;

    internal AlignedMemory Rent()
    {
        lock (_lock)
        {
            if (_count > 0)
            {
                AlignedMemory buffer = _free[--_count]!;
                _free[_count] = null;
                return buffer;
            }
        }

        return new AlignedMemory(BufferBytes);
    }

    internal void Return(AlignedMemory buffer)
    {
        lock (_lock)
        {
            if (!_closed && _count < Kept)
            {
                _free[_count++] = buffer;
                return;
            }
        }

        buffer.Dispose();
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _closed = true;
            while (_count > 0)
            {
                _free[--_count]!.Dispose();
                _free[_count] = null;
            }
        }
    }
}
