using IntegrityFs.Catalog.Content;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>Checks the extents of one file at a time, and marks their blocks as used.</summary>
internal sealed class ExtentCheck(ProtectedVolume volume, CatalogRepairs repairs, BlockMap used, CheckPass pass)
{
    private readonly long _mostBlocks = FileContent.MaxFileSize / volume.BlockSize;

    /// <summary>The block of the file behind its last extent.</summary>
    public long EndOfFile { get; private set; }

    public void Begin() => EndOfFile = 0;

    /// <summary>Marks the blocks of an extent whose file does not exist, so that they count as used until it is dropped.</summary>
    public void ClaimOnly(ReadOnlySpan<byte> value)
    {
        try
        {
            ExtentItem item = ExtentItem.Read(value, volume.TotalBlocks);
            used.Add(new BlockRun(item.Start, item.Length));
        }
        catch (CorruptFormatException)
        {
            // Nothing to mark.
        }
    }

    /// <summary>Checks an extent; returns the blocks that it counts for, which are all of it.</summary>
    public long Next(CatalogKey key, ReadOnlySpan<byte> value, long endOfContent)
    {
        ExtentItem item;
        try
        {
            item = ExtentItem.Read(value, volume.TotalBlocks);
            if (key.Offset >= (ulong)_mostBlocks || item.Length > _mostBlocks - (long)key.Offset)
            {
                throw new CorruptFormatException("extent: behind the largest file");
            }
        }
        catch (CorruptFormatException e)
        {
            Add(ProblemCode.ExtentMalformed, key, e.Message, repairs.CutExtent(key));
            return 0;
        }

        long first = (long)key.Offset;
        if (first < EndOfFile)
        {
            Add(ProblemCode.ExtentOverlap, key, "it begins before the extent before it ends", repairs.ShiftExtent(key, EndOfFile));
            used.Add(new BlockRun(item.Start, item.Length));
            EndOfFile = Math.Max(EndOfFile, first + item.Length);
            return item.Length;
        }

        EndOfFile = first + item.Length;
        Claim(key, item);
        if (!item.Unwritten && EndOfFile > endOfContent)
        {
            long from = Math.Max(first, endOfContent);
            Add(ProblemCode.ExtentBehindEnd, key, $"it has content from block {from} of the file on, behind the end", repairs.Unwrite(new InodeNumber(key.Inode), from, EndOfFile));
        }

        return item.Length;
    }

    private void Claim(CatalogKey key, ExtentItem item)
    {
        var rest = new BlockRun(item.Start, item.Length);
        var inode = new InodeNumber(key.Inode);
        while (rest.Count > 0)
        {
            BlockRun taken = used.Find(rest, present: true);
            if (taken.IsEmpty)
            {
                used.Add(rest);
                return;
            }

            used.Add(new BlockRun(rest.First, (int)(taken.First.Value - rest.First.Value)));
            long from = (long)key.Offset + (taken.First.Value - item.Start.Value);
            bool metadata = volume.IsReserved(taken.First) || volume.PurposeOf(taken.First) == BlockPurpose.CatalogNode;
            Add(
                metadata ? ProblemCode.ExtentOnMetadata : ProblemCode.ExtentClaimedTwice,
                key,
                $"{taken.Count} blocks from block {taken.First} on {(metadata ? "hold metadata" : "belong to another extent")}",
                repairs.CutBlocks(inode, from, from + taken.Count),
                taken.First.Value);
            rest = new BlockRun(taken.End, (int)(rest.End.Value - taken.End.Value));
        }
    }

    private void Add(ProblemCode code, CatalogKey key, string message, Func<bool> repair, long block = -1) =>
        pass.Add(
            RepairStage.Items,
            new Problem(code, $"inode {key.Inode}: extent at block {key.Offset} of the file: {message}", block, key.Inode),
            repair);
}
