// Promise: the superblock is the root of trust of a volume at rest: it holds the tag tree's root, the journal's tail and
// every parameter, all under one MAC. Valid if and only if magic, version, MAC and all ranges are right and reserved
// bytes are zero. Two equal copies; each checkpoint writes copy A, flushes, then copy B.
using System.Buffers.Binary;
using System.Text;

namespace IntegrityFs.Format;

/// <summary>Offsets of the superblock: <c>docs/FORMAT.md</c>, Superblock.</summary>
public static class SuperblockLayout
{
    public const int MagicOffset = 0;
    public const int MagicSize = 8;
    public const int VersionOffset = MagicOffset + MagicSize;
    public const int VersionSize = 4;
    public const int AlgorithmOffset = VersionOffset + VersionSize;
    public const int AlgorithmSize = 4;
    public const int UuidOffset = AlgorithmOffset + AlgorithmSize;
    public const int UuidSize = 16;
    public const int LabelOffset = UuidOffset + UuidSize;
    public const int LabelSize = 64;
    public const int BlockSizeOffset = LabelOffset + LabelSize;
    public const int BlockSizeSize = 4;
    public const int IncompatibleOffset = BlockSizeOffset + BlockSizeSize;
    public const int IncompatibleSize = 4;
    public const int ReadOnlyCompatibleOffset = IncompatibleOffset + IncompatibleSize;
    public const int ReadOnlyCompatibleSize = 4;
    public const int StateOffset = ReadOnlyCompatibleOffset + ReadOnlyCompatibleSize;
    public const int StateSize = 4;
    public const int DeviceLengthOffset = StateOffset + StateSize;
    public const int DeviceLengthSize = 8;
    public const int JournalBlocksOffset = DeviceLengthOffset + DeviceLengthSize;
    public const int JournalBlocksSize = 8;
    public const int GenerationOffset = JournalBlocksOffset + JournalBlocksSize;
    public const int GenerationSize = 8;
    public const int NextSequenceOffset = GenerationOffset + GenerationSize;
    public const int NextSequenceSize = 8;
    public const int TailOffset = NextSequenceOffset + NextSequenceSize;
    public const int TailSize = 8;
    public const int ChainOffset = TailOffset + TailSize;
    public const int ChainSize = 32;
    public const int RootOffset = ChainOffset + ChainSize;
    public const int RootSize = TagEntryLayout.Size;
    public const int CreatedOffset = RootOffset + RootSize;
    public const int CreatedSize = 8;
    public const int WrittenOffset = CreatedOffset + CreatedSize;
    public const int WrittenSize = 8;
    public const int MountCountOffset = WrittenOffset + WrittenSize;
    public const int MountCountSize = 8;
    public const int RecoveryCountOffset = MountCountOffset + MountCountSize;
    public const int RecoveryCountSize = 8;
    public const int MismatchCountOffset = RecoveryCountOffset + RecoveryCountSize;
    public const int MismatchCountSize = 8;
    public const int ReservedOffset = MismatchCountOffset + MismatchCountSize;
    public const int ReservedSize = MacOffset - ReservedOffset;
    public const int MacOffset = Size - MacSize;
    public const int MacSize = 32;

    /// <summary>Bytes of a superblock.</summary>
    public const int Size = 4096;
}

/// <summary>How blocks are tagged. Authenticated; the code refuses what it does not know.</summary>
public enum TagAlgorithm
{
    /// <summary>HMAC-SHA-256, truncated to 192 bits.</summary>
    HmacSha256Truncated192 = 1,
}

/// <summary>Bits of <see cref="Superblock.State"/>.</summary>
[Flags]
public enum VolumeState
{
    /// <summary>In use, or crashed: the journal has to be scanned.</summary>
    InUse = 0,

    /// <summary>Closed in order: the journal is empty by declaration and is not read.</summary>
    Clean = 1,
}

/// <summary>The superblock's fields, decoded. See <see cref="SuperblockLayout"/>.</summary>
public sealed record Superblock
{
    /// <summary>First eight bytes of a volume.</summary>
    public static ReadOnlySpan<byte> Magic => "IntegFS1"u8;

