// fallocate(2). Ranges of any size are done in operations that each leave a consistent file; the size changes in the
// last one. Reserving asks first whether the volume has room for all of it, so that a request that cannot fit changes
// nothing. Reserved blocks are unwritten: nothing is written to them, and they read as zeroes.
//
// The edges of a punched or zeroed range that share a block with what stays are cleared in the block, before anything else
// and in the first operation; where such a block is damaged nothing has changed. Where the range reaches the end of the
// file, the last block has nothing to stay.

using System.Runtime.CompilerServices;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Content;

/// <summary>Reserves, punches and zeroes; enters its own scopes.</summary>
internal sealed class ContentAllocation(
    IVolume volume,
    ICatalogTree tree,
    IContentInodes inodes,
    ExtentMap map,
    ContentOperations operations,
    ContentReader reader,
    ContentWriter writer,
    ContentTruncation truncation)
{
    /// <summary>Blocks that one operation reserves at most.</summary>
    private const int FillAtOnce = 1024;

    /// <summary>Extents that the first and each further operation of punching take away.</summary>
    private const int FewPieces = 4;

    private const int ManyPieces = 128;

    private enum Outcome
    {
        Done,
        More,
        NoSpace,
        TruncationPending,
        NoInode,
    }

    /// <summary>What is to be done, and how far it is.</summary>
    private struct Request
    {
        public InodeNumber Inode;
        public long Offset;
        public long End;

        /// <summary>Content of the range goes: punching and zeroing.</summary>
        public bool Clears;
        public bool Zero;
        public bool Grow;
        public bool EdgesDone;

        /// <summary>The next block of the file to look at.</summary>
        public long Position;
    }

    /// <summary>fallocate(2).</summary>
    public Errno Allocate(InodeNumber inode, long offset, long length, AllocateMode mode, in ContentChange change)
    {
        if (offset < 0 || length <= 0)
        {
            return Errno.EINVAL;
        }

        if (offset > FileContent.MaxFileSize - length)
        {
            if (mode != AllocateMode.PunchHole)
            {
                return Errno.EFBIG;
            }

            length = FileContent.MaxFileSize - offset;
            if (length <= 0)
            {
                return Errno.OK;
            }
        }

        var request = new Request
        {
            Inode = inode,
            Offset = offset,
            End = offset + length,
            Clears = mode is not AllocateMode.Extend and not AllocateMode.KeepSize,
            Zero = mode is AllocateMode.ZeroRange or AllocateMode.ZeroRangeKeepSize,
            Grow = mode is AllocateMode.Extend or AllocateMode.ZeroRange,
            Position = offset / volume.BlockSize,
        };
        bool punch = mode == AllocateMode.PunchHole;
        Errno error = punch ? Errno.OK : Prepare(request);
        ContentChange next = change;
        int pieces = FewPieces;
        while (error == Errno.OK)
        {
            Outcome outcome;
            error = punch ? PunchOnce(ref request, pieces, next, out outcome) : FillOnce(ref request, next, out outcome);
            if (error != Errno.OK)
            {
                break;
            }

            switch (outcome)
            {
                case Outcome.Done:
                    return Errno.OK;
                case Outcome.More:
                    next = next with { RemoveCapability = false };
                    pieces = ManyPieces;
                    break;
                case Outcome.TruncationPending:
                    error = truncation.FinishPending();
                    break;
                default:
                    error = outcome == Outcome.NoInode ? Errno.ENOENT : Errno.ENOSPC;
                    break;
            }
        }

        return error;
    }

    private long FirstWhole(in Request request) => ((request.Offset - 1) / volume.BlockSize) + (request.Offset == 0 ? 0 : 1);

    /// <summary>Behind the last block that the range takes whole, given where the file ends.</summary>
    private long EndWhole(in Request request, long size) =>
        request.End >= size ? EndTouched(request) : request.End / volume.BlockSize;

    private long EndTouched(in Request request) => ((request.End - 1) / volume.BlockSize) + 1;

    /// <summary>Moves inline content into a block, and looks whether all that is missing fits.</summary>
    private Errno Prepare(in Request request)
    {
        long missing = 0;
        using (volume.EnterRead())
        {
            if (!inodes.TryGet(request.Inode, out InodeRecord record))
            {
                return Errno.ENOENT;
            }

            var walk = new SegmentWalk(map, request.Inode, request.Position, EndTouched(request));
            while (walk.MoveNext() && missing <= volume.TotalBlocks)
            {
                missing += walk.Current.Kind == SegmentKind.Hole ? walk.Current.End - walk.Current.First : 0;
            }
        }

        return operations.HasRoomFor(missing) || missing == 0 ? writer.MoveInline(request.Inode) : Errno.ENOSPC;
    }

    private Errno FillOnce(ref Request request, in ContentChange change, out Outcome outcome)
    {
        outcome = default;
        int wanted = (int)Math.Min(FillAtOnce, EndTouched(request) - request.Position) + 2;
        Errno error = operations.BeginFill(
            wanted, operations.BaseChanges(change), out ContentBudget budget, out IVolumeOperation operation);
        if (error != Errno.OK)
        {
            return error;
        }

        using (operation)
        {
            outcome = TryEnter(operation, request.Inode, out InodeRecord record);
            if (outcome != Outcome.Done)
            {
                return Errno.OK;
            }

            long before = request.Position;
            ClearEdges(operation, ref request, record.Size, ref budget);
            bool done = Fill(operation, ref request, ref record, ref budget);
            if (done && request.Grow)
            {
                record.Size = Math.Max(record.Size, request.End);
            }

            outcome = done ? Outcome.Done : request.Position > before ? Outcome.More : Outcome.NoSpace;
            if (outcome != Outcome.NoSpace)
            {
                operations.Finish(operation, request.Inode, ref record, change);
            }

            return Errno.OK;
        }
    }

    private Errno PunchOnce(ref Request request, int pieces, in ContentChange change, out Outcome outcome)
    {
        outcome = default;

        // One change more than the inode's: the inline item.
        Errno error = operations.BeginFree(
            pieces, 1, operations.BaseChanges(change) + 1, out ContentBudget budget, out IVolumeOperation operation);
        if (error != Errno.OK)
        {
            return error;
        }

        using (operation)
        {
            outcome = TryEnter(operation, request.Inode, out InodeRecord record);
            if (outcome != Outcome.Done)
            {
                return Errno.OK;
            }

            bool done = true;
            bool noSpace = false;
            if (record.Blocks == 0)
            {
                PunchInline(operation, request);
            }
            else
            {
                ClearEdges(operation, ref request, record.Size, ref budget);
                done = Punch(operation, ref request, ref record, ref budget, out noSpace);
            }

            outcome = done ? Outcome.Done : noSpace ? Outcome.NoSpace : Outcome.More;
            if (!noSpace)
            {
                operations.Finish(operation, request.Inode, ref record, change);
            }

            return Errno.OK;
        }
    }

    private Outcome TryEnter(IVolumeOperation operation, InodeNumber inode, out InodeRecord record)
    {
        record = default;
        if (truncation.IsPending(inode))
        {
            return Outcome.TruncationPending;
        }

        return inodes.TryGet(inode, out record) ? Outcome.Done : Outcome.NoInode;
    }

    /// <summary>Clears the parts of the range that share a block with what stays.</summary>
    private void ClearEdges(IVolumeOperation operation, ref Request request, long size, ref ContentBudget budget)
    {
        if (request.EdgesDone || !request.Clears)
        {
            return;
        }

        request.EdgesDone = true;
        long blockSize = volume.BlockSize;
        long headEnd = request.Offset;
        if (request.Offset % blockSize != 0)
        {
            headEnd = Math.Min(request.End, FirstWhole(request) * blockSize);
            truncation.ClearInBlock(operation, request.Inode, request.Offset, headEnd);
            budget.Blocks--;
        }

        long tail = EndWhole(request, size) * blockSize;
        if (tail >= headEnd && tail < request.End)
        {
            truncation.ClearInBlock(operation, request.Inode, tail, request.End);
            budget.Blocks--;
        }

        budget.Allocations = Math.Min(budget.Allocations, budget.Blocks);
    }

    [SkipLocalsInit]
    private void PunchInline(IVolumeOperation operation, in Request request)
    {
        Span<byte> value = stackalloc byte[tree.MaxValueLength];
        int length = reader.GetInline(request.Inode, value);
        if (request.Offset >= length)
        {
            return;
        }

        if (request.End >= length)
        {
            truncation.ShortenInline(operation, request.Inode, request.Offset);
            return;
        }

        value[(int)request.Offset..(int)request.End].Clear();
        tree.Put(operation, ContentReader.InlineKey(request.Inode), value[..length]);
    }

    /// <summary>Frees whole blocks of the range, each extent's from its end, so that an extent keeps its key. Where
    /// nothing could be freed for lack of a node, <paramref name="noSpace"/>.</summary>
    private bool Punch(
        IVolumeOperation operation,
        ref Request request,
        ref InodeRecord record,
        ref ContentBudget budget,
        out bool noSpace)
    {
        noSpace = true;
        long end = EndWhole(request, record.Size);
        request.Position = Math.Max(request.Position, FirstWhole(request));
        while (request.Position < end)
        {
            Segment segment = map.SegmentAt(request.Inode, request.Position, end);
            if (segment.Kind == SegmentKind.Hole)
            {
                request.Position = segment.End;
                continue;
            }

            long from = Math.Max(segment.First, segment.End - ContentOperations.FreeableWithin(budget.Blocks));
            int newKeys = segment.End < segment.Extent.End ? 1 : 0;
            if (from >= segment.End || !budget.TryTake(1 + newKeys, newKeys))
            {
                return false;
            }

            noSpace = false;
            BlockRun run = segment.Extent.Run(from, segment.End);
            map.Cut(operation, request.Inode, segment.Extent, from, segment.End);
            operation.Free(run);
            budget.Blocks -= ContentOperations.FreeCharge(run.Count);
            record.Blocks -= run.Count;
            if (from == segment.First)
            {
                request.Position = segment.End;
            }
        }

        noSpace = false;
        return true;
    }

    /// <summary>Reserves what is missing and, for zeroing, takes the content of whole blocks away.</summary>
    private bool Fill(
        IVolumeOperation operation, ref Request request, ref InodeRecord record, ref ContentBudget budget)
    {
        long end = EndTouched(request);
        long firstWhole = FirstWhole(request);
        long endWhole = EndWhole(request, record.Size);
        while (request.Position < end)
        {
            Segment segment = map.SegmentAt(request.Inode, request.Position, end);
            if (segment.Kind == SegmentKind.Hole)
            {
                if (budget.Allocations == 0 || !budget.TryTake(ExtentMap.InsertChanges, 1))
                {
                    return false;
                }

                int count = (int)Math.Min(segment.End - segment.First, budget.Allocations);
                BlockRun run = writer.Allocate(operation, count, segment.Extent);
                var extent = new FileExtent(segment.First, run.First, run.Count, true);
                map.Insert(operation, request.Inode, extent, segment.Extent, segment.After);
                budget.Allocations -= run.Count;
                record.Blocks += run.Count;
                request.Position += run.Count;
                continue;
            }

            long from = Math.Max(segment.First, firstWhole);
            long to = Math.Min(segment.End, endWhole);
            if (request.Zero && segment.Kind == SegmentKind.Written && from < to)
            {
                if (!budget.TryTake(ExtentMap.CutChanges + ExtentMap.InsertChanges, 2))
                {
                    return false;
                }

                map.Cut(operation, request.Inode, segment.Extent, from, to);
                map.Insert(operation, request.Inode, segment.Extent.Slice(from, to) with { Unwritten = true });
            }

            request.Position = segment.End;
        }

        return true;
    }
}
