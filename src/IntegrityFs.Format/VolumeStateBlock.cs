// Promise: protected block 0 holds what changes with every transaction: counters of the allocator, and the root area of
// the catalog. It is an ordinary journalled block; its tag lies in the tag tree like any other. Everything hangs on it, so
// each commit that changes it writes it to two places, with equal content; the second serves where the first is bad.
using System.Buffers.Binary;

namespace IntegrityFs.Format;

/// <summary>Offsets of the state block (protected block 0): <c>docs/FORMAT.md</c>, Volume state.</summary>
public static class VolumeStateLayout
{
    public const int MagicOffset = 0;
    public const int MagicSize = 8;
    public const int FreeBlocksOffset = MagicOffset + MagicSize;
    public const int FreeBlocksSize = 8;
    public const int InitializedGroupsOffset = FreeBlocksOffset + FreeBlocksSize;
    public const int InitializedGroupsSize = 8;
    public const int ReservedOffset = InitializedGroupsOffset + InitializedGroupsSize;
    public const int ReservedSize = 40;
    public const int RootOffset = ReservedOffset + ReservedSize;
    public const int RootSize = 1024;

    /// <summary>Bytes in use; the rest of the block is zero.</summary>
    public const int Size = RootOffset + RootSize;
}

/// <summary>The state block's fields.</summary>
public readonly record struct VolumeStateBlock(long FreeBlocks, long InitializedGroups)
{
    /// <summary>Block number of the state block.</summary>
    public const long BlockNumber = 0;

    /// <summary>Block number of its second copy: as far behind as the smallest volume allows.</summary>
    public const long MirrorNumber = VolumeGeometry.MinBlocks - 1;

    private static ReadOnlySpan<byte> Magic => "IFSstat1"u8;

    /// <summary>Reads and checks.</summary>
    public static VolumeStateBlock Read(ReadOnlySpan<byte> source, long totalBlocks, long totalGroups)
    {
        long free = BinaryPrimitives.ReadInt64LittleEndian(source[VolumeStateLayout.FreeBlocksOffset..]);
        long groups = BinaryPrimitives.ReadInt64LittleEndian(source[VolumeStateLayout.InitializedGroupsOffset..]);
        if (!source.StartsWith(Magic) || free < 0 || free > totalBlocks || groups < 0 || groups > totalGroups
            || source.Slice(VolumeStateLayout.ReservedOffset, VolumeStateLayout.ReservedSize).ContainsAnyExcept((byte)0))
        {
            throw new CorruptFormatException("the volume's state block is impossible");
        }

        return new VolumeStateBlock(free, groups);
    }

    /// <summary>Writes the fields and the magic; leaves the root area alone.</summary>
    public void Write(Span<byte> destination)
    {
        Magic.CopyTo(destination);
        BinaryPrimitives.WriteInt64LittleEndian(destination[VolumeStateLayout.FreeBlocksOffset..], FreeBlocks);
        BinaryPrimitives.WriteInt64LittleEndian(destination[VolumeStateLayout.InitializedGroupsOffset..], InitializedGroups);
    }
}
