// Where the fields of a catalog node lie. A node is one protected block of purpose CatalogNode. A leaf (level 0) holds
// items: slots grow up from the header, cells grow down from the end of the block, and the cells fill the space from
// HeapOffset to the end exactly, so nothing in a leaf is garbage. An interior node holds an array of children.

namespace IntegrityFs.Format;

/// <summary>Header and limits of a catalog node.</summary>
public static class CatalogNodeLayout
{
    /// <summary>u32, <see cref="Magic"/>.</summary>
    public const int MagicOffset = 0;

    /// <summary>u16, <see cref="Version"/>.</summary>
    public const int VersionOffset = MagicOffset + 4;

    /// <summary>u8, 0 for a leaf, else one more than the children's.</summary>
    public const int LevelOffset = VersionOffset + 2;

    /// <summary>u8, zero.</summary>
    public const int ReservedOffset = LevelOffset + 1;

    /// <summary>u32, items of a leaf or children of an interior node.</summary>
    public const int CountOffset = ReservedOffset + 1;

    /// <summary>u32, in a leaf the offset of the lowest cell (the block's size where there is none); else zero.</summary>
    public const int HeapOffset = CountOffset + 4;

    /// <summary>Bytes of the header; slots or children follow.</summary>
    public const int HeaderSize = HeapOffset + 4;

    /// <summary>"CatN", little-endian: zeroed memory is never a node.</summary>
    public const uint Magic = 0x4E746143;

    /// <summary>The only version.</summary>
    public const ushort Version = 1;

    /// <summary>Bytes of a slot: u16, the offset of the item's cell.</summary>
    public const int SlotSize = 2;

    /// <summary>Most levels of a tree. At the least fill this is far more than 2^48 blocks can need.</summary>
    public const int MaxDepth = 12;

    /// <summary>Longest value of an item: four items of it always fit into a leaf.</summary>
    public static int MaxValueLength(int blockSize) =>
        ((blockSize - HeaderSize) / 4) - CatalogCellLayout.HeaderSize - SlotSize;

    /// <summary>Bytes that an item takes in a leaf: its slot and its cell.</summary>
    public static int ItemSize(int valueLength) => SlotSize + CatalogCellLayout.HeaderSize + valueLength;

    /// <summary>Most children of an interior node.</summary>
    public static int MaxChildren(int blockSize) => (blockSize - HeaderSize) / CatalogChildLayout.Size;
}

/// <summary>A cell of a leaf: key, length, value.</summary>
public static class CatalogCellLayout
{
    /// <summary>17 bytes, the key (<see cref="CatalogKeyLayout"/>).</summary>
    public const int KeyOffset = 0;

    /// <summary>u16, bytes of the value.</summary>
    public const int LengthOffset = KeyOffset + CatalogKeyLayout.Size;

    /// <summary>Bytes before the value.</summary>
    public const int HeaderSize = LengthOffset + 2;
}

/// <summary>A child of an interior node.</summary>
public static class CatalogChildLayout
{
    /// <summary>17 bytes: no key under this child is less, none under the child before reaches it. For the first child of
    /// a node the node's own bound holds instead.</summary>
    public const int KeyOffset = 0;

    /// <summary>u64, the child's block.</summary>
    public const int BlockOffset = KeyOffset + CatalogKeyLayout.Size;

    /// <summary>u64, the block of the child's second copy, or zero where there is none. Interior nodes have one, and so
    /// has the leaf that the root directory's inode belongs to.</summary>
    public const int MirrorOffset = BlockOffset + 8;

    /// <summary>Bytes of a child.</summary>
    public const int Size = MirrorOffset + 8;
}

/// <summary>A node as its parent or the root area names it.</summary>
/// <param name="Block">Where it lies; zero is none.</param>
/// <param name="Mirror">Its second copy; zero is none.</param>
public readonly record struct CatalogNodeAddress(BlockNumber Block, BlockNumber Mirror)
{
    /// <summary>True where the node is kept twice.</summary>
    public bool HasMirror => Mirror.Value != 0;
}
