// Promise: one descriptor says everything about one transaction; it is written twice, before and behind the images, so
// that one bad block in the journal cannot hide which blocks a transaction changed. The MAC covers header and entries,
// the entries hold the images' tags: an authentic descriptor authenticates the whole transaction.
using System.Buffers.Binary;

namespace IntegrityFs.Format;

/// <summary>Offsets of a journal descriptor: <c>docs/FORMAT.md</c>, Journal descriptor.</summary>
public static class JournalDescriptorLayout
{
    public const int MagicOffset = 0;
    public const int MagicSize = 8;
    public const int SequenceOffset = MagicOffset + MagicSize;
    public const int SequenceSize = 8;
    public const int PositionOffset = SequenceOffset + SequenceSize;
    public const int PositionSize = 8;
    public const int EntriesOffset = PositionOffset + PositionSize;
    public const int EntriesSize = 4;
    public const int ImagesOffset = EntriesOffset + EntriesSize;
    public const int ImagesSize = 4;
    public const int ChainOffset = ImagesOffset + ImagesSize;
    public const int ChainSize = 32;
    public const int ReservedOffset = ChainOffset + ChainSize;
    public const int ReservedSize = 32;
    public const int MacOffset = ReservedOffset + ReservedSize;
    public const int MacSize = 32;
    public const int HeaderSize = MacOffset + MacSize;

    /// <summary>Bytes of one entry: target (8) and tag or count (24).</summary>
    public const int EntrySize = 32;

    /// <summary>Most entries of a transaction: bounds what is read before the MAC has been seen.</summary>
    public const int MaxEntries = 1 << 16;

    /// <summary>Blocks that a descriptor with so many entries takes.</summary>
    public static int Blocks(int entries, int blockSize) =>
        (int)((HeaderSize + ((long)entries * EntrySize) + blockSize - 1) / blockSize);
}

/// <summary>What a journal entry says of its block.</summary>
public enum JournalEntryKind : byte
{
    /// <summary>Not an entry.</summary>
    None = 0,

    /// <summary>The transaction holds an image of the block.</summary>
    Image = 1,

    /// <summary>The block was written in place before the commit; only its tag is here.</summary>
    InPlace = 2,

    /// <summary>The blocks from here on were freed (revoke): no older image may be replayed over them.</summary>
    Freed = 3,
}

/// <summary>One entry of a descriptor. <see cref="Count"/> is for Freed, <see cref="Tag"/> for the others.</summary>
public readonly record struct JournalEntry(JournalEntryKind Kind, BlockPurpose Purpose, long Block, Tag Tag, long Count)
{
    /// <summary>Writes 32 bytes.</summary>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, (ulong)Block | ((ulong)Purpose << 48) | ((ulong)Kind << 56));
        if (Kind == JournalEntryKind.Freed)
        {
            new Tag((ulong)Count, 0, 0).Write(destination[8..]);
        }
        else
        {
            Tag.Write(destination[8..]);
        }
    }

    /// <summary>Reads 32 bytes; the rules are checked against the volume's size.</summary>
    public static JournalEntry Read(ReadOnlySpan<byte> source, long totalBlocks)
    {
        ulong target = BinaryPrimitives.ReadUInt64LittleEndian(source);
        var kind = (JournalEntryKind)(target >> 56);
        var purpose = (BlockPurpose)((target >> 48) & 0xff);
        long block = (long)(target & BlockNumber.MaxValue);
        Tag tag = Tag.Read(source[8..]);
        bool freed = kind == JournalEntryKind.Freed;
        long count = freed ? (long)tag.A : 0;
        bool known = kind is JournalEntryKind.Image or JournalEntryKind.InPlace or JournalEntryKind.Freed;
        bool purposeFits = freed ? purpose == BlockPurpose.None : purpose is >= BlockPurpose.Data and <= BlockPurpose.State;
        bool rangeFits = block < totalBlocks && (!freed || (tag.B == 0 && tag.C == 0 && count > 0 && count <= totalBlocks - block));
        if (!known || !purposeFits || !rangeFits)
        {
            throw new CorruptFormatException($"journal entry of kind {(int)kind}, purpose {(int)purpose}, block {block} is impossible");
        }

        return new JournalEntry(kind, purpose, block, freed ? default : tag, count);
    }
}

/// <summary>Header fields of a descriptor.</summary>
public readonly ref struct JournalDescriptorView
{
    private readonly ReadOnlySpan<byte> _bytes;

    /// <summary>Views a descriptor's first block or more.</summary>
    public JournalDescriptorView(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    /// <summary>First eight bytes of a descriptor.</summary>
    public static ReadOnlySpan<byte> Magic => "IFSjrnl1"u8;

    public bool HasMagic => _bytes.StartsWith(Magic);

    public ulong Sequence => BinaryPrimitives.ReadUInt64LittleEndian(_bytes[JournalDescriptorLayout.SequenceOffset..]);

    public ulong Position => BinaryPrimitives.ReadUInt64LittleEndian(_bytes[JournalDescriptorLayout.PositionOffset..]);

    public uint Entries => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[JournalDescriptorLayout.EntriesOffset..]);

    public uint Images => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[JournalDescriptorLayout.ImagesOffset..]);

    public ReadOnlySpan<byte> Chain => _bytes.Slice(JournalDescriptorLayout.ChainOffset, JournalDescriptorLayout.ChainSize);

    public ReadOnlySpan<byte> Reserved => _bytes.Slice(JournalDescriptorLayout.ReservedOffset, JournalDescriptorLayout.ReservedSize);

    public ReadOnlySpan<byte> Mac => _bytes.Slice(JournalDescriptorLayout.MacOffset, JournalDescriptorLayout.MacSize);

    /// <summary>Writes a header with a zero MAC.</summary>
    public static void WriteHeader(Span<byte> destination, ulong sequence, ulong position, int entries, int images, ReadOnlySpan<byte> chain)
    {
        Span<byte> d = destination[..JournalDescriptorLayout.HeaderSize];
        d.Clear();
        Magic.CopyTo(d);
        BinaryPrimitives.WriteUInt64LittleEndian(d[JournalDescriptorLayout.SequenceOffset..], sequence);
        BinaryPrimitives.WriteUInt64LittleEndian(d[JournalDescriptorLayout.PositionOffset..], position);
        BinaryPrimitives.WriteUInt32LittleEndian(d[JournalDescriptorLayout.EntriesOffset..], (uint)entries);
        BinaryPrimitives.WriteUInt32LittleEndian(d[JournalDescriptorLayout.ImagesOffset..], (uint)images);
        chain.CopyTo(d.Slice(JournalDescriptorLayout.ChainOffset, JournalDescriptorLayout.ChainSize));
    }
}
