// Promise: one pass over the catalog: root, nodes, items, extents, counters. What is read is believed only as far as it has
// been checked; the pass ends whatever the tree looks like, and changes nothing: repairs are noted for when it has ended.
// Memory: the map of blocks (one bit each), 64 bytes for each leaf, and what the visitor keeps.
// Cost: one read of every node in every copy; leaves a second time for names.
using IntegrityFs.Format;
using IntegrityFs.Volume;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Catalog;

/// <summary>Checks the catalog of a volume, and through it the volume.</summary>
/// <param name="volume">Open; changed by repairs only.</param>
/// <param name="newSeed">Random: where the seed of the hashes of names is lost.</param>
/// <param name="logger">Where the store's messages go.</param>
public sealed class CatalogCheck(ProtectedVolume volume, ulong newSeed, ILogger? logger)
{
    private CatalogStore? _store;
    private NodeWalk? _walk;
    private CatalogRoot _root;

    /// <summary>Inodes that the last pass found.</summary>
    public long Inodes { get; private set; }

    /// <summary>True where the last pass could go through everything, so that names can be judged.</summary>
    public bool IsWhole { get; private set; }

    /// <summary>Blocks verified so far.</summary>
    public long BlocksVerified => volume.Status().BlocksVerified;

    /// <summary>The catalog, for repairs and for what a mount finishes; only where <see cref="IsWhole"/>.</summary>
    public CatalogStore Store => _store ??= new CatalogStore(volume, logger, ulong.MaxValue);

    /// <summary>What the volume itself can be asked: both superblocks, every copy of the tag tree.</summary>
    public void CheckVolume(CheckPass pass)
    {
        if (!volume.IsReadOnly)
        {
            volume.CheckSuperblocks(pass);
        }

        volume.CheckTagTree(pass);
    }

    /// <summary>Brings home what repairs have changed, so that the tag tree on the device says so.</summary>
    public void Settle()
    {
        if (!volume.IsReadOnly)
        {
            volume.Commit();
            volume.Checkpoint();
        }
    }

    /// <summary>The state block, the tree, its items, and allocation.</summary>
    public void Run(CheckPass pass, ICatalogVisitor visitor)
    {
        var used = new BlockMap(volume.TotalBlocks);
        var repairs = new CatalogRepairs(volume, newSeed, () => _store = null);
        volume.CheckState(pass);
        _walk = new NodeWalk(volume, repairs, used, pass);
        repairs.Walk = _walk;
        Inodes = 0;
        IsWhole = false;
        using (volume.EnterRead())
        {
            if (TryReadRoot(pass, repairs))
            {
                volume.AddReserved(used);
                _walk.Run(_root);
                CheckItems(pass, repairs, used, visitor);
            }
        }

        new AllocationCheck(volume, used, IsWhole).Run(pass);
    }

    /// <summary>Gives every name of every directory that reads, in the order of the directories.</summary>
    public void VisitNames(CheckPass pass, INameVisitor visitor)
    {
        long leaves = 0;
        using ReadScope scope = volume.EnterRead();
        foreach (CheckedLeaf leaf in _walk!.Leaves)
        {
            using BlockLease lease = Lease(leaf.Address);
            CatalogNodeView view = CatalogNodeView.Open(lease.Span, 0);
            for (int i = 0; i < view.Count; i++)
            {
                CatalogKey key = view.Key(i);
                if (key.Kind == ItemKind.Dentry && TryDecode(view.Value(i), out ReadOnlySpan<byte> name, out Dentry entry))
                {
                    visitor.Name(new InodeNumber(key.Inode), name, entry);
                }
            }

            if ((++leaves & 255) == 0)
            {
                pass.Progress("names", leaves);
            }
        }
    }

    /// <summary>Verifies the content of every file, block by block.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="pathOf">A path of an inode, for messages; called outside every scope.</param>
    public void CheckContent(CheckPass pass, Func<InodeNumber, string?> pathOf) =>
        new ContentCheck(volume, Store, pathOf).Run(pass);

    /// <summary>Finishes what a mount would: the truncation that was under way. True where there was one.</summary>
    public bool Resume()
    {
        using (volume.EnterRead())
        {
            if (PendingTruncation.Read(volume.ReadRoot()).Inode == InodeNumber.None)
            {
                return false;
            }
        }

        Store.FinishTruncation();
        return true;
    }

    private BlockLease Lease(CatalogNodeAddress address)
    {
        try
        {
            return volume.Read(address.Block, BlockPurpose.CatalogNode);
        }
        catch (IntegrityException) when (address.HasMirror)
        {
            return volume.Read(address.Mirror, BlockPurpose.CatalogNode);
        }
    }

    private static bool TryDecode(ReadOnlySpan<byte> value, out ReadOnlySpan<byte> name, out Dentry entry)
    {
        try
        {
            entry = DentryItems.Decode(value, out name);
            return true;
        }
        catch (CorruptFormatException)
        {
            name = default;
            entry = default;
            return false;
        }
    }

