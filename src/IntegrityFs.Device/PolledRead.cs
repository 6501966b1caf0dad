// A processor that sleeps while the disk works must be woken when the disk is done, and on a virtual machine that takes a
// good part of what a fast disk takes. So a small read that is the only one under way watches for its completion instead
// of sleeping: Linux AIO puts it into a ring that is mapped into the process (io_setup(2); what fio calls userspace_reap).
// Promises:
// 1. Bytes and errors are those of pread(2). Where AIO is missing, refuses or is laid out otherwise, or a read fails, pread
//    serves: the error that is reported is its.
// 2. One thread watches at most, for at most 100 µs, only after 16 reads in a row that were alone, and stops as soon as
//    another read of the device begins: with several reads under way there is other work for the processor. It then
//    sleeps until the read is done, as pread would.
// 3. Watching pays for itself or stops: a read that outlasted it lowers the credit, one that did not raises it. A disk
//    that needs milliseconds is watched in one of 64 reads, to learn whether it still does.
// Cost: io_submit(2) instead of pread(2), and a processor while the disk works.
using System.Diagnostics;
using System.Runtime.InteropServices;
using IntegrityFs.Format;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Device;

/// <summary>Reads small pieces of one device without sleeping.</summary>
internal sealed unsafe class PolledRead : IDisposable
{
    /// <summary>Longest read in bytes that is watched.</summary>
    internal const int Longest = 64 << 10;

    /// <summary>Result of <see cref="TryRead"/> where nothing was done.</summary>
    internal const nint Refused = -1;

    private const int Events = 4;
    private const uint RingMagic = 0xA10A10A1;
    private const ushort ReadCommand = 0;
    private const int MostCredit = 8;
    private const int RetryAfter = 64;
    private const int LonelyReads = 16;

    private static readonly long s_patience = Stopwatch.Frequency / 10_000; // 100 µs

    private volatile Ring* _ring;
    private int _reading;
    private int _busy;
    private int _credit = MostCredit;
    private int _skipped;
    private int _lonely;
    private long _watched;

    private PolledRead(Ring* ring) => _ring = ring;

    /// <summary>Reads that ended while they were watched.</summary>
    internal long Watched => Interlocked.Read(ref _watched);

    /// <summary>Null where the kernel has no AIO, no room for one more context (fs.aio-max-nr), or another ring.</summary>
    internal static PolledRead? TryCreate()
    {
        nint context = 0;
        if (Native.IoSetup(Events, &context) != 0)
        {
            return null;
        }

        var ring = (Ring*)context;
        if (ring->Magic == RingMagic && ring->IncompatibleFeatures == 0 && ring->HeaderLength == sizeof(Ring)
            && ring->Count > 1)
        {
            return new PolledRead(ring);
        }

        Native.IoDestroy(context);
        return null;
    }

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

    /// <summary>Reads, after <see cref="Begin"/>. Bytes read; negative where it did not, and pread(2) is to be used.</summary>
    internal nint TryRead(int descriptor, long offset, byte* memory, int length)
    {
        if (length > Longest || _lonely <= LonelyReads || Volatile.Read(ref _reading) != 1
            || Interlocked.Exchange(ref _busy, 1) != 0)
        {
            return Refused;
        }

        try
        {
            return Pays() ? Submit(descriptor, offset, memory, length) : Refused;
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

        if (_ring == null)
        {
            return;
        }

        Native.IoDestroy((nint)_ring);
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

    private nint Submit(int descriptor, long offset, byte* memory, int length)
    {
        var command = new iocb
        {
            aio_lio_opcode = ReadCommand,
            aio_fildes = descriptor,
            aio_buf = (ulong)memory,
            aio_nbytes = (ulong)length,
            aio_offset = offset,
        };
        iocb* first = &command;
        if (Native.IoSubmit((nint)_ring, 1, &first) != 1)
        {
            return Refused;
        }

        long end = Stopwatch.GetTimestamp() + s_patience;
        while (Volatile.Read(ref _ring->Tail) == _ring->Head)
        {
            if (Volatile.Read(ref _reading) != 1)
            {
                return Sleep();
            }

            if (Stopwatch.GetTimestamp() > end)
            {
                _credit = Math.Max(_credit - 1, 0);
                return Sleep();
            }

            Thread.SpinWait(1);
        }

        _credit = Math.Min(_credit + 1, MostCredit);
        Volatile.Write(ref _watched, _watched + 1);
        uint head = _ring->Head;
        nint done = (nint)((io_event*)(_ring + 1))[head].res;
        Volatile.Write(ref _ring->Head, (head + 1) % _ring->Count);
        return done;
    }

    // The memory belongs to the kernel until the read is done: nothing but its end ends this.
    private nint Sleep()
    {
        io_event done;
        while (Native.IoGetEvents((nint)_ring, 1, 1, &done) != 1)
        {
            if ((Errno)errno is not (Errno.EINTR or Errno.EAGAIN))
            {
                Environment.FailFast("io_getevents lost a read of the device");
            }
        }

        return (nint)done.res;
    }

    /// <summary>struct aio_ring of Linux: what io_setup(2) maps; the events follow.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Ring
    {
        internal uint Id;
        internal uint Count;
        internal uint Head;
        internal uint Tail;
        internal uint Magic;
        internal uint CompatibleFeatures;
        internal uint IncompatibleFeatures;
        internal uint HeaderLength;
    }
}
