// A processor that sleeps while the disk works must be woken when the disk is done, and on a virtual machine that takes a
// good part of what a fast disk takes. So a small read that is the only one under way watches for its completion instead
// of sleeping: Linux AIO puts it into a ring that is mapped into the process (AioRing.cs). So do two small reads that belong
// together.
// Promises:
// 1. Bytes and errors are those of pread(2). Where AIO is missing or refuses, or a read fails, pread serves: the error that
//    is reported is its.
// 2. One thread watches at most, for at most 100 µs, only after 16 reads in a row that were alone, and stops as soon as
//    another read of the device begins: with several reads under way there is other work for the processor. It then
//    sleeps until the read is done, as pread would.
// 3. Watching pays for itself or stops: a read that outlasted it lowers the credit, one that did not raises it. A disk
//    that needs milliseconds is watched in one of 64 reads, to learn whether it still does.
// Cost: io_submit(2) instead of pread(2), and a processor while the disk works.
using System.Diagnostics;
using Tmds.Linux;

namespace IntegrityFs.Device;

/// <summary>Reads small pieces of one device without sleeping.</summary>
internal sealed unsafe class PolledRead : IDisposable
{
    /// <summary>Longest read in bytes that is watched.</summary>
    internal const int Longest = 64 << 10;

    private const int MostCredit = 8;
    private const int RetryAfter = 64;
    private const int LonelyReads = 16;

    private static readonly long s_patience = Stopwatch.Frequency / 10_000; // 100 µs

    private volatile AioRing? _ring;
    private int _reading;
    private int _busy;
    private int _credit = MostCredit;
    private int _skipped;
    private int _lonely;
    private long _watched;

    private PolledRead(AioRing ring) => _ring = ring;

    /// <summary>Reads that ended while they were watched.</summary>
    internal long Watched => Interlocked.Read(ref _watched);

    /// <summary>Null where there is no ring to be had.</summary>
    internal static PolledRead? TryCreate() => AioRing.TryCreate(PairedReads.Most) is { } ring ? new PolledRead(ring) : null;

    /// <summary>Tells of a read of whatever kind: a watched one is then not the only one.</summary>
    internal void Begin()
    {
        if (Interlocked.Increment(ref _reading) == 1)
        {
            _lonely += _lonely <= LonelyReads ? 1 : 0;
        }
        else if (_lonely != 0)
        {
            _lonely = 0;
        }
    }

    /// <summary>Ends what <see cref="Begin"/> began.</summary>
    internal void End() => Interlocked.Decrement(ref _reading);

    /// <summary>Reads, after <see cref="Begin"/>, at most <see cref="PairedReads.Most"/> pieces at once.</summary>
    /// <param name="commands">Reads, numbered from 0: <see cref="AioRing.Read"/>, <see cref="AioRing.ReadScatter"/>.</param>
    /// <param name="results">By number: bytes read; stays as it is where pread(2) is to be used, or becomes negative.</param>
    /// <returns>False where nothing was done.</returns>
    internal bool TryRead(Span<iocb> commands, Span<nint> results)
    {
        if (_lonely <= LonelyReads || Volatile.Read(ref _reading) != 1 || Interlocked.Exchange(ref _busy, 1) != 0)
        {
            return false;
        }

        try
        {
            if (_ring is not { } ring || !Pays())
            {
                return false;
            }

            int underWay = ring.Submit(commands);
            if (underWay == 0)
            {
                _credit = Math.Max(_credit - 1, 0);
                return false;
            }

            Watch(ring, underWay, results);
            return true;
        }
        finally
        {
            Volatile.Write(ref _busy, 0);
        }
    }

    /// <summary>Waits for a watched read; later ones are refused.</summary>
    public void Dispose()
    {
        while (_ring != null && Interlocked.Exchange(ref _busy, 1) != 0)
        {
            Thread.Yield();
        }

        _ring?.Dispose();
        _ring = null;
    }

    private bool Pays()
    {
        if (_credit > 0)
        {
            return true;
        }

        if (++_skipped < RetryAfter)
        {
            return false;
        }

        _skipped = 0;
        return true;
    }

    private void Watch(AioRing ring, int underWay, Span<nint> results)
    {
        long end = Stopwatch.GetTimestamp() + s_patience;
        while (underWay > 0)
        {
            if (ring.TryTake(out AioRing.Ended ended))
            {
                results[ended.Number] = ended.Result;
                underWay--;
                continue;
            }

            bool alone = Volatile.Read(ref _reading) == 1;
            bool late = Stopwatch.GetTimestamp() > end;
            if (!alone || late)
            {
                _credit -= alone && _credit > 0 ? 1 : 0;
                PairedReads.Await(ring, underWay, results);
                return;
            }

            Thread.SpinWait(1);
        }

        _credit = Math.Min(_credit + 1, MostCredit);
        Volatile.Write(ref _watched, _watched + 1);
    }
}
