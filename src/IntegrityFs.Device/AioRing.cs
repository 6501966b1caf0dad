// A context of Linux AIO (io_setup(2)): what is submitted together is under way together, and its ends can be seen in a ring
// that the kernel maps into the process, without a system call (what fio calls userspace_reap).
// Promise: a command that was taken has ended before its memory may be used again; whoever submits must take every end.
// Threads: one at a time. Cost: one system call to submit, and one to wait where the end is not simply seen.
using System.Runtime.InteropServices;
using IntegrityFs.Format;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Device;

/// <summary>Reads of which several can be under way for one thread; a result is a number of bytes, or a negative errno.</summary>
internal sealed unsafe class AioRing : IDisposable
{
    /// <summary>Result of a read that was not begun.</summary>
    internal const nint Refused = -1;

    /// <summary>Greatest capacity.</summary>
    internal const int MostCapacity = 64;

    private const uint Magic = 0xA10A10A1;
    private const ushort ReadCommand = 0;
    private const ushort ReadVectorCommand = 7;

    /// <summary>What a read has ended with.</summary>
    internal readonly record struct Ended(int Number, nint Result);

    private readonly Ring* _ring;

    private AioRing(Ring* ring, int capacity)
    {
        _ring = ring;
        Capacity = capacity;
    }

    /// <summary>Reads that can be under way at once.</summary>
    internal int Capacity { get; }

    /// <summary>Null where the kernel has no AIO, no room for one more context (fs.aio-max-nr), or another ring.</summary>
    /// <param name="capacity">1 to <see cref="MostCapacity"/>.</param>
    internal static AioRing? TryCreate(int capacity)
    {
        nint context = 0;
        if (Native.IoSetup((uint)capacity, &context) != 0)
        {
            return null;
        }

        var ring = (Ring*)context;
        if (ring->Magic == Magic && ring->IncompatibleFeatures == 0 && ring->HeaderLength == sizeof(Ring)
            && ring->Count > capacity)
        {
            return new AioRing(ring, capacity);
        }

        Native.IoDestroy(context);
        return null;
    }

    /// <summary>pread(2) as a command.</summary>
    internal static iocb Read(int descriptor, long offset, void* memory, int length, int number = 0) =>
        Command(ReadCommand, descriptor, offset, memory, length, number);

    /// <summary>preadv(2) as a command; the vectors may go once it is submitted.</summary>
    internal static iocb ReadScatter(int descriptor, long offset, IoVector* vectors, int count, int number = 0) =>
        Command(ReadVectorCommand, descriptor, offset, vectors, count, number);

    /// <summary>Begins reads.</summary>
    /// <param name="commands">No more than there is room for; aio_data is the number that the end will have.</param>
    /// <returns>How many are under way: the first ones; 0 for none.</returns>
    internal int Submit(Span<iocb> commands)
    {
        iocb** pointers = stackalloc iocb*[MostCapacity];
        fixed (iocb* first = commands)
        {
            for (int i = 0; i < commands.Length; i++)
            {
                pointers[i] = first + i;
            }

            return (int)Math.Max(Native.IoSubmit((nint)_ring, commands.Length, pointers), 0);
        }
    }

    /// <summary>Takes one read that has ended. False where none has.</summary>
    internal bool TryTake(out Ended ended)
    {
        uint head = _ring->Head;
        if (Volatile.Read(ref _ring->Tail) == head)
        {
            ended = default;
            return false;
        }

        ended = Describe(((io_event*)(_ring + 1))[head]);
        Volatile.Write(ref _ring->Head, (head + 1) % _ring->Count);
        return true;
    }

    /// <summary>Sleeps until a read has ended, and takes it. One must be under way.</summary>
    internal Ended Take()
    {
        io_event ended;
        while (Native.IoGetEvents((nint)_ring, 1, 1, &ended) != 1)
        {
            if ((Errno)errno is not (Errno.EINTR or Errno.EAGAIN))
            {
                // The memory belongs to the kernel until the read has ended: nothing else may end this.
                Environment.FailFast("io_getevents lost a read of the device");
            }
        }

        return Describe(ended);
    }

    /// <summary>Waits for what is under way.</summary>
    public void Dispose() => Native.IoDestroy((nint)_ring);

    private static iocb Command(ushort operation, int descriptor, long offset, void* memory, int count, int number) => new()
    {
        aio_data = (ulong)number,
        aio_lio_opcode = operation,
        aio_fildes = descriptor,
        aio_buf = (ulong)memory,
        aio_nbytes = (ulong)count,
        aio_offset = offset,
    };

    private static Ended Describe(in io_event ended) => new((int)ended.data, (nint)ended.res);

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
