using System.Diagnostics.CodeAnalysis;
using IntegrityFs.Catalog;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>A catalog in memory that is strict where the real one trusts its caller: every member checks that it is called
/// inside or outside a scope as it must be, scopes do not nest, an operation may not make more changes than it reserved, and
/// a completed operation must leave links, sizes and orphans consistent.</summary>
internal sealed partial class FakeCatalog : ICatalog
{
    public const int Block = 4096;

    private readonly SharedGate _gate = new();
    private readonly SortedSet<ulong> _orphans = [];

    public FakeCatalog(Timestamp now)
    {
        InodeRecord root = new()
        {
            Mode = 0x4000 | 0x1ED, Links = 2, Atime = now, Mtime = now, Ctime = now, Btime = now, Parent = InodeNumber.Root,
        };
        Nodes[1] = new FakeNode { Record = root };
    }

    public Dictionary<ulong, FakeNode> Nodes { get; } = [];

    public ulong LastInode { get; set; } = 1;

    public ulong LastCookie { get; set; }

    public SortedSet<ulong> Orphans => _orphans;

    public int BlockSize => Block;

    public bool IsReadOnly { get; set; }

    public Guid Uuid { get; } = Guid.Parse("6c1f0d2a-9a55-4e7a-8f2b-2f7f5f3f0001");

    public long MaxFileSize { get; set; } = long.MaxValue;

    public long TotalBlocks { get; set; } = 10_000;

    public long UsedBlocks { get; set; }

    /// <summary>Calls of <see cref="Sync"/> that succeeded.</summary>
    public int Syncs { get; private set; }

    /// <summary>Write operations begun, own-scope ones included.</summary>
    public int Operations { get; private set; }

    /// <summary>Thrown by the next call that would touch the named inode.</summary>
    public Dictionary<ulong, Exception> BadInodes { get; } = [];

    /// <summary>Thrown by reading or writing the content of the named inode.</summary>
    public Dictionary<ulong, Exception> BadContent { get; } = [];

    /// <summary>Thrown by every change.</summary>
    public Exception? ChangeFailure { get; set; }

    /// <summary>Thrown by <see cref="Sync"/>.</summary>
    public Exception? SyncFailure { get; set; }

    public CatalogStatistics Statistics => new(Block, TotalBlocks, TotalBlocks - UsedBlocks, Nodes.Count);

    /// <summary>True while any thread is inside a scope.</summary>
    public bool InScope => _gate.IsReadLockHeld || _gate.IsWriteLockHeld;

    public CatalogReadScope EnterRead()
    {
        _gate.EnterReadLock();
        return new CatalogReadScope(new ReadScope(_gate));
    }

    public Errno BeginWrite(int changes, out CatalogOperation operation) => Begin(changes, removes: false, out operation);

    public Errno BeginRemoval(int changes, out CatalogOperation operation) => Begin(changes, removes: true, out operation);

    private Errno Begin(int changes, bool removes, out CatalogOperation operation)
    {
        Demand(!InScope, "scopes do not nest");
        operation = null!;
        if (ChangeFailure is not null)
        {
            throw ChangeFailure;
        }

        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        if (!removes && UsedBlocks >= TotalBlocks)
        {
            return Errno.ENOSPC;
        }

        _gate.EnterWriteLock();
        Operations++;
        operation = new FakeOperation(this, changes, removes);
        return Errno.OK;
    }

    public bool TryGetInode(InodeNumber inode, out InodeRecord record)
    {
        DemandScope();
        if (BadInodes.TryGetValue(inode.Value, out Exception? error))
        {
            throw error;
        }

        bool found = Nodes.TryGetValue(inode.Value, out FakeNode? node);
        record = found ? node!.Record : default;
        return found;
    }

    public bool TryLookup(InodeNumber directory, ReadOnlySpan<byte> name, out Dentry entry)
    {
        DemandScope();
        DemandName(name);
        entry = default;
        if (!Nodes.TryGetValue(directory.Value, out FakeNode? node)
            || !node.Entries.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(name, out FakeEntry found))
        {
            return false;
        }

        entry = found.Dentry;
        return true;
    }

    public void ReadDirectory(InodeNumber directory, ulong cookie, IDentryVisitor visitor)
    {
        DemandScope();
        foreach ((ulong at, byte[] name) in Nodes[directory.Value].Order)
        {
            if (at > cookie && !visitor.Visit(name, Nodes[directory.Value].Entries[name].Dentry, at))
            {
                return;
            }
        }
    }

    public bool IsEmptyDirectory(InodeNumber directory)
    {
        DemandScope();
        return Nodes[directory.Value].Entries.Count == 0;
    }

    public bool TryFindName(InodeNumber directory, InodeNumber child, Span<byte> name, out int length)
    {
        DemandScope();
        length = 0;
        if (!Nodes.TryGetValue(directory.Value, out FakeNode? node))
        {
            return false;
        }

        foreach ((byte[] candidate, FakeEntry entry) in node.Entries)
        {
            if (entry.Dentry.Inode == child)
            {
                candidate.CopyTo(name);
                length = candidate.Length;
                return true;
            }
        }

        return false;
    }

    public Errno GetXattr(InodeNumber inode, ReadOnlySpan<byte> name, Span<byte> value, out int length)
    {
        DemandScope();
        length = 0;
        if (!Nodes.TryGetValue(inode.Value, out FakeNode? node)
            || !node.Xattrs.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(name, out byte[]? found))
        {
            return Errno.ENODATA;
        }

        length = found.Length;
        return value.IsEmpty || found.AsSpan().TryCopyTo(value) ? Errno.OK : Errno.ERANGE;
    }

