// Begins the operations that change content, sized to what they will do: a budget is reserved before the operation
// starts, and the steps inside spend from it and stop where it ends. So no operation outgrows the journal, and the end of
// the space is met before anything is changed.
//
// File data leaves the tree's reserve of blocks alone, so that what needs a node and no data (writing preallocated blocks,
// punching a hole, names) still works where files have filled the volume.

using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Content;

/// <summary>What one operation may still do.</summary>
internal struct ContentBudget
{
    /// <summary>Changes of the tree.</summary>
    public int Changes;

    /// <summary>How many of them may insert.</summary>
    public int Insertions;

    /// <summary>Blocks that may be written, allocated or counted for freeing.</summary>
    public int Blocks;

    /// <summary>Data blocks that may be allocated.</summary>
    public int Allocations;

    /// <summary>Spends changes, or refuses.</summary>
    public bool TryTake(int changes, int insertions)
    {
        if (Changes < changes || Insertions < insertions)
        {
            return false;
        }

        Changes -= changes;
        Insertions -= insertions;
        return true;
    }
}

/// <summary>Sizes and begins operations on content.</summary>
internal sealed class ContentOperations(IVolume volume, ICatalogTree tree, IContentInodes inodes)
{
    /// <summary>A group of the volume is never smaller, except the last: bounds the bitmap blocks of freeing.</summary>
    private const int LeastGroupBlocks = 4096;

    private const int MostSegments = 4;
    private const int SegmentChanges = ExtentMap.CutChanges + ExtentMap.InsertChanges;
    private const int SegmentInsertions = 2;

    /// <summary>Changes that every operation on content makes: the inode, and what goes with it.</summary>
    public int BaseChanges(in ContentChange change) => 1 + (change.RemoveCapability ? inodes.CapabilityChanges : 0);

    /// <summary>Most bitmap blocks that change when a run is freed.</summary>
    public static int FreeCharge(long blocks) => checked((int)(2 + (blocks / LeastGroupBlocks)));

    /// <summary>Most blocks that can be freed as one run within <paramref name="charge"/>.</summary>
    public static long FreeableWithin(int charge) => charge < 2 ? 0 : ((charge - 1L) * LeastGroupBlocks) - 1;

    /// <summary>True where the volume has room for so much more file data, apart from the reserve.</summary>
    public bool HasRoomFor(long blocks) => volume.FreeBlocks - tree.Reserve >= blocks;

    /// <summary>Begins an operation that spends <paramref name="budget"/> and no more.</summary>
    public Errno Begin(int baseChanges, in ContentBudget budget, out IVolumeOperation operation)
    {
        TreeCost cost = tree.CostOf(baseChanges + budget.Changes, budget.Insertions);

        // Where the journal is smaller than the bound, the least step is taken all the same: the bound counts every node
        // apart, and changes of one inode share most of them.
        int blocks = Math.Min(cost.Blocks + budget.Blocks, volume.MaxOperationBlocks);
        return volume.Begin(blocks, cost.Allocations + budget.Allocations, out operation);
    }

    /// <summary>Begins an operation that fills up to <paramref name="wanted"/> blocks with data or preallocation; fewer
    /// where the journal or the free space has no room. With a budget too small for the first step there is no space.</summary>
    public Errno BeginFill(int wanted, int baseChanges, out ContentBudget budget, out IVolumeOperation operation)
    {
        int segments = MostSegments;
        while (segments > 1 && Headroom(baseChanges, segments) < wanted)
        {
            segments >>= 1;
        }

        int blocks = Math.Min(wanted, Headroom(baseChanges, segments));
        budget = Fill(segments, SegmentInsertions * segments, blocks, blocks);
        if (Spare(baseChanges, budget) >= blocks)
        {
            Errno error = Begin(baseChanges, budget, out operation);
            if (error != Errno.ENOSPC)
            {
                return error;
            }
        }

        return BeginScarce(blocks, baseChanges, out budget, out operation);
    }

    /// <summary>Begins an operation that only takes away or clears: up to <paramref name="pieces"/> extents.
    /// <paramref name="insertions"/> is dropped where there is no space for it.</summary>
    public Errno BeginFree(
        int pieces, int insertions, int baseChanges, out ContentBudget budget, out IVolumeOperation operation)
    {
        const int EdgeBlocks = 2;

        // A piece of up to a group counts no more than two bitmaps; one more for a longer one.
        const int PieceBlocks = 3;
        while (pieces > 1 && BlocksToFree(pieces) > volume.MaxOperationBlocks)
        {
            pieces /= 2;
        }

        while (true)
        {
            budget = new ContentBudget
            {
                Changes = pieces + (insertions * ExtentMap.CutChanges),
                Insertions = insertions,
                Blocks = EdgeBlocks + (pieces * PieceBlocks),
            };
            Errno error = Begin(baseChanges, budget, out operation);
            if (error != Errno.ENOSPC || insertions == 0)
            {
                return error;
            }

            insertions = 0;
        }

        int BlocksToFree(int count) => EdgeBlocks + (count * PieceBlocks)
            + tree.CostOf(baseChanges + count + (insertions * ExtentMap.CutChanges), insertions).Blocks;
    }

    /// <summary>What every change of content does to the inode.</summary>
    public void Finish(
        IVolumeOperation operation, InodeNumber inode, ref InodeRecord record, in ContentChange change)
    {
        record.Mtime = change.Time;
        record.Ctime = change.Time;
        record.Mode &= ~change.ClearMode;
        inodes.Replace(operation, inode, record);
        if (change.RemoveCapability)
        {
            inodes.RemoveCapability(operation, inode);
        }

        operation.Complete();
    }

    private static ContentBudget Fill(int segments, int insertions, int blocks, int allocations) => new()
    {
        Changes = segments * SegmentChanges,
        Insertions = insertions,
        Blocks = blocks,
        Allocations = allocations,
    };

    /// <summary>Blocks of content that fit one operation. The tree's bound is for the worst tree; where the journal is
    /// smaller than that, changes share nodes far below it, and a third of the operation is left to content.</summary>
    private int Headroom(int baseChanges, int segments)
    {
        TreeCost cost = tree.CostOf(baseChanges + (segments * SegmentChanges), segments * SegmentInsertions);
        return Math.Max(volume.MaxOperationBlocks - cost.Blocks, Math.Max(volume.MaxOperationBlocks / 3, 3));
    }

    private long Spare(int baseChanges, in ContentBudget budget) => volume.FreeBlocks - tree.Reserve
        - tree.CostOf(baseChanges + budget.Changes, budget.Insertions).Allocations;

    /// <summary>Near the end of the space: as much data as fits; else no new data, but changes of extents; else neither.</summary>
    private Errno BeginScarce(int blocks, int baseChanges, out ContentBudget budget, out IVolumeOperation operation)
    {
        budget = Fill(1, SegmentInsertions, blocks, 0);
        budget.Allocations = (int)Math.Clamp(Spare(baseChanges, budget), 0, blocks);
        while (true)
        {
            Errno error = Begin(baseChanges, budget, out operation);
            if (error != Errno.ENOSPC || budget.Insertions == 0)
            {
                return error;
            }

            if (budget.Allocations == 0)
            {
                budget.Insertions = 0;
            }

            budget.Allocations /= 2;
        }
    }
}
