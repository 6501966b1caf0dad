// Fixed parts of replies, field for field as the kernel lays them out. A test pins each size.
using System.Runtime.CompilerServices;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.Fuse.Protocol;

/// <summary>fuse_out_header; <see cref="Error"/> is 0 or a negative error number.</summary>
internal readonly record struct ReplyHeader(uint Length, int Error, ulong Unique);

[InlineArray(7)]
internal struct SevenWords
{
    private uint _first;
}

[InlineArray(14)]
internal struct FourteenLongs
{
    private ulong _first;
}

/// <summary>fuse_init_out, 64 bytes.</summary>
internal struct InitOut
{
    public uint Major;
    public uint Minor;
    public uint MaxReadahead;
    public uint Flags;
    public ushort MaxBackground;
    public ushort CongestionThreshold;
    public uint MaxWrite;
    public uint TimeGranularity;
    public ushort MaxPages;
    public ushort MapAlignment;
    public uint Flags2;
    public SevenWords Unused;
}

/// <summary>fuse_attr, 88 bytes.</summary>
internal readonly record struct AttrOut(
    ulong Inode, ulong Size, ulong Blocks, ulong Atime, ulong Mtime, ulong Ctime, uint AtimeNanoseconds,
    uint MtimeNanoseconds, uint CtimeNanoseconds, uint Mode, uint Links, uint Uid, uint Gid, uint Rdev, uint BlockSize, uint Flags)
{
    public static AttrOut From(in Attributes a) => new(
        a.Inode.Value, (ulong)a.Size, (ulong)a.Blocks, (ulong)a.Atime.Seconds, (ulong)a.Mtime.Seconds, (ulong)a.Ctime.Seconds,
        a.Atime.Nanoseconds, a.Mtime.Nanoseconds, a.Ctime.Nanoseconds, a.Mode, a.Links, a.Uid, a.Gid, a.Rdev, (uint)a.BlockSize, 0);
}

/// <summary>How long the kernel may believe an answer: whole seconds and nanoseconds.</summary>
internal readonly record struct Validity(ulong Seconds, uint Nanoseconds)
{
    public static Validity From(TimeSpan time)
    {
        long ticks = Math.Max(0, time.Ticks);
        return new Validity((ulong)(ticks / TimeSpan.TicksPerSecond), (uint)(ticks % TimeSpan.TicksPerSecond * 100));
    }

    /// <summary>Not at all for a regular file with a set-id bit: with HANDLE_KILLPRIV_V2 a write clears the bit here, and
    /// the kernel does not forget the mode that it has cached.</summary>
    public Validity Of(in Attributes attributes) =>
        (attributes.Mode & 0xF000) == 0x8000 && (attributes.Mode & 0xC00) != 0 ? default : this;
}

/// <summary>fuse_entry_out, 128 bytes. Node 0 says "no such name", and for how long that holds.</summary>
internal readonly record struct EntryOut(
    ulong Node, ulong Generation, ulong EntryValid, ulong AttrValid, uint EntryValidNanoseconds, uint AttrValidNanoseconds, AttrOut Attr)
{
    public static EntryOut From(in Attributes a, Validity entry, Validity attr) => new(
        a.Inode.Value, a.Generation, entry.Seconds, attr.Of(a).Seconds, entry.Nanoseconds, attr.Of(a).Nanoseconds, AttrOut.From(a));

    public static EntryOut Absent(Validity entry) => new(0, 0, entry.Seconds, 0, entry.Nanoseconds, 0, default);
}

/// <summary>fuse_attr_out.</summary>
internal readonly record struct AttrReply(ulong Valid, uint ValidNanoseconds, uint Padding, AttrOut Attr);

internal readonly record struct OpenOut(ulong Handle, OpenReply Flags, int BackingId);

internal readonly record struct WriteOut(uint Size, uint Padding);

internal readonly record struct GetXattrOut(uint Size, uint Padding);

internal readonly record struct LseekOut(ulong Offset);

internal readonly record struct CopyFileRangeOut(ulong Copied);

/// <summary>fuse_ioctl_out; the data follows.</summary>
internal readonly record struct IoctlOut(int Result, uint Flags, uint InVectors, uint OutVectors);

/// <summary>fuse_kstatfs with its six spare words.</summary>
internal readonly record struct StatFsOut(
    ulong Blocks, ulong FreeBlocks, ulong AvailableBlocks, ulong Files, ulong FreeFiles, uint BlockSize, uint NameLength,
    uint FragmentSize, uint Padding, ulong Spare0, ulong Spare1, ulong Spare2);

/// <summary>fuse_dirent; the name follows, padded to 8 bytes.</summary>
internal readonly record struct DirectoryEntryOut(ulong Inode, ulong Cookie, uint NameLength, uint Type);

/// <summary>fuse_sx_time.</summary>
internal readonly record struct StatxTime(long Seconds, uint Nanoseconds, int Reserved)
{
    public static StatxTime From(Timestamp time) => new(time.Seconds, time.Nanoseconds, 0);
}

/// <summary>fuse_statx_out, 288 bytes.</summary>
internal struct StatxOut
{
    public ulong Valid;
    public uint ValidNanoseconds;
    public uint Flags;
    public ulong Spare0;
    public ulong Spare1;
    public uint Mask;
    public uint BlockSize;
    public ulong Attributes;
    public uint Links;
    public uint Uid;
    public uint Gid;
    public ushort Mode;
    public ushort ModePadding;
    public ulong Inode;
    public ulong Size;
    public ulong Blocks;
    public ulong AttributesMask;
    public StatxTime Atime;
    public StatxTime Btime;
    public StatxTime Ctime;
    public StatxTime Mtime;
    public uint RdevMajor;
    public uint RdevMinor;
    public uint DevMajor;
    public uint DevMinor;
    public FourteenLongs Spare2;

    public static StatxOut From(in Attributes a, Validity valid) => new()
    {
        Valid = valid.Seconds,
        ValidNanoseconds = valid.Nanoseconds,
        Mask = Bits.StatxBasic | Bits.StatxBtime,
        BlockSize = (uint)a.BlockSize,
        Attributes = ((a.Flags & Bits.InodeImmutable) != 0 ? Bits.StatxImmutable : 0)
            | ((a.Flags & Bits.InodeAppend) != 0 ? Bits.StatxAppend : 0)
            | ((a.Flags & Bits.InodeNoDump) != 0 ? Bits.StatxNoDump : 0),
        AttributesMask = Bits.StatxImmutable | Bits.StatxAppend | Bits.StatxNoDump,
        Links = a.Links,
        Uid = a.Uid,
        Gid = a.Gid,
        Mode = (ushort)a.Mode,
        Inode = a.Inode.Value,
        Size = (ulong)a.Size,
        Blocks = (ulong)a.Blocks,
        Atime = StatxTime.From(a.Atime),
        Btime = StatxTime.From(a.Btime),
        Ctime = StatxTime.From(a.Ctime),
        Mtime = StatxTime.From(a.Mtime),
        RdevMajor = (a.Rdev & 0xfff00) >> 8,
        RdevMinor = (a.Rdev & 0xff) | ((a.Rdev >> 12) & 0xfff00),
    };
}
