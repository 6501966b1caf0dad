// Promise: one 32-byte form for "which version of this block, and its tag", everywhere on the device.
using System.Buffers.Binary;

namespace IntegrityFs.Format;

/// <summary>Offsets within a tag entry: <c>docs/FORMAT.md</c>, Tag entry.</summary>
public static class TagEntryLayout
{
    /// <summary>Version (56 bits) and kind (8 bits).</summary>
    public const int StampOffset = 0;

    /// <summary>Size of the stamp.</summary>
    public const int StampSize = 8;

    /// <summary>The tag.</summary>
    public const int TagOffset = StampOffset + StampSize;

    /// <summary>Bytes of a tag: HMAC-SHA-256 truncated to 192 bits.</summary>
    public const int TagSize = 24;

    /// <summary>Size of an entry in bytes.</summary>
    public const int Size = TagOffset + TagSize;
}

/// <summary>The tag of one block: 192 bits of an HMAC.</summary>
public readonly record struct Tag(ulong A, ulong B, ulong C)
{
    /// <summary>Reads 24 bytes.</summary>
    public static Tag Read(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(source),
        BinaryPrimitives.ReadUInt64LittleEndian(source[8..]),
        BinaryPrimitives.ReadUInt64LittleEndian(source[16..]));

    /// <summary>Writes 24 bytes.</summary>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, A);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], B);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[16..], C);
    }
}

/// <summary>
/// What the level above knows of a block. In a leaf of the tag tree: version, purpose and tag of a protected block.
/// In an interior node and in the superblock: version, live slot and tag of a tree node. Version 0 is "never written";
/// that is safe because the entry itself is authenticated.
/// </summary>
public readonly record struct TagEntry(ulong Stamp, Tag Tag)
{
    /// <summary>"Never written".</summary>
    public static readonly TagEntry Absent;

    /// <summary>Version and kind in one.</summary>
    public TagEntry(ulong version, byte kind, Tag tag)
        : this(version | ((ulong)kind << 56), tag)
    {
    }

    /// <summary>The transaction (for a node: the superblock generation) that wrote the block; 0 is never.</summary>
    public ulong Version => Stamp & TransactionId.MaxValue;

    /// <summary>Purpose of a protected block, or live slot (0, 1) of a node.</summary>
    public byte Kind => (byte)(Stamp >> 56);

    /// <summary>True where nothing was ever written.</summary>
    public bool IsAbsent => Stamp == 0;

    /// <summary>Reads 32 bytes.</summary>
    public static TagEntry Read(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(source), Tag.Read(source[TagEntryLayout.TagOffset..]));

    /// <summary>Writes 32 bytes.</summary>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, Stamp);
        Tag.Write(destination[TagEntryLayout.TagOffset..]);
    }
}
