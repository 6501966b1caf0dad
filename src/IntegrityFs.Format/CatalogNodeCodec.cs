// Writes catalog nodes. Every change leaves a node that CatalogNodeView.Verify accepts, if it was one before: slots in
// key order, cells without gaps, unused bytes zero. The caller makes sure of the room (CatalogNodeCodec.Fits); a node that
// is not what it claims gives CorruptFormatException, like reading it.

using System.Buffers.Binary;

namespace IntegrityFs.Format;

/// <summary>Changes a catalog node in place.</summary>
public static class CatalogNodeCodec
{
    /// <summary>Makes an empty node. An interior node is readable only once it has two children.</summary>
    public static void Initialize(Span<byte> block, int level)
    {
        block.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(block, CatalogNodeLayout.Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(block[CatalogNodeLayout.VersionOffset..], CatalogNodeLayout.Version);
        block[CatalogNodeLayout.LevelOffset] = (byte)level;
        SetHeap(block, level == 0 ? block.Length : 0);
    }

    // ---- leaves ----

    /// <summary>True where a leaf has room for one more item with a value of this length.</summary>
    public static bool Fits(ReadOnlySpan<byte> leaf, int valueLength)
    {
        CatalogNodeView view = CatalogNodeView.Open(leaf, 0);
        return view.UsedBytes + CatalogNodeLayout.ItemSize(valueLength) <= leaf.Length - CatalogNodeLayout.HeaderSize;
    }

    /// <summary>Inserts an item before item <paramref name="index"/>.</summary>
    public static void InsertItem(Span<byte> leaf, int index, in CatalogKey key, ReadOnlySpan<byte> value)
    {
        CatalogNodeView view = CatalogNodeView.Open(leaf, 0);
        int count = view.Count;
        int cell = view.Heap - CatalogCellLayout.HeaderSize - value.Length;
        if (cell < CatalogNodeLayout.HeaderSize + ((count + 1) * CatalogNodeLayout.SlotSize))
        {
            throw new CorruptFormatException("catalog leaf: cells do not fill the heap");
        }

        key.Write(leaf[cell..]);
        BinaryPrimitives.WriteUInt16LittleEndian(leaf[(cell + CatalogCellLayout.LengthOffset)..], (ushort)value.Length);
        value.CopyTo(leaf[(cell + CatalogCellLayout.HeaderSize)..]);
        Span<byte> slots = leaf.Slice(CatalogNodeLayout.HeaderSize, (count + 1) * CatalogNodeLayout.SlotSize);
        int slot = index * CatalogNodeLayout.SlotSize;
        slots[slot..^CatalogNodeLayout.SlotSize].CopyTo(slots[(slot + CatalogNodeLayout.SlotSize)..]);
        BinaryPrimitives.WriteUInt16LittleEndian(slots[slot..], (ushort)cell);
        SetCount(leaf, count + 1);
        SetHeap(leaf, cell);
    }

    /// <summary>Removes item <paramref name="index"/> and closes the gap that its cell leaves.</summary>
    public static void RemoveItem(Span<byte> leaf, int index)
    {
        CatalogNodeView view = CatalogNodeView.Open(leaf, 0);
        int size = CatalogCellLayout.HeaderSize + view.Value(index).Length;
        int heap = view.Heap;
        int count = view.Count;
        Span<byte> slots = leaf.Slice(CatalogNodeLayout.HeaderSize, count * CatalogNodeLayout.SlotSize);
        int slot = index * CatalogNodeLayout.SlotSize;
        int cell = BinaryPrimitives.ReadUInt16LittleEndian(slots[slot..]);
        leaf[heap..cell].CopyTo(leaf[(heap + size)..]);
        leaf.Slice(heap, size).Clear();
        slots[(slot + CatalogNodeLayout.SlotSize)..].CopyTo(slots[slot..]);
        slots[^CatalogNodeLayout.SlotSize..].Clear();
        slots = slots[..^CatalogNodeLayout.SlotSize];
        for (int i = 0; i < slots.Length; i += CatalogNodeLayout.SlotSize)
        {
            int other = BinaryPrimitives.ReadUInt16LittleEndian(slots[i..]);
            if (other < cell)
            {
                BinaryPrimitives.WriteUInt16LittleEndian(slots[i..], (ushort)(other + size));
            }
        }

        SetCount(leaf, count - 1);
        SetHeap(leaf, heap + size);
    }

    /// <summary>Overwrites a value by one of the same length.</summary>
    public static void OverwriteValue(Span<byte> leaf, int index, ReadOnlySpan<byte> value)
    {
        CatalogNodeView view = CatalogNodeView.Open(leaf, 0);
        if (view.Value(index).Length != value.Length)
        {
            throw new ArgumentException("not the length of the old value", nameof(value));
        }

        int cell = BinaryPrimitives.ReadUInt16LittleEndian(
            leaf[(CatalogNodeLayout.HeaderSize + (index * CatalogNodeLayout.SlotSize))..]);
        value.CopyTo(leaf[(cell + CatalogCellLayout.HeaderSize)..]);
    }

    // ---- interior nodes ----

    /// <summary>Inserts a child before child <paramref name="index"/>; the node has room.</summary>
    public static void InsertChild(Span<byte> node, int index, in CatalogKey key, CatalogNodeAddress child)
    {
        int count = CountOf(node);
        Span<byte> children = node[CatalogNodeLayout.HeaderSize..];
        int position = index * CatalogChildLayout.Size;
        int end = count * CatalogChildLayout.Size;
        if (end + CatalogChildLayout.Size > children.Length)
        {
            throw new CorruptFormatException("catalog node: count");
        }

        children[position..end].CopyTo(children[(position + CatalogChildLayout.Size)..]);
        SetCount(node, count + 1);
        SetKey(node, index, key);
        SetChild(node, index, child);
    }

    /// <summary>Removes child <paramref name="index"/>.</summary>
    public static void RemoveChild(Span<byte> node, int index)
    {
        int count = CountOf(node);
        Span<byte> children = node.Slice(CatalogNodeLayout.HeaderSize, count * CatalogChildLayout.Size);
        int position = index * CatalogChildLayout.Size;
        children[(position + CatalogChildLayout.Size)..].CopyTo(children[position..]);
        children[^CatalogChildLayout.Size..].Clear();
        SetCount(node, count - 1);
    }

    /// <summary>Changes the key of a child.</summary>
    public static void SetKey(Span<byte> node, int index, in CatalogKey key) =>
        key.Write(node[(CatalogNodeLayout.HeaderSize + (index * CatalogChildLayout.Size))..]);

    /// <summary>Changes the address of a child.</summary>
    public static void SetChild(Span<byte> node, int index, CatalogNodeAddress child)
    {
        Span<byte> entry = node[(CatalogNodeLayout.HeaderSize + (index * CatalogChildLayout.Size))..];
        BinaryPrimitives.WriteUInt64LittleEndian(entry[CatalogChildLayout.BlockOffset..], (ulong)child.Block.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[CatalogChildLayout.MirrorOffset..], (ulong)child.Mirror.Value);
    }

    // ---- both ----

    /// <summary>Appends items or children [first, first + count) of a node to another of its level that has room.</summary>
    public static void Append(ReadOnlySpan<byte> source, int first, int count, Span<byte> destination)
    {
        CatalogNodeView from = CatalogNodeView.Open(source, -1);
        for (int i = first; i < first + count; i++)
        {
            if (from.Level == 0)
            {
                InsertItem(destination, CountOf(destination), from.Key(i), from.Value(i));
            }
            else
            {
                InsertChild(destination, CountOf(destination), from.Key(i), from.Child(i));
            }
        }
    }

    /// <summary>Drops all items or children but [first, first + count).</summary>
    /// <param name="node">The node.</param>
    /// <param name="first">The first that stays.</param>
    /// <param name="count">How many stay.</param>
    /// <param name="scratch">As long as the block; overwritten.</param>
    public static void Keep(Span<byte> node, int first, int count, Span<byte> scratch)
    {
        Initialize(scratch, node[CatalogNodeLayout.LevelOffset]);
        Append(node, first, count, scratch);
        scratch.CopyTo(node);
    }

    private static int CountOf(ReadOnlySpan<byte> block) =>
        (int)BinaryPrimitives.ReadUInt32LittleEndian(block[CatalogNodeLayout.CountOffset..]);

    private static void SetCount(Span<byte> block, int count) =>
        BinaryPrimitives.WriteUInt32LittleEndian(block[CatalogNodeLayout.CountOffset..], (uint)count);

    private static void SetHeap(Span<byte> block, int heap) =>
        BinaryPrimitives.WriteUInt32LittleEndian(block[CatalogNodeLayout.HeapOffset..], (uint)heap);
}
