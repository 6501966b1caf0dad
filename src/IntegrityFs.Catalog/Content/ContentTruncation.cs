// Making files shorter, and destroying them. Neither allocates: both work where no block is free.
//
// The size changes in one operation, together with the zeroes behind it in its last block and, where one operation can
// free all that lies behind, with that. Where it cannot, the same operation notes the inode and what stays in the root
// area, and further operations free from the end of the file until the last of them takes the note away. There is room
// for one note: whoever needs it, or wants to change content of the noted file, or opens the volume, first finishes what
// is noted. So extents behind the noted end are never seen and never joined.
//
// Destroying goes on from the inode's orphan record instead: that goes last, together with the inode.

using System.Runtime.CompilerServices;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Content;

/// <summary>Sets sizes and destroys; enters its own scopes.</summary>
internal sealed class ContentTruncation(
    IVolume volume,
    ICatalogTree tree,
    IContentInodes inodes,
    ExtentMap map,
    ContentOperations operations,
    ContentReader reader)
{
    /// <summary>Extents that the first operation of a truncation can free: most files have no more.</summary>
    private const int FewPieces = 4;

    /// <summary>Extents that each further operation can free.</summary>
    private const int ManyPieces = 128;

    /// <summary>Items other than extents that one operation of destroying removes.</summary>
    private readonly int _itemsAtOnce = Math.Clamp(volume.MaxOperationBlocks / 12, 2, 8);

    /// <summary>Inside a scope: true where blocks behind the end of the file are still to be freed. Reads the root area
    /// without touching it: to touch it would put its block into every transaction that writes content.</summary>
    public bool IsPending(InodeNumber inode) => PendingTruncation.Read(volume.ReadRoot()).Inode == inode;

    /// <summary>Sets the size.</summary>
    public Errno Truncate(InodeNumber inode, long size, in ContentChange change)
    {
        if (size < 0)
        {
            return Errno.EINVAL;
        }

        if (size > FileContent.MaxFileSize)
        {
            return Errno.EFBIG;
        }

        while (true)
        {
            // One change more than the inode's: the inline item.
            int baseChanges = operations.BaseChanges(change) + 1;
            Errno error = operations.BeginFree(
                FewPieces, 0, baseChanges, out ContentBudget budget, out IVolumeOperation operation);
            if (error != Errno.OK)
            {
                return error;
            }

            bool othersFirst;
            bool rest = false;
            using (operation)
            {
                InodeNumber noted = PendingTruncation.Read(volume.ReadRoot()).Inode;
                othersFirst = noted == inode;
                if (!othersFirst)
                {
                    if (!inodes.TryGet(inode, out InodeRecord record))
                    {
                        return Errno.ENOENT;
                    }

                    rest = !Shorten(operation, inode, ref record, size, ref budget, out long keep);
                    othersFirst = rest && noted != InodeNumber.None;
                    if (!othersFirst)
                    {
                        if (rest)
                        {
                            new PendingTruncation(inode, keep).Write(operation.Root);
                        }

                        operations.Finish(operation, inode, ref record, change);
                    }
                }
            }

            if (!othersFirst)
            {
                return rest ? FinishPending() : Errno.OK;
            }

            error = FinishPending();
            if (error != Errno.OK)
            {
                return error;
            }
        }
    }

    /// <summary>Finishes the truncation that is noted in the root area, where one is.</summary>
    public Errno FinishPending()
    {
        bool finished = false;
        while (!finished)
        {
            Errno error = operations.BeginFree(
                ManyPieces, 0, 1, out ContentBudget budget, out IVolumeOperation operation);
            if (error != Errno.OK)
            {
                return error;
            }

            using (operation)
            {
                PendingTruncation pending = PendingTruncation.Read(volume.ReadRoot());
                if (pending.Inode == InodeNumber.None)
                {
                    return Errno.OK;
                }

                if (!inodes.TryGet(pending.Inode, out InodeRecord record))
                {
                    throw new CorruptFormatException($"unfinished truncation of inode {pending.Inode}, which does not exist");
                }

                finished = FreeFromEnd(operation, pending.Inode, pending.Keep, ref record, ref budget);
                if (finished)
                {
                    default(PendingTruncation).Write(operation.Root);
                }

                inodes.Replace(operation, pending.Inode, record);
                operation.Complete();
            }
        }

        return Errno.OK;
    }

    /// <summary>Frees everything that the inode owns, then the inode.</summary>
    /// <returns>EROFS where the volume takes no changes.</returns>
    public Errno Destroy(InodeNumber inode)
    {
        int pieces = FewPieces;
        while (true)
        {
            int baseChanges = Math.Max(1, inodes.EraseChanges) + _itemsAtOnce;
            Errno error = operations.BeginFree(
                pieces, 0, baseChanges, out ContentBudget budget, out IVolumeOperation operation);
            if (error != Errno.OK)
            {
                return error;
            }

            using (operation)
            {
                if (!inodes.TryGet(inode, out InodeRecord record))
                {
                    return Errno.OK;
                }

                if (IsPending(inode))
                {
                    default(PendingTruncation).Write(operation.Root);
                }

                bool finished = FreeFromEnd(operation, inode, 0, ref record, ref budget) && RemoveItems(operation, inode);
                if (finished)
                {
                    inodes.Erase(operation, inode);
                }
                else
                {
                    inodes.Replace(operation, inode, record);
                }

                operation.Complete();
                if (finished)
                {
                    return Errno.OK;
                }
            }

            pieces = ManyPieces;
        }
    }

    /// <summary>Zeroes what was written behind <paramref name="offset"/> in its block, so that the file may grow over it.</summary>
    public void ClearInBlock(IVolumeOperation operation, InodeNumber inode, long offset, long end)
    {
        long block = offset / volume.BlockSize;
        Segment segment = map.SegmentAt(inode, block, block + 1);
        if (segment.Kind == SegmentKind.Written && offset < end)
        {
            BlockNumber target = segment.Extent.Start + (block - segment.Extent.FileBlock);
            Span<byte> content = operation.Modify(target, BlockPurpose.Data);
            content[(int)(offset % volume.BlockSize)..(int)(((end - 1) % volume.BlockSize) + 1)].Clear();
        }
    }

    /// <summary>Cuts inline content to <paramref name="length"/>, 0 .. its length.</summary>
    [SkipLocalsInit]
    public void ShortenInline(IVolumeOperation operation, InodeNumber inode, long length)
    {
        Span<byte> value = stackalloc byte[tree.MaxValueLength];
        if (reader.GetInline(inode, value) <= length)
        {
            return;
        }

        if (length == 0)
        {
            tree.Remove(operation, ContentReader.InlineKey(inode));
        }
        else
        {
            tree.Put(operation, ContentReader.InlineKey(inode), value[..(int)length]);
        }
    }

    /// <summary>Sets the size in the record and frees what is behind it; false where something is left to free.</summary>
    private bool Shorten(
        IVolumeOperation operation,
        InodeNumber inode,
        ref InodeRecord record,
        long size,
        ref ContentBudget budget,
        out long keep)
    {
        long oldSize = record.Size;
        record.Size = size;
        keep = size == 0 ? 0 : ((size - 1) / volume.BlockSize) + 1;
        if (size > oldSize)
        {
            return true;
        }

        if (record.Blocks == 0)
        {
            ShortenInline(operation, inode, size);
            return true;
        }

        if (size % volume.BlockSize != 0 && size < oldSize)
        {
            budget.Blocks--;
            ClearInBlock(operation, inode, size, keep * volume.BlockSize);
        }

        return FreeFromEnd(operation, inode, keep, ref record, ref budget);
    }

    /// <summary>Frees blocks from the end of the file until <paramref name="keep"/> are left or the budget is spent.</summary>
    private bool FreeFromEnd(
        IVolumeOperation operation, InodeNumber inode, long keep, ref InodeRecord record, ref ContentBudget budget)
    {
        while (map.TryBefore(inode, map.MaxFileBlocks, out FileExtent extent) && extent.End > keep)
        {
            long from = Math.Max(keep, extent.FileBlock);
            from = Math.Max(from, extent.End - ContentOperations.FreeableWithin(budget.Blocks));
            if (from >= extent.End || !budget.TryTake(1, 0))
            {
                return false;
            }

            BlockRun run = extent.Run(from, extent.End);
            map.Cut(operation, inode, extent, from, extent.End);
            operation.Free(run);
            budget.Blocks -= ContentOperations.FreeCharge(run.Count);
            record.Blocks -= run.Count;
        }

        return true;
    }

    /// <summary>Removes items of the inode that are neither the inode nor extents; false where some are left.</summary>
    [SkipLocalsInit]
    private bool RemoveItems(IVolumeOperation operation, InodeNumber inode)
    {
        Span<byte> value = stackalloc byte[tree.MaxValueLength];
        for (int removed = 0; ; removed++)
        {
            var behindInode = new CatalogKey(inode.Value, ItemKind.Symlink, 0);
            if (!tree.TryCeiling(behindInode, out CatalogKey found, value, out _) || found.Inode != inode.Value)
            {
                return true;
            }

            if (removed == _itemsAtOnce)
            {
                return false;
            }

            tree.Remove(operation, found);
        }
    }
}
