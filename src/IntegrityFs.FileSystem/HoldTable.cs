// Promise: an inode costs 16 bytes in a table that is between a quarter and three quarters full, that is 22 to 64 bytes; the
// smallest table has 16 places. Finding takes a few steps, growing and shrinking copies the table; nothing else allocates.
//
// Open addressing with linear probing. An entry lies at the place that its number is spread to, or behind it with no free
// place between; removing moves up what would be cut off. Numbers are spread by the golden ratio, so that numbers given out
// one after another, or at any distance, do not crowd.
using System.Runtime.CompilerServices;

namespace IntegrityFs.FileSystem;

/// <summary>A map from inode to <see cref="Hold"/>. Its users lock <see cref="Lock"/>; a reference into it is good until the
/// next addition or removal.</summary>
internal sealed class HoldTable
{
    private const int SmallestBits = 4;

    // The highest bits of the spread number say which table an inode is in: the same for all that are here.
    private readonly int _usedBits;
    private Slot[] _slots = new Slot[1 << SmallestBits];
    private int _bits = SmallestBits;

    /// <param name="usedBits">How many of the highest bits of <see cref="Spread"/> chose this table.</param>
    public HoldTable(int usedBits) => _usedBits = usedBits;

    public Lock Lock { get; } = new();

    /// <summary>Number of inodes in it.</summary>
    public int Count { get; private set; }

    /// <summary>Memory of the table in bytes.</summary>
    public long Bytes => (long)_slots.Length * Unsafe.SizeOf<Slot>();

    /// <summary>The number, scattered over 64 bits; the highest ones are the best.</summary>
    public static ulong Spread(ulong inode) => inode * 0x9E37_79B9_7F4A_7C15;

    /// <summary>What is known of an inode; a null reference where it is not in the table.</summary>
    public ref Hold Find(ulong inode)
    {
        int place = PlaceOf(inode);
        return ref (_slots[place].Inode == inode && inode != 0 ? ref _slots[place].Hold : ref Unsafe.NullRef<Hold>());
    }

    /// <summary>What is known of an inode, which is added where it is not in the table.</summary>
    public ref Hold FindOrAdd(ulong inode)
    {
        ArgumentOutOfRangeException.ThrowIfZero(inode);
        int place = PlaceOf(inode);
        if (_slots[place].Inode == 0)
        {
            if (Count + 1 > _slots.Length / 4 * 3)
            {
                Resize(_bits + 1);
                place = PlaceOf(inode);
            }

            _slots[place].Inode = inode;
            Count++;
        }

        return ref _slots[place].Hold;
    }

    /// <summary>Takes an inode out, if it is in.</summary>
    public void Remove(ulong inode)
    {
        int hole = PlaceOf(inode);
        if (inode == 0 || _slots[hole].Inode != inode)
        {
            return;
        }

        int mask = _slots.Length - 1;
        for (int next = (hole + 1) & mask; _slots[next].Inode != 0; next = (next + 1) & mask)
        {
            // The entry may move up only where that is not before its own place.
            int distance = (next - HomeOf(_slots[next].Inode)) & mask;
            if (distance >= ((next - hole) & mask))
            {
                _slots[hole] = _slots[next];
                hole = next;
            }
        }

        _slots[hole] = default;
        Count--;
        if (_bits > SmallestBits && Count < _slots.Length / 4)
        {
            Resize(_bits - 1);
        }
    }

    private int HomeOf(ulong inode) => (int)((Spread(inode) << _usedBits) >> (64 - _bits));

    /// <summary>Where the inode is, or the free place where it belongs.</summary>
    private int PlaceOf(ulong inode)
    {
        int mask = _slots.Length - 1;
        int place = HomeOf(inode);
        while (_slots[place].Inode != inode && _slots[place].Inode != 0)
        {
            place = (place + 1) & mask;
        }

        return place;
    }

    private void Resize(int bits)
    {
        Slot[] old = _slots;
        _slots = new Slot[1 << bits];
        _bits = bits;
        foreach (ref Slot slot in old.AsSpan())
        {
            if (slot.Inode != 0)
            {
                _slots[PlaceOf(slot.Inode)] = slot;
            }
        }
    }

    private struct Slot
    {
        public ulong Inode;
        public Hold Hold;
    }
}