    /// <summary>Format version that this code reads and writes.</summary>
    public const int CurrentVersion = 1;

    public required Guid Uuid { get; init; }
    public required string Label { get; init; }
    public required int BlockSize { get; init; }
    public required long DeviceLength { get; init; }
    public required long JournalBlocks { get; init; }
    public TagAlgorithm Algorithm { get; init; } = TagAlgorithm.HmacSha256Truncated192;
    public VolumeState State { get; init; }

    /// <summary>Counts superblock writes; the higher of two valid copies counts.</summary>
    public ulong Generation { get; init; }

    /// <summary>No journal record below this number is looked at.</summary>
    public ulong NextSequence { get; init; }

    /// <summary>Journal position of the oldest transaction that is not in the tag tree.</summary>
    public ulong Tail { get; init; }

    /// <summary>MAC of the last transaction before the tail.</summary>
    public ReadOnlyMemory<byte> Chain { get; init; } = new byte[SuperblockLayout.ChainSize];

    /// <summary>Entry of the tag tree's root node.</summary>
    public TagEntry Root { get; init; }

    /// <summary>Seconds since 1970.</summary>
    public long Created { get; init; }

    /// <summary>Seconds since 1970 of this write.</summary>
    public long Written { get; init; }
    public ulong MountCount { get; init; }
    public ulong RecoveryCount { get; init; }

    /// <summary>Mismatches ever found while mounted writable.</summary>
    public ulong MismatchCount { get; init; }

    /// <summary>True where the bytes begin like a superblock.</summary>
    public static bool HasMagic(ReadOnlySpan<byte> source) => source.StartsWith(Magic);

    /// <summary>Writes all but the MAC into 4096 bytes.</summary>
    public void Write(Span<byte> destination)
    {
        Span<byte> d = destination[..SuperblockLayout.Size];
        d.Clear();
        Magic.CopyTo(d);
        Write32(d, SuperblockLayout.VersionOffset, CurrentVersion);
        Write32(d, SuperblockLayout.AlgorithmOffset, (int)Algorithm);
        Uuid.TryWriteBytes(d[SuperblockLayout.UuidOffset..], bigEndian: true, out _);
        Encoding.UTF8.GetBytes(Label, d.Slice(SuperblockLayout.LabelOffset, SuperblockLayout.LabelSize));
        Write32(d, SuperblockLayout.BlockSizeOffset, BlockSize);
        Write32(d, SuperblockLayout.StateOffset, (int)State);
        Write64(d, SuperblockLayout.DeviceLengthOffset, (ulong)DeviceLength);
        Write64(d, SuperblockLayout.JournalBlocksOffset, (ulong)JournalBlocks);
        Write64(d, SuperblockLayout.GenerationOffset, Generation);
        Write64(d, SuperblockLayout.NextSequenceOffset, NextSequence);
        Write64(d, SuperblockLayout.TailOffset, Tail);
        Chain.Span.CopyTo(d.Slice(SuperblockLayout.ChainOffset, SuperblockLayout.ChainSize));
        Root.Write(d[SuperblockLayout.RootOffset..]);
        Write64(d, SuperblockLayout.CreatedOffset, (ulong)Created);
        Write64(d, SuperblockLayout.WrittenOffset, (ulong)Written);
        Write64(d, SuperblockLayout.MountCountOffset, MountCount);
        Write64(d, SuperblockLayout.RecoveryCountOffset, RecoveryCount);
        Write64(d, SuperblockLayout.MismatchCountOffset, MismatchCount);
    }

