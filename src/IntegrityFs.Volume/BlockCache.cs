// Promise: verified blocks in memory, about `capacity` of them, found by number; what is dirty or pinned is never evicted.
// A buffer that a commit or an older operation still needs is never written: changes go to a new buffer (copy on write).
// Threads: every public call takes the lock for a few instructions; buffers are read outside it under a pin or a scope.
// Cost: a hit is one lock and one dictionary look-up; no allocation once warm.
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Volume;

/// <summary>What a cached block's content is.</summary>
internal enum BlockState
{
    /// <summary>In no map.</summary>
    Unused,

    /// <summary>As on the device or in the journal.</summary>
    Clean,

    /// <summary>Changed by the running transaction.</summary>
    Dirty,

    /// <summary>Changed by the transaction that is being committed, and not since.</summary>
    Committing,

    /// <summary>Freed while dirty: its transaction leaves it out.</summary>
    Dropped,
}

/// <summary>A block in memory.</summary>
internal sealed class CachedBlock
{
    public long Number;
    public nint Address;
    public int Pins;
    public bool Referenced;
    public BlockState State;
    public BlockPurpose Purpose;

    /// <summary>To be written in place by the commit (data=auto).</summary>
    public bool InPlace;

    /// <summary>The operation that changed it last, for the first touch.</summary>
    public ulong Touched;

    /// <summary>Place in the eviction ring.</summary>
    public int RingIndex;

    public unsafe Span<byte> Span(int size) => new((void*)Address, size);
}

internal sealed class BlockCache(int capacity, int blockSize, Func<bool>? allowBuffer = null) : IDisposable
{
    private const int SlabBytes = AlignedMemory.HugePage;
    private readonly Dictionary<long, CachedBlock> _map = new(capacity);
    private readonly List<CachedBlock> _ring = new(capacity);
    private readonly Stack<CachedBlock> _spare = new();
    private readonly Stack<nint> _buffers = new(capacity);
    private readonly List<AlignedMemory> _slabs = [];
    private readonly Lock _lock = new();
    private int _bufferCount;
    private int _hand;

