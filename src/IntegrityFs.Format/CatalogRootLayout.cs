// The catalog's part of the volume's root area: where the tree begins, and the counters. Valid if and only if magic and
// version match, the depth is 1 .. MaxDepth, the root and its mirror are blocks of the volume and differ, and the reserved
// bytes are zero. The rest of the area belongs to later versions and is zero.

using System.Buffers.Binary;

namespace IntegrityFs.Format;

/// <summary>Where the fields of the catalog's root lie.</summary>
public static class CatalogRootLayout
{
    /// <summary>u32, <see cref="Magic"/>.</summary>
    public const int MagicOffset = 0;

    /// <summary>u16, <see cref="Version"/>.</summary>
    public const int VersionOffset = MagicOffset + 4;

    /// <summary>u8, levels of the tree.</summary>
    public const int DepthOffset = VersionOffset + 2;

    /// <summary>u8, zero.</summary>
    public const int ReservedOffset = DepthOffset + 1;

    /// <summary>u64, block of the root node.</summary>
    public const int RootOffset = ReservedOffset + 1;

    /// <summary>u64, block of its second copy.</summary>
    public const int MirrorOffset = RootOffset + 8;

    /// <summary>u64, the next inode number; greater than all that were ever used.</summary>
    public const int NextInodeOffset = MirrorOffset + 8;

    /// <summary>u64, inodes that exist.</summary>
    public const int InodesOffset = NextInodeOffset + 8;

    /// <summary>u64, seed of the hashes of names.</summary>
    public const int HashSeedOffset = InodesOffset + 8;

    /// <summary>u64, leaves of the tree.</summary>
    public const int LeavesOffset = HashSeedOffset + 8;

    /// <summary>u64, interior nodes of the tree.</summary>
    public const int InteriorsOffset = LeavesOffset + 8;

    /// <summary>Bytes of the catalog's root.</summary>
    public const int Size = InteriorsOffset + 8;

    /// <summary>"CatR", little-endian.</summary>
    public const uint Magic = 0x52746143;

    /// <summary>The only version.</summary>
    public const ushort Version = 1;
}

/// <summary>The catalog's root, decoded.</summary>
public struct CatalogRoot
{
    /// <summary>Levels of the tree, at least 1.</summary>
    public int Depth;

    /// <summary>The root node, which is kept twice.</summary>
    public CatalogNodeAddress Node;

    /// <summary>The next inode number.</summary>
    public ulong NextInode;

    /// <summary>Inodes that exist.</summary>
    public ulong Inodes;

    /// <summary>Seed of the hashes of names.</summary>
    public ulong HashSeed;

    /// <summary>Leaves of the tree.</summary>
    public ulong Leaves;

    /// <summary>Interior nodes of the tree.</summary>
    public ulong Interiors;

    /// <summary>Reads and checks the root.</summary>
    /// <exception cref="CorruptFormatException">It breaks a rule.</exception>
    public static CatalogRoot Read(ReadOnlySpan<byte> area, long totalBlocks)
    {
        ulong head = BinaryPrimitives.ReadUInt64LittleEndian(area);
        CatalogRoot root = default;
        root.Depth = area[CatalogRootLayout.DepthOffset];
        ulong expected = CatalogRootLayout.Magic
            | ((ulong)CatalogRootLayout.Version << (8 * CatalogRootLayout.VersionOffset))
            | ((ulong)root.Depth << (8 * CatalogRootLayout.DepthOffset));
        if (head != expected || root.Depth is 0 or > CatalogNodeLayout.MaxDepth)
        {
            throw new CorruptFormatException("catalog root: magic, version or depth");
        }

        ulong node = Field(area, CatalogRootLayout.RootOffset);
        ulong mirror = Field(area, CatalogRootLayout.MirrorOffset);
        if (node == mirror || node - 1 >= (ulong)totalBlocks - 1 || mirror - 1 >= (ulong)totalBlocks - 1)
        {
            throw new CorruptFormatException("catalog root: block of the root node");
        }

        root.Node = new CatalogNodeAddress(new BlockNumber((long)node), new BlockNumber((long)mirror));
        root.NextInode = Field(area, CatalogRootLayout.NextInodeOffset);
        root.Inodes = Field(area, CatalogRootLayout.InodesOffset);
        root.HashSeed = Field(area, CatalogRootLayout.HashSeedOffset);
        root.Leaves = Field(area, CatalogRootLayout.LeavesOffset);
        root.Interiors = Field(area, CatalogRootLayout.InteriorsOffset);
        return root;
    }

    /// <summary>Writes the root.</summary>
    public readonly void Write(Span<byte> area)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(area, CatalogRootLayout.Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(area[CatalogRootLayout.VersionOffset..], CatalogRootLayout.Version);
        area[CatalogRootLayout.DepthOffset] = (byte)Depth;
        area[CatalogRootLayout.ReservedOffset] = 0;
        Set(area, CatalogRootLayout.RootOffset, (ulong)Node.Block.Value);
        Set(area, CatalogRootLayout.MirrorOffset, (ulong)Node.Mirror.Value);
        Set(area, CatalogRootLayout.NextInodeOffset, NextInode);
        Set(area, CatalogRootLayout.InodesOffset, Inodes);
        Set(area, CatalogRootLayout.HashSeedOffset, HashSeed);
        Set(area, CatalogRootLayout.LeavesOffset, Leaves);
        Set(area, CatalogRootLayout.InteriorsOffset, Interiors);
    }

    private static ulong Field(ReadOnlySpan<byte> area, int offset) =>
        BinaryPrimitives.ReadUInt64LittleEndian(area[offset..]);

    private static void Set(Span<byte> area, int offset, ulong value) =>
        BinaryPrimitives.WriteUInt64LittleEndian(area[offset..], value);
}