    /// <summary>Reads the fields; the MAC is the caller's to check. <see cref="CorruptFormatException"/> where a field is
    /// impossible or unknown.</summary>
    public static Superblock Read(ReadOnlySpan<byte> source)
    {
        ReadOnlySpan<byte> s = source[..SuperblockLayout.Size];
        Require(HasMagic(s), "not an IntegrityFs superblock");
        Require(Read32(s, SuperblockLayout.VersionOffset) == CurrentVersion, $"format version {Read32(s, SuperblockLayout.VersionOffset)} is not known; this program knows {CurrentVersion}");
        var algorithm = (TagAlgorithm)Read32(s, SuperblockLayout.AlgorithmOffset);
        Require(algorithm == TagAlgorithm.HmacSha256Truncated192, $"tag algorithm {(int)algorithm} is not known");
        uint incompatible = (uint)Read32(s, SuperblockLayout.IncompatibleOffset);
        Require(incompatible == 0, $"incompatible features 0x{incompatible:x} are not known");
        uint readOnly = (uint)Read32(s, SuperblockLayout.ReadOnlyCompatibleOffset);
        Require(readOnly == 0, $"features 0x{readOnly:x} are not known");
        int state = Read32(s, SuperblockLayout.StateOffset);
        Require((state & ~(int)VolumeState.Clean) == 0, $"state 0x{state:x} is not known");
        Require(!s.Slice(SuperblockLayout.ReservedOffset, SuperblockLayout.ReservedSize).ContainsAnyExcept((byte)0), "reserved bytes of the superblock are not zero");
        ulong next = Read64(s, SuperblockLayout.NextSequenceOffset);
        Require(next is > 0 and < TransactionId.MaxValue, "sequence number out of range");
        ulong generation = Read64(s, SuperblockLayout.GenerationOffset);
        Require(generation is > 0 and < TransactionId.MaxValue, "generation out of range");
        ulong tail = Read64(s, SuperblockLayout.TailOffset);
        Require(tail < 1UL << 60, "journal tail out of range");
        return new Superblock
        {
            Uuid = new Guid(s.Slice(SuperblockLayout.UuidOffset, SuperblockLayout.UuidSize), bigEndian: true),
            Label = ReadLabel(s.Slice(SuperblockLayout.LabelOffset, SuperblockLayout.LabelSize)),
            BlockSize = Read32(s, SuperblockLayout.BlockSizeOffset),
            DeviceLength = (long)Read64(s, SuperblockLayout.DeviceLengthOffset),
            JournalBlocks = (long)Read64(s, SuperblockLayout.JournalBlocksOffset),
            Algorithm = algorithm,
            State = (VolumeState)state,
            Generation = generation,
            NextSequence = next,
            Tail = tail,
            Chain = s.Slice(SuperblockLayout.ChainOffset, SuperblockLayout.ChainSize).ToArray(),
            Root = TagEntry.Read(s[SuperblockLayout.RootOffset..]),
            Created = (long)Read64(s, SuperblockLayout.CreatedOffset),
            Written = (long)Read64(s, SuperblockLayout.WrittenOffset),
            MountCount = Read64(s, SuperblockLayout.MountCountOffset),
            RecoveryCount = Read64(s, SuperblockLayout.RecoveryCountOffset),
            MismatchCount = Read64(s, SuperblockLayout.MismatchCountOffset),
        };
    }

    /// <summary>True where a label fits: at most 64 bytes of UTF-8 without control characters.</summary>
    public static bool IsValidLabel(string label) =>
        Encoding.UTF8.GetByteCount(label) <= SuperblockLayout.LabelSize && !label.Any(char.IsControl);

    private static string ReadLabel(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOf((byte)0);
        string label = Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
        return string.Concat(label.Where(c => !char.IsControl(c)));
    }

    private static void Require(bool condition, string rule)
    {
        if (!condition)
        {
            throw new CorruptFormatException(rule);
        }
    }

    private static int Read32(ReadOnlySpan<byte> s, int offset) => BinaryPrimitives.ReadInt32LittleEndian(s[offset..]);

    private static ulong Read64(ReadOnlySpan<byte> s, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(s[offset..]);

    private static void Write32(Span<byte> d, int offset, int value) => BinaryPrimitives.WriteInt32LittleEndian(d[offset..], value);

    private static void Write64(Span<byte> d, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(d[offset..], value);
}
