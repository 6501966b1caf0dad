// Reads a catalog node. Nothing in the block is believed: each offset, length and count is held against the block before
// it is used, so a hostile node gives CorruptFormatException and never a wrong access. Opening checks the header, each
// accessor what it touches, Verify everything.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace IntegrityFs.Format;

/// <summary>Read-only view of a catalog node.</summary>
public readonly ref struct CatalogNodeView
{
    private readonly ReadOnlySpan<byte> _block;

    private CatalogNodeView(ReadOnlySpan<byte> block, int level, int count, int heap)
    {
        _block = block;
        Level = level;
        Count = count;
        Heap = heap;
    }

    /// <summary>0 for a leaf.</summary>
    public int Level { get; }

    /// <summary>Items or children.</summary>
    public int Count { get; }

    /// <summary>In a leaf, the offset of the lowest cell.</summary>
    public int Heap { get; }

    /// <summary>Checks the header.</summary>
    /// <param name="block">The whole block.</param>
    /// <param name="level">The level that the parent demands; −1 for any.</param>
    /// <exception cref="CorruptFormatException">The header breaks a rule.</exception>
    public static CatalogNodeView Open(ReadOnlySpan<byte> block, int level)
    {
        ulong head = BinaryPrimitives.ReadUInt64LittleEndian(block);
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(block[CatalogNodeLayout.CountOffset..]);
        uint heap = BinaryPrimitives.ReadUInt32LittleEndian(block[CatalogNodeLayout.HeapOffset..]);
        int found = (int)(head >> (8 * CatalogNodeLayout.LevelOffset)) & 0xFF;
        if (level < 0)
        {
            level = found;
        }

        ulong expected = CatalogNodeLayout.Magic
            | ((ulong)CatalogNodeLayout.Version << (8 * CatalogNodeLayout.VersionOffset))
            | ((ulong)level << (8 * CatalogNodeLayout.LevelOffset));
        if (head != expected || level >= CatalogNodeLayout.MaxDepth)
        {
            throw Corrupt("catalog node: magic, version or level");
        }

        bool fits = level == 0
            ? count <= (uint)(block.Length - CatalogNodeLayout.HeaderSize) / CatalogNodeLayout.SlotSize
                && heap <= (uint)block.Length
                && heap >= CatalogNodeLayout.HeaderSize + (count * CatalogNodeLayout.SlotSize)
            : heap == 0 && count >= 1 && count <= (uint)CatalogNodeLayout.MaxChildren(block.Length);
        return fits
            ? new CatalogNodeView(block, level, (int)count, (int)heap)
            : throw Corrupt("catalog node: count or heap");
    }

    /// <summary>The level of a node and a key that belongs to it; false where the block is no node that has one.</summary>
    public static bool TryPlace(ReadOnlySpan<byte> block, out int level, out CatalogKey key)
    {
        try
        {
            CatalogNodeView view = Open(block, -1);
            level = view.Level;
            key = view.Count > 0 ? view.Key(0) : CatalogKey.Lowest;
            return true;
        }
        catch (CorruptFormatException)
        {
            level = 0;
            key = default;
            return false;
        }
    }

    /// <summary>Bytes that the items of a leaf, or the children of an interior node, take.</summary>
    public int UsedBytes => Level == 0
        ? _block.Length - Heap + (Count * CatalogNodeLayout.SlotSize)
        : Count * CatalogChildLayout.Size;

    /// <summary>The key of an item or child.</summary>
    public CatalogKey Key(int index) => CatalogKey.Read(_block[KeyPosition(index)..]);

    /// <summary>The value of an item.</summary>
    public ReadOnlySpan<byte> Value(int index)
    {
        int cell = KeyPosition(index);
        int length = BinaryPrimitives.ReadUInt16LittleEndian(_block[(cell + CatalogCellLayout.LengthOffset)..]);
        int start = cell + CatalogCellLayout.HeaderSize;
        return length <= _block.Length - start && length <= CatalogNodeLayout.MaxValueLength(_block.Length)
            ? _block.Slice(start, length)
            : throw Corrupt("catalog leaf: value outside the block");
    }

    /// <summary>Bytes that item (slot and cell) or child <paramref name="index"/> takes.</summary>
    public int EntrySize(int index) =>
        Level == 0 ? CatalogNodeLayout.ItemSize(Value(index).Length) : CatalogChildLayout.Size;

    /// <summary>The address of a child. Zero and the range of the volume are the caller's to check.</summary>
    public CatalogNodeAddress Child(int index)
    {
        ReadOnlySpan<byte> child = _block.Slice(KeyPosition(index), CatalogChildLayout.Size);
        ulong block = BinaryPrimitives.ReadUInt64LittleEndian(child[CatalogChildLayout.BlockOffset..]);
        ulong mirror = BinaryPrimitives.ReadUInt64LittleEndian(child[CatalogChildLayout.MirrorOffset..]);
        return block <= BlockNumber.MaxValue && mirror <= BlockNumber.MaxValue
            ? new CatalogNodeAddress(new BlockNumber((long)block), new BlockNumber((long)mirror))
            : throw Corrupt("catalog node: block number of a child");
    }

    /// <summary>Index of the first item whose key is not less than <paramref name="key"/>; Count where all are less.</summary>
    public int LowerBound(in CatalogKey key)
    {
        int low = 0;
        int high = Count;
        while (low < high)
        {
            int middle = (int)((uint)(low + high) >> 1);
            if (Key(middle) < key)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    /// <summary>Index of the child that <paramref name="key"/> belongs to: the last whose key is not greater, and the
    /// first child where all are.</summary>
    public int ChildFor(in CatalogKey key)
    {
        int low = 1;
        int high = Count;
        while (low < high)
        {
            int middle = (int)((uint)(low + high) >> 1);
            if (Key(middle) <= key)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low - 1;
    }

    /// <summary>Checks everything that one node can show: keys ascend, cells fill the heap exactly, what is unused is
    /// zero.</summary>
    /// <exception cref="CorruptFormatException">A rule is broken.</exception>
    public void Verify()
    {
        if (Level != 0 && Count < 2)
        {
            throw Corrupt("catalog node: a single child");
        }

        int used = 0;
        for (int i = 0; i < Count; i++)
        {
            used += EntrySize(i);
            _ = Level == 0 ? default : Child(i);
            if (i > 0 && Key(i) <= Key(i - 1))
            {
                throw Corrupt("catalog node: keys do not ascend");
            }
        }

        if (used != UsedBytes)
        {
            throw Corrupt("catalog leaf: cells do not fill the heap");
        }

        if (Level == 0)
        {
            VerifyTiling();
        }

        int end = Level == 0
            ? CatalogNodeLayout.HeaderSize + (Count * CatalogNodeLayout.SlotSize)
            : CatalogNodeLayout.HeaderSize + used;
        int gap = (Level == 0 ? Heap : _block.Length) - end;
        if (_block.Slice(end, gap).ContainsAnyExcept((byte)0))
        {
            throw Corrupt("catalog node: unused bytes are not zero");
        }
    }

    /// <summary>Cells that together are as long as the heap, none of which contains the start of another, tile it.</summary>
    private void VerifyTiling()
    {
        Span<ulong> starts = stackalloc ulong[(_block.Length + 63) / 64];
        starts.Clear();
        for (int i = 0; i < Count; i++)
        {
            int start = KeyPosition(i);
            starts[start >> 6] |= 1UL << (start & 63);
        }

        for (int i = 0; i < Count; i++)
        {
            int start = KeyPosition(i);
            int end = start + CatalogCellLayout.HeaderSize + Value(i).Length;
            if (end != _block.Length && (starts[end >> 6] & (1UL << (end & 63))) == 0)
            {
                throw Corrupt("catalog leaf: cells overlap or leave a gap");
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int KeyPosition(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        if (Level != 0)
        {
            return CatalogNodeLayout.HeaderSize + (index * CatalogChildLayout.Size);
        }

        int cell = BinaryPrimitives.ReadUInt16LittleEndian(
            _block[(CatalogNodeLayout.HeaderSize + (index * CatalogNodeLayout.SlotSize))..]);
        return cell >= Heap && cell + CatalogCellLayout.HeaderSize <= _block.Length
            ? cell
            : throw Corrupt("catalog leaf: cell outside the heap");
    }

    private static CorruptFormatException Corrupt(string rule) => new(rule);
}
