using IntegrityFs.Catalog;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>Everything that belongs to one inode of the fake catalog.</summary>
internal sealed class FakeNode
{
    public InodeRecord Record;

    public byte[]? Target;

    public Dictionary<byte[], FakeEntry> Entries { get; } = new(new ByteKeyComparer());

    public SortedDictionary<ulong, byte[]> Order { get; } = [];

    public Dictionary<byte[], byte[]> Xattrs { get; } = new(new ByteKeyComparer());

    /// <summary>Content in blocks; a missing one is a hole.</summary>
    public Dictionary<long, byte[]> Blocks { get; } = [];
}

/// <summary>A name: what it means and where in the listing it stands.</summary>
internal readonly record struct FakeEntry(Dentry Dentry, ulong Cookie);
