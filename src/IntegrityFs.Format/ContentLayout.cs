// File content on disk: extent items and the record of an unfinished truncation. The content of a small file is the value
// of its inline item as it is, without a layout: 1 .. InlineLayout.MaxLength bytes, the rest of the file reads as zeroes.
//
// An extent is valid if and only if its blocks lie within the volume behind block 0, its length is 1 .. MaxLength, no
// unknown flag is set and the reserved bytes are zero; and it ends before the file's next extent begins.
// Bytes of a file's last block behind its end are zero. Extents behind the end of the file are unwritten.

using System.Buffers.Binary;

namespace IntegrityFs.Format;

/// <summary>Limits of inline content.</summary>
public static class InlineLayout
{
    /// <summary>Longest content in bytes that is kept as an item.</summary>
    public const int MaxLength = 1024;
}

/// <summary>Where the fields of an extent item lie. Key: (inode, Extent, first block of the file, counted in blocks).</summary>
public static class ExtentLayout
{
    /// <summary>u64, first block on the volume: 1 .. 2^48 − 1.</summary>
    public const int StartOffset = 0;
    public const int StartSize = 8;

    /// <summary>u32, blocks: 1 .. <see cref="MaxLength"/>.</summary>
    public const int LengthOffset = StartOffset + StartSize;
    public const int LengthSize = 4;

    /// <summary>u8, <see cref="Unwritten"/> or zero.</summary>
    public const int FlagsOffset = LengthOffset + LengthSize;
    public const int FlagsSize = 1;

    /// <summary>3 bytes, zero.</summary>
    public const int ReservedOffset = FlagsOffset + FlagsSize;
    public const int ReservedSize = 3;

    /// <summary>Bytes of an extent item.</summary>
    public const int Size = ReservedOffset + ReservedSize;

    /// <summary>Flag: the blocks belong to the file but have no content; they read as zeroes.</summary>
    public const byte Unwritten = 1;

    /// <summary>Most blocks of one extent.</summary>
    public const int MaxLength = 1 << 24;
}

/// <summary>The value of an extent item.</summary>
/// <param name="Start">First block on the volume.</param>
/// <param name="Length">Blocks.</param>
/// <param name="Unwritten">True where the blocks have no content.</param>
public readonly record struct ExtentItem(BlockNumber Start, int Length, bool Unwritten)
{
    /// <summary>Reads and checks an item.</summary>
    /// <exception cref="CorruptFormatException">It breaks a rule.</exception>
    public static ExtentItem Read(ReadOnlySpan<byte> value, long totalBlocks)
    {
        if (value.Length != ExtentLayout.Size)
        {
            throw new CorruptFormatException("extent: length of the item");
        }

        ulong start = BinaryPrimitives.ReadUInt64LittleEndian(value);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(value[ExtentLayout.LengthOffset..]);
        if (length is 0 or > ExtentLayout.MaxLength)
        {
            throw new CorruptFormatException("extent: number of blocks");
        }

        if (start == 0 || start >= (ulong)totalBlocks || length > (ulong)totalBlocks - start)
        {
            throw new CorruptFormatException("extent: blocks outside the volume");
        }

        byte flags = value[ExtentLayout.FlagsOffset];
        if ((flags & ~ExtentLayout.Unwritten) != 0
            || value[ExtentLayout.ReservedOffset..].ContainsAnyExcept((byte)0))
        {
            throw new CorruptFormatException("extent: flags or reserved bytes");
        }

        return new ExtentItem(new BlockNumber((long)start), (int)length, flags != 0);
    }

    /// <summary>Writes the item's <see cref="ExtentLayout.Size"/> bytes.</summary>
    public void Write(Span<byte> value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(value, (ulong)Start.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(value[ExtentLayout.LengthOffset..], (uint)Length);
        value[ExtentLayout.FlagsOffset] = Unwritten ? ExtentLayout.Unwritten : (byte)0;
        value.Slice(ExtentLayout.ReservedOffset, ExtentLayout.ReservedSize).Clear();
    }
}

/// <summary>Where the record of an unfinished truncation lies: in the volume's root area, at
/// <see cref="AreaOffset"/>. All zero where there is none.</summary>
public static class PendingTruncationLayout
{
    /// <summary>Offset of the record in the root area.</summary>
    public const int AreaOffset = 128;

    /// <summary>u64, the inode; zero where there is none.</summary>
    public const int InodeOffset = 0;
    public const int InodeSize = 8;

    /// <summary>u64, blocks of the file that stay; what lies behind them is still to be freed.</summary>
    public const int KeepOffset = InodeOffset + InodeSize;
    public const int KeepSize = 8;

    /// <summary>Bytes of the record.</summary>
    public const int Size = KeepOffset + KeepSize;
}

/// <summary>An unfinished truncation: the size is set, blocks behind it are still to be freed.</summary>
/// <param name="Inode">The file; none where there is no unfinished truncation.</param>
/// <param name="Keep">Blocks of the file that stay.</param>
public readonly record struct PendingTruncation(InodeNumber Inode, long Keep)
{
    /// <summary>Reads the record from the volume's root area.</summary>
    /// <exception cref="CorruptFormatException">It breaks a rule.</exception>
    public static PendingTruncation Read(ReadOnlySpan<byte> rootArea)
    {
        ReadOnlySpan<byte> record = rootArea.Slice(PendingTruncationLayout.AreaOffset, PendingTruncationLayout.Size);
        ulong inode = BinaryPrimitives.ReadUInt64LittleEndian(record);
        ulong keep = BinaryPrimitives.ReadUInt64LittleEndian(record[PendingTruncationLayout.KeepOffset..]);
        if (keep > long.MaxValue || (inode == 0 && keep != 0))
        {
            throw new CorruptFormatException("unfinished truncation: blocks that stay");
        }

        return new PendingTruncation(new InodeNumber(inode), (long)keep);
    }

    /// <summary>Writes the record into the volume's root area.</summary>
    public void Write(Span<byte> rootArea)
    {
        Span<byte> record = rootArea.Slice(PendingTruncationLayout.AreaOffset, PendingTruncationLayout.Size);
        BinaryPrimitives.WriteUInt64LittleEndian(record, Inode.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(record[PendingTruncationLayout.KeepOffset..], (ulong)Keep);
    }
}