    private bool TryReadRoot(CheckPass pass, CatalogRepairs repairs)
    {
        try
        {
            _root = CatalogRoot.Read(volume.ReadRoot(), volume.TotalBlocks);
            return true;
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException)
        {
            _walk!.Damage(ProblemCode.RootImpossible, e.Message, VolumeStateBlock.BlockNumber, incomplete: true);
            return false;
        }
    }

    private void CheckItems(CheckPass pass, CatalogRepairs repairs, BlockMap used, ICatalogVisitor visitor)
    {
        NodeWalk walk = _walk!;
        PendingTruncation note = ReadNote(pass, repairs);
        var hash = new NameHash(_root.HashSeed);
        var items = new ItemCheck(volume, hash, note, repairs, used, pass, visitor);
        long leaves = 0;
        foreach (CheckedLeaf leaf in walk.Leaves)
        {
            if ((++leaves & 255) == 0)
            {
                pass.Progress("items", leaves);
            }

            if (walk.TryLease(leaf.Address, isLeaf: true, out BlockLease lease))
            {
                using (lease)
                {
                    CheckLeaf(walk, leaf, lease.Span, items);
                }
            }
        }

        items.Finish();
        Inodes = items.Inodes;
        IsWhole = !walk.IsDamaged && !pass.HasFound(RepairStage.Tree);
        if (IsWhole)
        {
            CheckCounters(pass, repairs, items);
        }
    }

    private void CheckLeaf(NodeWalk walk, in CheckedLeaf leaf, ReadOnlySpan<byte> block, ItemCheck items)
    {
        long number = leaf.Address.Block.Value;
        CatalogNodeView view;
        try
        {
            view = CatalogNodeView.Open(block, 0);
            view.Verify();
        }
        catch (CorruptFormatException e)
        {
            walk.Damage(ProblemCode.NodeMalformed, $"catalog leaf {number}: {e.Message}", number, incomplete: false);
            return;
        }

        if (view.Count == 0 && walk.Leaves.Count > 1)
        {
            walk.Damage(ProblemCode.NodeMalformed, $"catalog leaf {number} is empty", number, incomplete: false);
            return;
        }

        if (view.Count > 0 && (view.Key(0) < leaf.Low || view.Key(view.Count - 1) >= leaf.High))
        {
            walk.Damage(ProblemCode.NodeOrder, $"catalog leaf {number}: keys outside its bounds", number, incomplete: false);
            return;
        }

        for (int i = 0; i < view.Count; i++)
        {
            items.Next(view.Key(i), view.Value(i));
        }
    }

    private PendingTruncation ReadNote(CheckPass pass, CatalogRepairs repairs)
    {
        try
        {
            return PendingTruncation.Read(volume.ReadRoot());
        }
        catch (CorruptFormatException e)
        {
            pass.Add(RepairStage.Items, new Problem(ProblemCode.TruncationNoteBad, e.Message), repairs.ClearNote);
            return default;
        }
    }

    private void CheckCounters(CheckPass pass, CatalogRepairs repairs, ItemCheck items)
    {
        NodeWalk walk = _walk!;
        ulong leaves = (ulong)walk.Leaves.Count;
        ulong interiors = (ulong)walk.Interiors;
        if (_root.Leaves != leaves || _root.Interiors != interiors)
        {
            pass.Add(
                RepairStage.Counters,
                new Problem(ProblemCode.NodeCountWrong, $"the catalog counts {_root.Leaves} leaves and {_root.Interiors} other nodes, but has {leaves} and {interiors}"),
                repairs.ChangeRoot((ref CatalogRoot root) =>
                {
                    root.Leaves = leaves;
                    root.Interiors = interiors;
                }));
        }

        ulong inodes = (ulong)items.Inodes;
        if (_root.Inodes != inodes)
        {
            pass.Add(
                RepairStage.Counters,
                new Problem(ProblemCode.InodeCountWrong, $"the catalog counts {_root.Inodes} inodes, but has {inodes}"),
                repairs.ChangeRoot((ref CatalogRoot root) => root.Inodes = inodes));
        }

        ulong highest = items.HighestInode;
        if (_root.NextInode <= highest || _root.NextInode >= ulong.MaxValue >> 2)
        {
            pass.Add(
                RepairStage.Space,
                new Problem(ProblemCode.NextInodeTooLow, $"the next inode number is {_root.NextInode}, but {highest} is in use"),
                repairs.ChangeRoot((ref CatalogRoot root) => root.NextInode = highest + 1));
        }

        if (items.NoteIsMissing)
        {
            pass.Add(RepairStage.Items, new Problem(ProblemCode.TruncationNoteBad, "an unfinished truncation is noted for an inode that is no file"), repairs.ClearNote);
        }
    }
}
