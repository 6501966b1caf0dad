// Promise: about `capacity` verified tree nodes in memory, found by key; clock eviction; no allocation once warm.
// Not thread safe: the tag tree's lock guards every call. A rented buffer belongs to its renter until it is inserted or
// returned, so it can be filled outside the lock.
using IntegrityFs.Device;

namespace IntegrityFs.Integrity;

internal sealed class NodeCache(int capacity, int nodeSize) : IDisposable
{
    private readonly Dictionary<long, int> _index = new(capacity);
    private readonly List<Slot> _slots = new(capacity);
    private readonly Stack<int> _free = new();
    private int _hand;

    public bool TryGet(long key, out Span<byte> bytes)
    {
        if (_index.TryGetValue(key, out int number))
        {
            Slot slot = _slots[number];
            slot.Referenced = true;
            bytes = slot.Memory.Span;
            return true;
        }

        bytes = default;
        return false;
    }

    /// <summary>Takes a buffer to read a node into, at the cost of a node that was not used lately.</summary>
    public int Rent()
    {
        if (_free.TryPop(out int number))
        {
            return number;
        }

        if (_slots.Count >= capacity)
        {
            for (int i = 0; i < 2 * _slots.Count; i++)
            {
                _hand = (_hand + 1) % _slots.Count;
                Slot slot = _slots[_hand];
                if (!slot.Used)
                {
                    continue;
                }

                if (!slot.Referenced)
                {
                    _index.Remove(slot.Key);
                    slot.Used = false;
                    return _hand;
                }

                slot.Referenced = false;
            }
        }

        // Below capacity, or every buffer is rented by a reading thread: one more each, bounded by the threads.
        _slots.Add(new Slot(new AlignedMemory(nodeSize)));
        return _slots.Count - 1;
    }

    public Span<byte> Buffer(int number) => _slots[number].Memory.Span;

    public void Return(int number) => _free.Push(number);

    /// <summary>Makes a rented, filled buffer a cached node; gives it back where the node is there already.</summary>
    public void Insert(long key, int number)
    {
        if (!_index.TryAdd(key, number))
        {
            _free.Push(number);
            return;
        }

        Slot slot = _slots[number];
        slot.Key = key;
        slot.Used = true;
        slot.Referenced = true;
    }

    /// <summary>Overwrites a node if it is cached.</summary>
    public void Replace(long key, ReadOnlySpan<byte> bytes)
    {
        if (_index.TryGetValue(key, out int number))
        {
            bytes.CopyTo(_slots[number].Memory.Span);
        }
    }

    public void Dispose()
    {
        foreach (Slot slot in _slots)
        {
            slot.Memory.Dispose();
        }

        _slots.Clear();
        _index.Clear();
    }

    private sealed class Slot(AlignedMemory memory)
    {
        public AlignedMemory Memory { get; } = memory;

        public long Key { get; set; }

        public bool Used { get; set; }

        public bool Referenced { get; set; }
    }
}
