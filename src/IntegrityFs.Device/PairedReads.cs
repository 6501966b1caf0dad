using Tmds.Linux;

namespace IntegrityFs.Device;

/// <summary>A few rings for threads that want two pieces of a device at once. Never waits for another thread: where there is
/// no ring, the caller reads one piece after the other.</summary>
internal sealed class PairedReads : IDisposable
{
    /// <summary>Reads at once.</summary>
    internal const int Most = 2;

    // As many as threads serve requests.
    private const int Kept = 8;

    private readonly Lock _lock = new();
    private readonly AioRing?[] _free = new AioRing?[Kept];
    private int _made;
    private int _count;
    private bool _closed;

    /// <summary>Reads at most <see cref="Most"/> pieces at once, and sleeps until all have ended.</summary>
    /// <param name="commands">Reads, numbered from 0.</param>
    /// <param name="results">By number: bytes read; stays as it is where pread(2) is to be used, or becomes negative.</param>
    /// <returns>False where nothing was done.</returns>
    internal bool TryRead(Span<iocb> commands, Span<nint> results)
    {
        AioRing? ring = Rent();
        if (ring is null)
        {
            return false;
        }

        Await(ring, ring.Submit(commands), results);
        Return(ring);
        return true;
    }

    /// <summary>Sleeps until so many reads have ended, and sets their results.</summary>
    internal static void Await(AioRing ring, int underWay, Span<nint> results)
    {
        for (; underWay > 0; underWay--)
        {
            AioRing.Ended ended = ring.Take();
            results[ended.Number] = ended.Result;
        }
    }

    /// <summary>Rings in use are freed when they come back.</summary>
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

    private AioRing? Rent()
    {
        lock (_lock)
        {
            if (_count > 0)
            {
                AioRing ring = _free[--_count]!;
                _free[_count] = null;
                return ring;
            }

            if (_closed || _made == Kept)
            {
                return null;
            }

            AioRing? created = AioRing.TryCreate(Most);
            _made = created is null ? Kept : _made + 1;
            return created;
        }
    }

    private void Return(AioRing ring)
    {
        lock (_lock)
        {
            if (!_closed)
            {
                _free[_count++] = ring;
                return;
            }
        }

        ring.Dispose();
    }
}
