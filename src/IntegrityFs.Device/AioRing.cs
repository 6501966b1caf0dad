// A context of Linux AIO (io_setup(2)): what is submitted together is under way together, and its ends can be seen in a ring
// that the kernel maps into the process, without a system call (what fio calls userspace_reap).
// Promise: a command that was taken has ended before its memory may be used again; whoever submits must take every end.
// Threads: one at a time. Cost: one system call to submit, and one to wait where the end is not simply seen.
using System.Runtime.InteropServices;
using IntegrityFs.Format;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Device;

/// <summary>Reads of which several can be under way for one thread.</summary>
internal sealed unsafe class AioRing : IDisposable
{
    /// <summary>Reads at once.</summary>
    internal const int Most = 2;

    /// <summary>Result of a read that was not taken.</summary>
    internal const nint Refused = -1;

    private const uint Magic = 0xA10A10A1;
    private const ushort ReadCommand = 0;
    private const ushort ReadVectorCommand = 7;

    private readonly Ring* _ring;

    private AioRing(Ring* ring) => _ring = ring;

    /// <summary>Null where the kernel has no AIO, no room for one more context (fs.aio-max-nr), or another ring.</summary>
    internal static AioRing? TryCreate()
    {
        nint context = 0;
        if (Native.IoSetup(Most, &context) != 0)
        {
            return null;
        }

        var ring = (Ring*)context;
        if (ring->Magic == Magic && ring->IncompatibleFeatures == 0 && ring->HeaderLength == sizeof(Ring) && ring->Count > Most)
        {
            return new AioRing(ring);
        }

        Native.IoDestroy(context);
        return null;
    }

    /// <summary>pread(2) as a command.</summary>
    internal static iocb Read(int descriptor, long offset, void* memory, int length) => new()
    {
        aio_lio_opcode = ReadCommand,
        aio_fildes = descriptor,
        aio_buf = (ulong)memory,
        aio_nbytes = (ulong)length,
        aio_offset = offset,
    };

    /// <summary>preadv(2) as a command; the vectors may go once it is submitted.</summary>
    internal static iocb ReadScatter(int descriptor, long offset, IoVector* vectors, int count) => new()
    {
        aio_lio_opcode = ReadVectorCommand,
        aio_fildes = descriptor,
        aio_buf = (ulong)vectors,
        aio_nbytes = (ulong)count,
        aio_offset = offset,
    };

    /// <summary>Begins reads.</summary>
    /// <param name="commands">At most <see cref="Most"/>.</param>
    /// <param name="results">Gets <see cref="Refused"/> for each.</param>
    /// <returns>How many are under way: the first ones; 0 for none.</returns>
    internal int Submit(Span<iocb> commands, Span<nint> results)
    {
        iocb** pointers = stackalloc iocb*[Most];
        fixed (iocb* first = commands)
        {
            for (int i = 0; i < commands.Length; i++)
            {
                first[i].aio_data = (ulong)i;
                pointers[i] = first + i;
                results[i] = Refused;
            }

            return (int)Math.Max(Native.IoSubmit((nint)_ring, commands.Length, pointers), 0);
        }
    }

    /// <summary>Sets the result of one read that has ended: bytes, or a negative errno. False where none has.</summary>
    internal bool TryTake(Span<nint> results)
    {
        uint head = _ring->Head;
        if (Volatile.Read(ref _ring->Tail) == head)
        {
            return false;
        }

        Set(((io_event*)(_ring + 1))[head], results);
        Volatile.Write(ref _ring->Head, (head + 1) % _ring->Count);
        return true;
    }

    /// <summary>Sleeps until <paramref name="count"/> reads have ended, and sets their results.</summary>
    internal void Take(int count, Span<nint> results)
    {
        io_event* ended = stackalloc io_event[Most];
        while (count > 0)
        {
            long taken = Native.IoGetEvents((nint)_ring, count, count, ended);
            if (taken < 0 && (Errno)errno is not (Errno.EINTR or Errno.EAGAIN))
            {
                // The memory belongs to the kernel until the reads have ended: nothing else may end this.
                Environment.FailFast("io_getevents lost a read of the device");
            }

            for (int i = 0; i < taken; i++)
            {
                Set(ended[i], results);
                count--;
            }
        }
    }

    /// <summary>Nothing may be under way.</summary>
    public void Dispose() => Native.IoDestroy((nint)_ring);

    private static void Set(in io_event ended, Span<nint> results) => results[(int)ended.data] = (nint)ended.res;

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
