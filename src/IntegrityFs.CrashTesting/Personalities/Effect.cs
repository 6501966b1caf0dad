namespace IntegrityFs.CrashTesting;

/// <summary>What a request does to a tree, in the smallest parts that a file system may make durable apart.</summary>
internal abstract record Effect(ulong Inode)
{
    public abstract FileTree Apply(FileTree tree);
}

/// <summary>A name leads to another inode; 0 for none.</summary>
internal sealed record EntryEffect(ulong Directory, string Name, ulong Child) : Effect(Directory)
{
    public override FileTree Apply(FileTree tree) => tree.Change(Directory, node => node with
    {
        Entries = Child == 0 ? node.Entries.Remove(Name) : node.Entries.SetItem(Name, Child),
    });
}

/// <summary>Bytes within one page.</summary>
internal sealed record ContentEffect(ulong Inode, long Offset, ReadOnlyMemory<byte> Data, long Time) : Effect(Inode)
{
    public long Page => Offset / FilePage.Size;

    public override FileTree Apply(FileTree tree) => tree.Change(Inode, node => node.WithContent(Offset, Data.Span) with { Time = Time });
}

/// <summary>The size is at least this.</summary>
internal sealed record GrowEffect(ulong Inode, long Size) : Effect(Inode)
{
    public override FileTree Apply(FileTree tree) =>
        tree.Change(Inode, node => Size > node.Size ? node with { Size = Size } : node);
}

/// <summary>The size is this.</summary>
internal sealed record SizeEffect(ulong Inode, long Size) : Effect(Inode)
{
    public override FileTree Apply(FileTree tree) => tree.Change(Inode, node => node.WithSize(Size));
}

/// <summary>A range is zeroes.</summary>
internal sealed record ZeroEffect(ulong Inode, long Offset, long Length) : Effect(Inode)
{
    public override FileTree Apply(FileTree tree) => tree.Change(Inode, node => node.WithZeroes(Offset, Length));
}

/// <summary>Mode, owner, time.</summary>
internal sealed record AttributesEffect(RecordedRequest Request) : Effect(Request.Inode)
{
    public override FileTree Apply(FileTree tree) => tree.Change(Inode, node => node with
    {
        Mode = Request.Mode,
        Uid = Request.Uid,
        Gid = Request.Gid,
        Time = Request.Offset,
    });
}

/// <summary>An extended attribute; null removes it.</summary>
internal sealed record XattrEffect(ulong Inode, string Name, byte[]? Value) : Effect(Inode)
{
    public override FileTree Apply(FileTree tree) => tree.Change(Inode, node => node with
    {
        Xattrs = Value is null ? node.Xattrs.Remove(Name) : node.Xattrs.SetItem(Name, Value),
    });
}