    /// <summary>Blocks in the cache.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _map.Count;
            }
        }
    }

    /// <summary>Finds and pins.</summary>
    public bool TryPin(long number, out CachedBlock block)
    {
        lock (_lock)
        {
            if (_map.TryGetValue(number, out block!))
            {
                block.Referenced = true;

                // Whoever lets go does so without the lock.
                Interlocked.Increment(ref block.Pins);
                return true;
            }

            return false;
        }
    }

    public void Unpin(CachedBlock block) => Interlocked.Decrement(ref block.Pins);

    /// <summary>Finds without a pin, inside the exclusive scope.</summary>
    public bool TryGet(long number, out CachedBlock block)
    {
        lock (_lock)
        {
            return _map.TryGetValue(number, out block!);
        }
    }

    /// <summary>True where the block is in memory, at this moment.</summary>
    public bool Contains(long number)
    {
        lock (_lock)
        {
            return _map.ContainsKey(number);
        }
    }

    /// <summary>How many blocks, from <paramref name="first"/> on and at most <paramref name="count"/>, are not in
    /// memory, at this moment.</summary>
    public int CountAbsent(long first, int count)
    {
        lock (_lock)
        {
            for (int i = 0; i < count; i++)
            {
                if (_map.ContainsKey(first + i))
                {
                    return i;
                }
            }
        }

        return count;
    }

    /// <summary>Copies a block's content where it is cached.</summary>
    public bool TryCopy(long number, Span<byte> destination)
    {
        if (!TryPin(number, out CachedBlock block))
        {
            return false;
        }

        block.Span(blockSize).CopyTo(destination);
        Unpin(block);
        return true;
    }

    /// <summary>A pinned block with a buffer, in no map yet; to be published or taken back.</summary>
    public CachedBlock Reserve()
    {
        lock (_lock)
        {
            CachedBlock block = _spare.TryPop(out CachedBlock? spare) ? spare : new CachedBlock();
            block.Address = TakeBuffer();
            block.Pins = 1;
            return block;
        }
    }

    /// <summary>Puts a reserved block under its number as clean; where another thread was faster, its block is pinned and
    /// returned instead.</summary>
    public CachedBlock Publish(CachedBlock block, long number, BlockPurpose purpose)
    {
        lock (_lock)
        {
            if (_map.TryGetValue(number, out CachedBlock? present))
            {
                Interlocked.Increment(ref present.Pins);
                Recycle(block);
                return present;
            }

            block.Purpose = purpose;
            block.State = BlockState.Clean;
            Enter(block, number);
            return block;
        }
    }

    /// <summary>Takes back a reserved block that came to nothing.</summary>
    public void TakeBack(CachedBlock block)
    {
        lock (_lock)
        {
            Recycle(block);
        }
    }

    /// <summary>A new entry for a block about to be changed; unpinned.</summary>
    public CachedBlock Add(long number)
    {
        lock (_lock)
        {
            CachedBlock block = _spare.TryPop(out CachedBlock? spare) ? spare : new CachedBlock();
            block.Address = TakeBuffer();
            Enter(block, number);
            return block;
        }
    }

    /// <summary>Takes a block out of the map; its object lives on while a transaction refers to it.</summary>
    public void Remove(CachedBlock block)
    {
        lock (_lock)
        {
            if (_map.TryGetValue(block.Number, out CachedBlock? present) && ReferenceEquals(present, block))
            {
                _map.Remove(block.Number);
                LeaveRing(block);
            }
        }
    }

    /// <summary>A buffer from the pool.</summary>
    public nint RentBuffer()
    {
        lock (_lock)
        {
            return TakeBuffer();
        }
    }

    public void ReturnBuffer(nint address)
    {
        lock (_lock)
        {
            _buffers.Push(address);
        }
    }

    /// <summary>Frees a block that is in no map: its buffer and the object.</summary>
    public void Discard(CachedBlock block)
    {
        lock (_lock)
        {
            Recycle(block);
        }
    }

    public void Dispose()
    {
        foreach (AlignedMemory slab in _slabs)
        {
            slab.Dispose();
        }

        _slabs.Clear();
    }

    private void Enter(CachedBlock block, long number)
    {
        block.Number = number;
        block.Referenced = block.Purpose != BlockPurpose.Data;
        _map.Add(number, block);
        block.RingIndex = _ring.Count;
        _ring.Add(block);
    }

    private void LeaveRing(CachedBlock block)
    {
        CachedBlock last = _ring[^1];
        _ring[block.RingIndex] = last;
        last.RingIndex = block.RingIndex;
        _ring.RemoveAt(_ring.Count - 1);
    }

    private void Recycle(CachedBlock block)
    {
        if (block.Address != 0)
        {
            _buffers.Push(block.Address);
        }

        block.Address = 0;
        block.State = BlockState.Unused;
        block.Pins = 0;
        block.Touched = 0;
        block.InPlace = false;
        block.Purpose = BlockPurpose.None;
        _spare.Push(block);
    }

    private nint TakeBuffer()
    {
        if (_buffers.TryPop(out nint address))
        {
            return address;
        }

        if (_bufferCount < capacity || !TryEvict())
        {
            AddSlab();
        }

        return _buffers.Pop();
    }

    /// <summary>Second chance: a clean, unpinned block that was not used since the hand passed last.</summary>
    private bool TryEvict()
    {
        for (int i = 0; i < 2 * _ring.Count; i++)
        {
            _hand = _hand + 1 < _ring.Count ? _hand + 1 : 0;
            CachedBlock block = _ring[_hand];
            if (block.State != BlockState.Clean || Volatile.Read(ref block.Pins) != 0)
            {
                continue;
            }

            if (block.Referenced)
            {
                block.Referenced = false;
                continue;
            }

            _map.Remove(block.Number);
            LeaveRing(block);
            Recycle(block);
            return true;
        }

        return false;
    }

    private void AddSlab()
    {
        if (allowBuffer is not null && !allowBuffer())
        {
            throw new OutOfMemoryException("no memory for another block of the cache");
        }

        int blocks = allowBuffer is not null ? 1 : Math.Max(1, Math.Min(SlabBytes / blockSize, Math.Max(8, capacity / 8)));
        var slab = new AlignedMemory(blocks * blockSize);
        _slabs.Add(slab);
        for (int i = blocks - 1; i >= 0; i--)
        {
            _buffers.Push(slab.Address + (i * blockSize));
        }

        _bufferCount += blocks;
    }
}
