// Promise: each repair is made of whole operations of the volume, each of which leaves a state that a check can go on from;
// so a crash in a repair is a crash. A repair that cannot be made (no space, something more is wrong) changes nothing and
// says so. Repairs are prepared while a pass runs and made when it has ended: each looks again at what it changes.
using IntegrityFs.Catalog.Content;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

internal delegate void RecordChange(ref InodeRecord record);

internal delegate void RootChange(ref CatalogRoot root);

/// <summary>Prepares the repairs of one pass.</summary>
internal sealed class CatalogRepairs(ProtectedVolume volume, ulong newSeed, Action changed)
{
    private const int ItemsAtOnce = 4;
    private CatalogTree? _tree;
    private bool? _rebuilt;

    /// <summary>What the pass has seen of the tree.</summary>
    public NodeWalk? Walk { get; set; }

    private CatalogTree Tree => _tree ??= new CatalogTree(volume);

    /// <summary>Builds the tree anew from its leaves, once for all that ask.</summary>
    public bool RebuildOnce()
    {
        if (_rebuilt is null)
        {
            _rebuilt = Guard(() => new TreeRebuild(volume, newSeed).Run(Walk!.IsIncomplete ? null : Walk.Leaves));
            _tree = null;
            changed();
        }

        return _rebuilt.Value;
    }

    /// <summary>Writes the good copy of a node over the bad one.</summary>
    public Func<bool> CopyNode(BlockNumber good, BlockNumber bad) => () => Run(1, 0, operation =>
    {
        using BlockLease lease = volume.Read(good, BlockPurpose.CatalogNode);
        lease.Span.CopyTo(operation.Create(bad, BlockPurpose.CatalogNode));
        return true;
    });

    public Func<bool> Drop(CatalogKey key) => () => Run(1, 0, operation => Tree.Remove(operation, key));

    /// <summary>Drops all items of a range of keys.</summary>
    public Func<bool> DropRange(CatalogKey from, CatalogKey to) => () =>
    {
        int dropped;
        do
        {
            dropped = 0;
            if (!Run(ItemsAtOnce, 0, operation => DropSome(operation, from, to, ref dropped)))
            {
                return false;
            }
        }
        while (dropped == ItemsAtOnce);
        return true;
    };

    /// <summary>Drops an inode with all its items, the inode itself last.</summary>
    public Func<bool> DropInode(InodeNumber inode) => () =>
        DropRange(new CatalogKey(inode.Value, ItemKind.Symlink, 0), new CatalogKey(inode.Value, (ItemKind)byte.MaxValue, ulong.MaxValue))()
        && Run(1, 0, operation => new InodeItems(Tree).Remove(operation, inode));

    public Func<bool> Put(CatalogKey key, byte[] value) => () => Run(1, 0, operation =>
    {
        Tree.Put(operation, key, value);
        return true;
    });

    /// <summary>Shortens a value.</summary>
    public Func<bool> CutValue(CatalogKey key, int length) => () => Run(1, 0, operation =>
    {
        byte[] value = new byte[Tree.MaxValueLength];
        if (!Tree.TryGet(key, value, out int found) || found < length)
        {
            return false;
        }

        Tree.Put(operation, key, value.AsSpan(0, length));
        return true;
    });

    /// <summary>Changes an inode.</summary>
    public Func<bool> Change(InodeNumber inode, RecordChange change) => () => Run(1, 0, operation =>
    {
        var inodes = new InodeItems(Tree);
        if (!inodes.TryGet(inode, out InodeRecord record))
        {
            return false;
        }

        change(ref record);
        inodes.Put(operation, inode, record);
        return true;
    });

    /// <summary>Changes the catalog's counters.</summary>
    public Func<bool> ChangeRoot(RootChange change) => () => Run(1, 0, operation =>
    {
        CatalogRoot root = Tree.ReadRoot();
        change(ref root);
        root.Write(operation.Root);
        changed();
        return true;
    });

    public bool ClearNote() => Run(1, 0, operation =>
    {
        default(PendingTruncation).Write(operation.Root);
        return true;
    });

    /// <summary>Puts an entry where its name belongs; where the name is there already, the entry goes.</summary>
    public Func<bool> MoveDentry(NameHash hash, CatalogKey key, byte[] name, Dentry entry) => () => Run(2, 1, operation =>
    {
        Tree.Remove(operation, key);
        Errno error = new DentryItems(Tree, hash).Add(operation, new InodeNumber(key.Inode), name, entry);
        return error is Errno.OK or Errno.EEXIST;
    });

    /// <summary>Keeps what lies within the volume and the largest file, and drops the rest.</summary>
    public Func<bool> CutExtent(CatalogKey key) => () => Run(1, 0, operation =>
    {
        byte[] value = new byte[Tree.MaxValueLength];
        if (!Tree.TryGet(key, value, out int length))
        {
            return false;
        }

        if (length == ExtentLayout.Size && Within(key, value) is { } item)
        {
            item.Write(value.AsSpan(0, ExtentLayout.Size));
            Tree.Put(operation, key, value.AsSpan(0, ExtentLayout.Size));
            return true;
        }

        return Tree.Remove(operation, key);
    });

