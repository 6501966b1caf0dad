// Several reads of one thread under way at once, by Linux AIO, so that a thread that serves many need not sleep for one.
// Promise: what was added ends, with its bytes or without: a read that the kernel refuses ends at once as failed, and its
// error is told by the ordinary read that follows. Its memory is the device's until then.
// Cost: one system call for all that was added; none to see what has ended. No allocation.
using IntegrityFs.Format;
using Microsoft.Win32.SafeHandles;
using Tmds.Linux;

namespace IntegrityFs.Device;

/// <summary>A queue of reads of one device. One thread at a time.</summary>
public sealed unsafe class ReadQueue : IDisposable
{
    private readonly IDevice _device;
    private readonly SafeFileHandle _handle;
    private readonly AioRing _ring;
    private readonly int _memoryAlignment;
    private readonly iocb[] _added;
    private readonly int[] _lengths;
    private readonly Stack<int> _refused;
    private int _count;
    private int _underWay;
    private bool _disposed;

    internal ReadQueue(IDevice device, SafeFileHandle handle, AioRing ring, int memoryAlignment)
    {
        _device = device;
        _handle = handle;
        _ring = ring;
        _memoryAlignment = memoryAlignment;
        _added = new iocb[ring.Capacity];
        _lengths = new int[ring.Capacity];
        _refused = new Stack<int>(ring.Capacity);
    }

    /// <summary>Reads that have been added and not been taken.</summary>
    public int Count => _count + _underWay + _refused.Count;

    /// <summary>True where one thread may read into memory at <paramref name="address"/> without a copy.</summary>
    public bool Takes(nint address) => (address & (_memoryAlignment - 1)) == 0;

    /// <summary>Adds a read. <see cref="Count"/> must be below the capacity.</summary>
    /// <param name="offset">Bytes from the device's beginning.</param>
    /// <param name="memory">Where to; see <see cref="Takes"/>.</param>
    /// <param name="number">0 to the capacity − 1, not in use: what <see cref="TryTake"/> will say.</param>
    /// <exception cref="DeviceException">The place is outside the device.</exception>
    public void Add(long offset, IoSegment memory, int number)
    {
        DeviceGuard.Check(_device, DeviceOperation.Read, offset, memory.Length);
        _added[_count++] = AioRing.Read(-1, offset, (void*)memory.Address, memory.Length, number);
        _lengths[number] = memory.Length;
    }

    /// <summary>Begins all reads that were added.</summary>
    public void Submit()
    {
        if (_count == 0)
        {
            return;
        }

        Span<iocb> commands = _added.AsSpan(0, _count);
        int begun = 0;
        if (!_handle.IsClosed)
        {
            using var held = new HeldDescriptor(_handle);
            foreach (ref iocb command in commands)
            {
                command.aio_fildes = held.Number;
            }

            begun = _ring.Submit(commands);
        }

        foreach (ref iocb command in commands[begun..])
        {
            _refused.Push((int)command.aio_data);
        }

        _underWay += begun;
        _count = 0;
    }

    /// <summary>Takes a read that has ended.</summary>
    /// <param name="wait">Sleep until one has; one must be under way.</param>
    /// <param name="number">Which.</param>
    /// <param name="complete">All its bytes are there; else they are to be read in the ordinary way.</param>
    /// <returns>False where none has ended.</returns>
    public bool TryTake(bool wait, out int number, out bool complete)
    {
        complete = false;
        if (_refused.TryPop(out number))
        {
            return true;
        }

        if (_underWay == 0)
        {
            return false;
        }

        if (!_ring.TryTake(out AioRing.Ended ended))
        {
            if (!wait)
            {
                return false;
            }

            ended = _ring.Take();
        }

        _underWay--;
        number = ended.Number;
        complete = ended.Result == _lengths[number];
        return true;
    }

    /// <summary>Waits until no read is under way.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _ring.Dispose();
        }
    }
}
