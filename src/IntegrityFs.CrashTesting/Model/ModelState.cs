// Promise: the whole content of the model at one moment, immutable; keeping one per operation costs almost nothing.
using System.Collections.Immutable;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>One inode of the model.</summary>
internal sealed record ModelNode
{
    public required ulong Inode { get; init; }

    public uint Mode { get; init; }

    public uint Links { get; init; }

    /// <summary>Made by O_TMPFILE and may still be given a name; a file that was unlinked may not.</summary>
    public bool Linkable { get; init; }

    public uint Uid { get; init; }

    public uint Gid { get; init; }

    public uint Rdev { get; init; }

    public long Size { get; init; }

    public ulong Parent { get; init; }

    public Timestamp Atime { get; init; }

    public Timestamp Mtime { get; init; }

    public Timestamp Ctime { get; init; }

    public Timestamp Btime { get; init; }

    public ModelContent Content { get; init; } = ModelContent.Empty;

    public byte[] Target { get; init; } = [];

    /// <summary>Names (bytes as Latin-1) to inodes.</summary>
    public ImmutableSortedDictionary<string, ulong> Entries { get; init; } = s_noEntries;

    public ImmutableSortedDictionary<string, byte[]> Xattrs { get; init; } = s_noXattrs;

    public uint Type => Mode & 0xF000;

    public bool IsDirectory => Type == FileTypes.Directory;

    public bool IsRegular => Type == FileTypes.Regular;

    private static readonly ImmutableSortedDictionary<string, ulong> s_noEntries =
        ImmutableSortedDictionary.Create<string, ulong>(StringComparer.Ordinal);

    private static readonly ImmutableSortedDictionary<string, byte[]> s_noXattrs =
        ImmutableSortedDictionary.Create<string, byte[]>(StringComparer.Ordinal);
}

/// <summary>File type bits of st_mode.</summary>
internal static class FileTypes
{
    public const uint Fifo = 0x1000;
    public const uint Character = 0x2000;
    public const uint Directory = 0x4000;
    public const uint Block = 0x6000;
    public const uint Regular = 0x8000;
    public const uint Symlink = 0xA000;
    public const uint Socket = 0xC000;
}

/// <summary>All inodes, and the number that the next one gets.</summary>
internal sealed record ModelState(ImmutableDictionary<ulong, ModelNode> Nodes, ulong NextInode)
{
    /// <summary>An empty root directory.</summary>
    public static ModelState Empty(Timestamp created)
    {
        var root = new ModelNode
        {
            Inode = 1,
            Mode = FileTypes.Directory | 0x1ED,
            Links = 2,
            Parent = 1,
            Atime = created,
            Mtime = created,
            Ctime = created,
            Btime = created,
        };
        return new ModelState(ImmutableDictionary<ulong, ModelNode>.Empty.Add(1, root), 2);
    }

    /// <summary>What a crash leaves: files without a name are gone.</summary>
    public ModelState AfterCrash() => this with
    {
        Nodes = Nodes.RemoveRange(Nodes.Values.Where(node => node.Links == 0).Select(node => node.Inode)),
    };
}
