// Writing content. One operation holds the data, the extents and the inode (size, times, mode, blocks), so a crash shows
// all of it or nothing; a write that does not fit one operation splits at a block.
//
// Whole blocks are written without being read, so they heal what is damaged. A block that is written in part is read
// first; where that fails the operation vanishes and nothing has changed. Of a block behind which the file ends nothing is
// read where the write begins at its start. Overwriting inside an extent changes the inode and the data, no other item;
// appending behind an extent makes it longer.
//
// A file of up to InlineLayout.MaxLength bytes without extents is an inline item; the first write behind that moves it
// into a block, in an operation of its own that changes nothing that can be seen.

using System.Runtime.CompilerServices;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Content;

/// <summary>Writes content; enters its own scopes.</summary>
internal sealed class ContentWriter(
    IVolume volume,
    ICatalogTree tree,
    IContentInodes inodes,
    ExtentMap map,
    ContentOperations operations,
    ContentReader reader,
    ContentTruncation truncation)
{
    private readonly int _inlineLimit = Math.Min(InlineLayout.MaxLength, tree.MaxValueLength);

    /// <summary>Where the last allocation ended: files without an extent begin there. Belongs to the exclusive scope.</summary>
    private BlockNumber _cursor;

    private enum Outcome
    {
        Done,
        NoSpace,
        InlineInTheWay,
        TruncationPending,
        NoInode,
    }

    /// <summary>Writes; <paramref name="written"/> is less than all only with an error.</summary>
    public Errno Write(
        InodeNumber inode, long offset, ReadOnlySpan<byte> data, in ContentChange change, out int written)
    {
        written = 0;
        if (offset < 0)
        {
            return Errno.EINVAL;
        }

        if (offset > FileContent.MaxFileSize - data.Length)
        {
            return Errno.EFBIG;
        }

        ContentChange next = change;
        while (written < data.Length)
        {
            Errno error;
            int done;
            try
            {
                error = WriteOnce(inode, offset + written, data[written..], next, out done);
            }
            catch (IntegrityException) when (written > 0)
            {
                // What came before the damaged block is written; the next call meets it first and throws.
                return Errno.EIO;
            }

            if (error != Errno.OK)
            {
                return error;
            }

            written += done;
            next = done > 0 ? next with { RemoveCapability = false } : next;
        }

        return Errno.OK;
    }

    /// <summary>Moves inline content into a block, where there is any.</summary>
    [SkipLocalsInit]
    public Errno MoveInline(InodeNumber inode)
    {
        const int Base = 1 + 1;
        Errno error = operations.BeginFill(1, Base, out ContentBudget budget, out IVolumeOperation operation);
        if (error != Errno.OK)
        {
            return error;
        }

        using (operation)
        {
            Span<byte> value = stackalloc byte[tree.MaxValueLength];
            if (!inodes.TryGet(inode, out InodeRecord record) || record.Blocks != 0)
            {
                return Errno.OK;
            }

            int length = reader.GetInline(inode, value);
            if (length == 0)
            {
                return Errno.OK;
            }

            if (budget.Allocations == 0 || !budget.TryTake(ExtentMap.InsertChanges, 1))
            {
                return Errno.ENOSPC;
            }

            BlockRun run = Allocate(operation, 1, default);
            value[..length].CopyTo(operation.Create(run.First, BlockPurpose.Data));
            tree.Remove(operation, ContentReader.InlineKey(inode));
            map.Insert(operation, inode, new FileExtent(0, run.First, 1, false));
            record.Blocks = 1;
            inodes.Replace(operation, inode, record);
            operation.Complete();
            return Errno.OK;
        }
    }

    /// <summary>Allocates behind the extent <paramref name="before"/>, or where the last allocation ended.</summary>
    public BlockRun Allocate(IVolumeOperation operation, int count, in FileExtent before)
    {
        BlockNumber goal = before.Exists ? before.StartEnd : _cursor;
        BlockRun run = operation.Allocate(count, goal.Value < volume.TotalBlocks ? goal : default);
        _cursor = run.End;
        return run;
    }

    private Errno WriteOnce(
        InodeNumber inode, long offset, ReadOnlySpan<byte> data, in ContentChange change, out int done)
    {
        done = 0;
        long blockSize = volume.BlockSize;
        int wanted = (int)(((offset + data.Length - 1) / blockSize) - (offset / blockSize) + 1);

        // One change more than the inode's: the inline item.
        int baseChanges = operations.BaseChanges(change) + 1;
        Errno error = operations.BeginFill(wanted, baseChanges, out ContentBudget budget, out IVolumeOperation operation);
        if (error != Errno.OK)
        {
            return error;
        }

        Outcome outcome;
        using (operation)
        {
            outcome = WriteInside(operation, inode, offset, data, change, ref budget, out done);
        }

        return outcome switch
        {
            Outcome.Done => Errno.OK,
            Outcome.InlineInTheWay => MoveInline(inode),
            Outcome.TruncationPending => truncation.FinishPending(),
            Outcome.NoInode => Errno.ENOENT,
            _ => Errno.ENOSPC,
        };
    }

    private Outcome WriteInside(
        IVolumeOperation operation,
        InodeNumber inode,
        long offset,
        ReadOnlySpan<byte> data,
        in ContentChange change,
        ref ContentBudget budget,
        out int done)
    {
        done = 0;
        if (truncation.IsPending(inode))
        {
            return Outcome.TruncationPending;
        }

        if (!inodes.TryGet(inode, out InodeRecord record))
        {
            return Outcome.NoInode;
        }

        int blockSize = volume.BlockSize;
        long end = Math.Min(offset + data.Length, ((offset / blockSize) + budget.Blocks) * blockSize);
        Outcome outcome = record.Blocks == 0
            ? WriteSmall(operation, inode, ref record, offset, data, end, ref budget, out done)
            : WriteBlocks(operation, inode, ref record, offset, data, end, ref budget, out done);
        if (outcome == Outcome.Done)
        {
            record.Size = Math.Max(record.Size, offset + done);
            operations.Finish(operation, inode, ref record, change);
        }

        return outcome;
    }

    /// <summary>The file has no extents: its content is inline, or there is none.</summary>
    [SkipLocalsInit]
    private Outcome WriteSmall(
        IVolumeOperation operation,
        InodeNumber inode,
        ref InodeRecord record,
        long offset,
        ReadOnlySpan<byte> data,
        long end,
        ref ContentBudget budget,
        out int done)
    {
        Span<byte> value = stackalloc byte[tree.MaxValueLength];
        int length = reader.GetInline(inode, value);
        done = 0;
        if (offset + data.Length > _inlineLimit)
        {
            if (length > 0 && (offset > 0 || data.Length < length))
            {
                return Outcome.InlineInTheWay;
            }

            Outcome outcome = WriteBlocks(operation, inode, ref record, offset, data, end, ref budget, out done);
            if (outcome == Outcome.Done && length > 0)
            {
                tree.Remove(operation, ContentReader.InlineKey(inode));
            }

            return outcome;
        }

        int start = (int)offset;
        int newLength = Math.Max(length, start + data.Length);
        if (newLength > length && budget.Insertions == 0)
        {
            return Outcome.NoSpace;
        }

        if (start > length)
        {
            value[length..start].Clear();
        }

        data.CopyTo(value[start..]);
        tree.Put(operation, ContentReader.InlineKey(inode), value[..newLength]);
        done = data.Length;
        return Outcome.Done;
    }

    /// <summary>Writes [offset, end) as far as the budget goes; at least one piece, or there is no space.</summary>
    private Outcome WriteBlocks(
        IVolumeOperation operation,
        InodeNumber inode,
        ref InodeRecord record,
        long offset,
        ReadOnlySpan<byte> data,
        long end,
        ref ContentBudget budget,
        out int done)
    {
        int blockSize = volume.BlockSize;
        long endBlock = ((end - 1) / blockSize) + 1;
        long position = offset;
        while (position < end)
        {
            Segment segment = map.SegmentAt(inode, position / blockSize, endBlock);
            FileExtent target;
            if (segment.Kind == SegmentKind.Hole)
            {
                if (budget.Allocations == 0 || !budget.TryTake(ExtentMap.InsertChanges, 1))
                {
                    break;
                }

                target = Extend(operation, inode, segment, ref budget);
                record.Blocks += target.Length;
            }
            else if (segment.Kind == SegmentKind.Unwritten)
            {
                if (!budget.TryTake(ExtentMap.CutChanges + ExtentMap.InsertChanges, 2))
                {
                    break;
                }

                target = segment.Extent.Slice(segment.First, segment.End);
                map.Cut(operation, inode, segment.Extent, segment.First, segment.End);
                map.Insert(operation, inode, target with { Unwritten = false });
            }
            else
            {
                target = segment.Extent.Slice(segment.First, segment.End);
            }

            long to = Math.Min(end, target.End * blockSize);
            ReadOnlySpan<byte> piece = data.Slice((int)(position - offset), (int)(to - position));
            WritePiece(operation, segment.Kind, target, position, piece, record.Size);
            position = to;
        }

        done = (int)(position - offset);
        return done > 0 ? Outcome.Done : Outcome.NoSpace;
    }

    private FileExtent Extend(
        IVolumeOperation operation, InodeNumber inode, in Segment hole, ref ContentBudget budget)
    {
        int count = (int)Math.Min(hole.End - hole.First, budget.Allocations);
        BlockRun run = Allocate(operation, count, hole.Extent);
        budget.Allocations -= run.Count;
        var extent = new FileExtent(hole.First, run.First, run.Count, false);
        map.Insert(operation, inode, extent, hole.Extent, hole.After);
        return extent;
    }

    /// <summary>Writes bytes into blocks of one extent that all were of the same kind until now.</summary>
    private void WritePiece(
        IVolumeOperation operation,
        SegmentKind was,
        in FileExtent target,
        long position,
        ReadOnlySpan<byte> data,
        long oldSize)
    {
        int blockSize = volume.BlockSize;
        if (position % blockSize != 0)
        {
            int head = (int)Math.Min(blockSize - (position % blockSize), data.Length);
            WritePart(operation, was, target, position, data[..head], oldSize);
            position += head;
            data = data[head..];
        }

        int whole = data.Length / blockSize;
        if (whole != 0)
        {
            long first = position / blockSize;
            operation.WriteData(
                target.Run(first, first + whole), data[..(whole * blockSize)], fresh: was == SegmentKind.Hole);
            position += (long)whole * blockSize;
            data = data[(whole * blockSize)..];
        }

        if (!data.IsEmpty)
        {
            WritePart(operation, was, target, position, data, oldSize);
        }
    }

    private void WritePart(
        IVolumeOperation operation,
        SegmentKind was,
        in FileExtent target,
        long position,
        ReadOnlySpan<byte> data,
        long oldSize)
    {
        int inBlock = (int)(position % volume.BlockSize);
        BlockNumber block = target.Start + ((position / volume.BlockSize) - target.FileBlock);
        bool nothingToKeep = was != SegmentKind.Written || (inBlock == 0 && position + data.Length >= oldSize);
        Span<byte> content = nothingToKeep
            ? operation.Create(block, BlockPurpose.Data)
            : operation.Modify(block, BlockPurpose.Data);
        data.CopyTo(content[inBlock..]);
    }
}