    public Errno ListXattr(InodeNumber inode, Span<byte> names, out int length)
    {
        DemandScope();
        length = 0;
        if (!Nodes.TryGetValue(inode.Value, out FakeNode? node))
        {
            return Errno.ENOENT;
        }

        foreach (byte[] name in node.Xattrs.Keys)
        {
            if (!names.IsEmpty)
            {
                if (names.Length - length < name.Length + 1)
                {
                    return Errno.ERANGE;
                }

                name.CopyTo(names[length..]);
                names[length + name.Length] = 0;
            }

            length += name.Length + 1;
        }

        return Errno.OK;
    }

    public Errno ReadSymlink(InodeNumber inode, Span<byte> target, out int length)
    {
        DemandScope();
        length = 0;
        if (!Nodes.TryGetValue(inode.Value, out FakeNode? node) || node.Target is null)
        {
            return Errno.ENOENT;
        }

        length = Math.Min(target.Length, node.Target.Length);
        node.Target.AsSpan(0, length).CopyTo(target);
        return Errno.OK;
    }

    public bool TryNextOrphan(InodeNumber after, out InodeNumber orphan)
    {
        DemandScope();
        ulong next = _orphans.FirstOrDefault(o => o > after.Value);
        orphan = new InodeNumber(next);
        return next != 0;
    }

    public void Destroy(InodeNumber inode)
    {
        BeginOwn();
        try
        {
            Demand(_orphans.Remove(inode.Value), $"inode {inode} is destroyed but is no orphan");
            UsedBlocks -= Nodes[inode.Value].Blocks.Count;
            Nodes.Remove(inode.Value);
        }
        finally
        {
            _gate.ExitWriteLock();
        }
    }

    public void Sync()
    {
        Demand(!InScope, "Sync is called outside scopes");
        if (SyncFailure is not null)
        {
            throw SyncFailure;
        }

        Syncs++;
    }

    public static void Demand([DoesNotReturnIf(false)] bool condition, string rule)
    {
        if (!condition)
        {
            throw new FakeCatalogMisuseException(rule);
        }
    }

    /// <summary>What the checker would find wrong; null where all is well.</summary>
    public string? FindProblem()
    {
        foreach ((ulong number, FakeNode node) in Nodes)
        {
            if (DescribeProblem(number, node) is { } problem)
            {
                return problem;
            }
        }

        Dictionary<ulong, uint> names = [];
        foreach (FakeEntry entry in Nodes.Values.SelectMany(n => n.Entries.Values))
        {
            if (!Nodes.TryGetValue(entry.Dentry.Inode.Value, out FakeNode? named) || named.Record.Mode >> 12 != entry.Dentry.Type)
            {
                return $"an entry names inode {entry.Dentry.Inode} wrongly";
            }

            names[entry.Dentry.Inode.Value] = names.GetValueOrDefault(entry.Dentry.Inode.Value) + 1;
        }

        foreach ((ulong number, FakeNode node) in Nodes)
        {
            bool directory = node.Record.Mode >> 12 == 4;
            uint expected = directory ? (node.Record.Links == 0 || number == 1 ? 0u : 1u) : node.Record.Links;
            if (names.GetValueOrDefault(number) != expected)
            {
                return $"inode {number} has {names.GetValueOrDefault(number)} names and {node.Record.Links} links";
            }
        }

        return null;
    }

    private string? DescribeProblem(ulong number, FakeNode node)
    {
        if (_orphans.Contains(number) != (node.Record.Links == 0))
        {
            return $"inode {number} has {node.Record.Links} links, orphan: {_orphans.Contains(number)}";
        }

        if (node.Record.Mode >> 12 != 4)
        {
            return node.Target is not null && node.Record.Size != node.Target.Length ? $"symlink {number} has the wrong size" : null;
        }

        if (node.Record.Size != node.Entries.Count)
        {
            return $"directory {number} has size {node.Record.Size} and {node.Entries.Count} entries";
        }

        FakeEntry[] directories = [.. node.Entries.Values.Where(e => e.Dentry.Type == 4)];
        if (node.Record.Links != 0 && node.Record.Links != 2 + directories.Length)
        {
            return $"directory {number} has {node.Record.Links} links and {directories.Length} subdirectories";
        }

        return directories.Any(d => Nodes[d.Dentry.Inode.Value].Record.Parent.Value != number)
            ? $"a subdirectory of {number} has another parent"
            : null;
    }

    private static void DemandName(ReadOnlySpan<byte> name)
    {
        Demand(name.Length is > 0 and <= 255 && name.IndexOfAny((byte)'/', (byte)0) < 0, "names are checked by the floor above");
        Demand(!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8), "dots are no entries");
    }

    private void DemandScope() => Demand(InScope, "reading needs a scope");

    private void BeginOwn()
    {
        Demand(!InScope, "members with scopes of their own are called outside any");
        if (ChangeFailure is not null)
        {
            throw ChangeFailure;
        }

        _gate.EnterWriteLock();
        Operations++;
    }
}

/// <summary>The floor under test broke a rule of ICatalog.</summary>
internal sealed class FakeCatalogMisuseException(string rule) : Exception(rule);