    /// <summary>Makes an extent begin later, where the one before it ends.</summary>
    public Func<bool> ShiftExtent(CatalogKey key, long first) => () => Run(2, 1, operation =>
    {
        byte[] value = new byte[Tree.MaxValueLength];
        if (!Tree.TryGet(key, value, out int length))
        {
            return false;
        }

        ExtentItem item = ExtentItem.Read(value.AsSpan(0, length), volume.TotalBlocks);
        long delta = first - (long)key.Offset;
        Tree.Remove(operation, key);
        var moved = key with { Offset = (ulong)first };
        if (delta < item.Length && !Tree.TryGet(moved, value, out _))
        {
            new ExtentItem(item.Start + delta, item.Length - (int)delta, item.Unwritten).Write(value.AsSpan(0, ExtentLayout.Size));
            Tree.Put(operation, moved, value.AsSpan(0, ExtentLayout.Size));
        }

        return true;
    });

    /// <summary>Takes blocks [from, end) of a file out of the extents that have them; the blocks themselves are left to
    /// whoever else claims them.</summary>
    public Func<bool> CutBlocks(InodeNumber inode, long from, long end) => () => EachExtent(inode, from, end, (operation, map, extent, first, last) =>
    {
        map.Cut(operation, inode, extent, first, last);
        var inodes = new InodeItems(Tree);
        if (inodes.TryGet(inode, out InodeRecord record))
        {
            record.Blocks = Math.Max(0, record.Blocks - (last - first));
            inodes.Put(operation, inode, record);
        }
    });

    /// <summary>Makes blocks [from, end) of a file unwritten: they read as zeros.</summary>
    public Func<bool> Unwrite(InodeNumber inode, long from, long end) => () => EachExtent(inode, from, end, (operation, map, extent, first, last) =>
    {
        if (!extent.Unwritten)
        {
            map.Cut(operation, inode, extent, first, last);
            map.Insert(operation, inode, extent.Slice(first, last) with { Unwritten = true });
        }
    });

    /// <summary>One operation; false, and nothing changed, where it cannot be made.</summary>
    public bool Run(int changes, int insertions, Func<IVolumeOperation, bool> body) => Guard(() =>
    {
        TreeCost cost = Tree.CostOf(changes, insertions);
        int blocks = Math.Min(Math.Max(cost.Blocks, 1), volume.MaxOperationBlocks);
        if (volume.Begin(blocks, Math.Min(cost.Allocations, blocks), out IVolumeOperation operation) != Errno.OK)
        {
            return false;
        }

        using (operation)
        {
            bool done = body(operation);
            if (done)
            {
                operation.Complete();
            }

            return done;
        }
    });

    private static bool Guard(Func<bool> step)
    {
        try
        {
            return step();
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException)
        {
            return false;
        }
    }

    private bool DropSome(IVolumeOperation operation, in CatalogKey from, in CatalogKey to, ref int dropped)
    {
        byte[] value = new byte[Tree.MaxValueLength];
        while (dropped < ItemsAtOnce && Tree.TryCeiling(from, out CatalogKey found, value, out _) && found <= to)
        {
            if (!Tree.Remove(operation, found))
            {
                return false;
            }

            dropped++;
        }

        return true;
    }

    private ExtentItem? Within(in CatalogKey key, ReadOnlySpan<byte> value)
    {
        ulong start = System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(value);
        uint length = System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(value[ExtentLayout.LengthOffset..]);
        long mostBlocks = FileContent.MaxFileSize / volume.BlockSize;
        if (start is 0 || start >= (ulong)volume.TotalBlocks || length == 0 || key.Offset >= (ulong)mostBlocks)
        {
            return null;
        }

        long kept = Math.Min(Math.Min(length, ExtentLayout.MaxLength), Math.Min(volume.TotalBlocks - (long)start, mostBlocks - (long)key.Offset));
        return new ExtentItem(new BlockNumber((long)start), (int)kept, (value[ExtentLayout.FlagsOffset] & ExtentLayout.Unwritten) != 0);
    }

    private bool EachExtent(InodeNumber inode, long from, long end, ExtentChange change)
    {
        long at = from;
        while (at < end)
        {
            long next = end;
            long position = at;
            bool done = Run(5, 2, operation =>
            {
                var map = new ExtentMap(volume, Tree);
                bool found = (map.TryBefore(inode, position, out FileExtent extent) && extent.End > position) || map.TryFrom(inode, position, out extent);
                if (found && extent.FileBlock < end)
                {
                    long first = Math.Max(position, extent.FileBlock);
                    next = Math.Min(end, extent.End);
                    change(operation, map, extent, first, next);
                }

                return true;
            });
            if (!done)
            {
                return false;
            }

            at = next;
        }

        return true;
    }

    private delegate void ExtentChange(IVolumeOperation operation, ExtentMap map, FileExtent extent, long first, long end);
}
