// Promise: holds the bitmaps against what a walk over everything has found in use, in both directions. Marking used what is
// in use comes first of all repairs and loses nothing; freeing what nothing uses comes last, and only where the walk saw
// everything. Memory: nothing but the map. Each repair is one operation for one group.
using System.Numerics;
using System.Runtime.InteropServices;
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Volume;

/// <summary>Checks allocation against a map of the blocks in use.</summary>
/// <param name="volume">The volume.</param>
/// <param name="used">What the floors above use; the volume's own blocks are added here.</param>
/// <param name="complete">False where something could not be read: then nothing counts as leaked.</param>
public sealed class AllocationCheck(ProtectedVolume volume, BlockMap used, bool complete)
{
    private const int FreesAtOnce = 64;
    private readonly int _groupBlocks = 8 * volume.BlockSize;
    private long _clearBits;
    private bool _unsure;

    /// <summary>Goes through all groups.</summary>
    public void Run(CheckPass pass)
    {
        volume.AddReserved(used);
        for (long group = 0; group < volume.Groups; group++)
        {
            pass.Progress("allocation", group * _groupBlocks);
            CheckGroup(pass, group);
        }

        long free = _clearBits;
        if (!_unsure && free != volume.FreeBlocks)
        {
            pass.Add(
                RepairStage.Space,
                new Problem(ProblemCode.FreeCountWrong, $"{volume.FreeBlocks} blocks are said to be free, {free} are"),
                () => SetFree());
        }
    }

    private void CheckGroup(CheckPass pass, long group)
    {
        int limit = (int)Math.Min(_groupBlocks, volume.TotalBlocks - (group * _groupBlocks));
        if (group >= volume.InitializedGroups)
        {
            CheckUninitialized(pass, group, limit);
            return;
        }

        try
        {
            using ReadScope scope = volume.EnterRead();
            using BlockLease lease = volume.Read(new BlockNumber(volume.BitmapBlock(group)), BlockPurpose.Bitmap);
            Compare(pass, group, limit, lease.Span);
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException or DeviceException)
        {
            _unsure = true;
            pass.Add(
                RepairStage.Space,
                new Problem(ProblemCode.BitmapUnreadable, $"the bitmap of group {group} cannot be read: {e.Message}", volume.BitmapBlock(group)),
                () => Rewrite(group, group + 1));
        }
    }

    private void CheckUninitialized(CheckPass pass, long group, int limit)
    {
        _clearBits += limit - ReservedIn(group);
        if (volume.PurposeOf(new BlockNumber(volume.BitmapBlock(group))) == BlockPurpose.Bitmap)
        {
            _unsure = true;
            pass.Add(
                RepairStage.Space,
                new Problem(ProblemCode.GroupCountWrong, $"group {group} has a bitmap, but only {volume.InitializedGroups} groups are said to have one", volume.BitmapBlock(group)),
                () => Recount(group));
            return;
        }

        for (int i = 0; i < limit; i += 64)
        {
            ulong expected = used.Word((group * _groupBlocks) + i) & ~Reserved(group, i);
            if (expected != 0)
            {
                _unsure = true;
                long block = (group * _groupBlocks) + i + BitOperations.TrailingZeroCount(expected);
                pass.Add(
                    RepairStage.Space,
                    new Problem(ProblemCode.GroupCountWrong, $"block {block} is in use, but its group {group} has no bitmap", block),
                    () => Rewrite(volume.InitializedGroups, group + 1));
                return;
            }
        }
    }

    private void Compare(CheckPass pass, long group, int limit, ReadOnlySpan<byte> bitmap)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bitmap);
        long missing = 0;
        long leaked = 0;
        long firstMissing = -1;
        long firstLeaked = -1;
        long first = group * _groupBlocks;
        for (int i = 0; i < limit; i += 64)
        {
            ulong valid = limit - i >= 64 ? ulong.MaxValue : (1UL << (limit - i)) - 1;
            ulong found = words[i >> 6] & valid;
            ulong expected = used.Word(first + i) & valid;
            _clearBits += BitOperations.PopCount(~found & valid);
            Count(expected & ~found, first + i, ref missing, ref firstMissing);
            Count(found & ~expected, first + i, ref leaked, ref firstLeaked);
        }

        if (missing > 0)
        {
            _unsure = true;
            pass.Add(RepairStage.Space, new Problem(ProblemCode.UsedButFree, $"{missing} blocks from block {firstMissing} on are in use but marked free", firstMissing), () => MarkUsed(group));
        }

        if (leaked > 0 && complete)
        {
            pass.Add(RepairStage.Counters, new Problem(ProblemCode.Leaked, $"{leaked} blocks from block {firstLeaked} on are marked used but nothing uses them", firstLeaked), () => FreeLeaked(group));
        }

        if (TailIsSet(bitmap, limit))
        {
            pass.Add(RepairStage.Space, new Problem(ProblemCode.BitmapTail, $"the bitmap of group {group} has bits behind the end of the volume", volume.BitmapBlock(group)), () => ClearTail(group, limit));
        }
    }

    private static void Count(ulong bits, long first, ref long count, ref long firstBlock)
    {
        if (bits != 0)
        {
            firstBlock = firstBlock < 0 ? first + BitOperations.TrailingZeroCount(bits) : firstBlock;
            count += BitOperations.PopCount(bits);
        }
    }

    private static bool TailIsSet(ReadOnlySpan<byte> bitmap, int limit)
    {
        int whole = (limit + 7) / 8;
        bool inByte = (limit & 7) != 0 && (bitmap[whole - 1] >> (limit & 7)) != 0;
        return inByte || bitmap[whole..].ContainsAnyExcept((byte)0);
    }

    private int ReservedIn(long group)
    {
        int reserved = 0;
        for (long block = group * _groupBlocks; block < (group * _groupBlocks) + 64 && block < volume.TotalBlocks; block++)
        {
            reserved += volume.IsReserved(new BlockNumber(block)) ? 1 : 0;
        }

        return reserved;
    }

    private ulong Reserved(long group, int offset)
    {
        ulong bits = 0;
        for (int i = 0; offset == 0 && i < 64 && (group * _groupBlocks) + i < volume.TotalBlocks; i++)
        {
            bits |= volume.IsReserved(new BlockNumber((group * _groupBlocks) + i)) ? 1UL << i : 0;
        }

        return bits;
    }

    /// <summary>The free blocks as the bitmaps have them now: allocation must not be misled.</summary>
    private bool SetFree()
    {
        long free = 0;
        using (volume.EnterRead())
        {
            for (long group = 0; group < volume.Groups; group++)
            {
                int limit = (int)Math.Min(_groupBlocks, volume.TotalBlocks - (group * _groupBlocks));
                free += group < volume.InitializedGroups ? ClearBits(group, limit) : limit - ReservedIn(group);
            }
        }

        if (!volume.BeginCorrection(1, out VolumeOperation operation))
        {
            return false;
        }

        using (operation)
        {
            operation.Correct(new VolumeStateBlock(free, operation.InitializedGroups));
            operation.Complete();
        }

        return true;
    }

    private long ClearBits(long group, int limit)
    {
        using BlockLease lease = volume.Read(new BlockNumber(volume.BitmapBlock(group)), BlockPurpose.Bitmap);
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(lease.Span);
        long clear = 0;
        for (int i = 0; i < limit; i += 64)
        {
            clear += BitOperations.PopCount(~words[i >> 6] & (limit - i >= 64 ? ulong.MaxValue : (1UL << (limit - i)) - 1));
        }

        return clear;
    }

    /// <summary>Writes the bitmaps of groups anew: what is known to be used, and, where the walk did not see everything,
    /// whatever was ever written.</summary>
    private bool Rewrite(long from, long end)
    {
        for (long group = from; group < end; group++)
        {
            if (!volume.BeginCorrection(2, out VolumeOperation operation))
            {
                return false;
            }

            using (operation)
            {
                Span<byte> bitmap = operation.Create(new BlockNumber(volume.BitmapBlock(group)), BlockPurpose.Bitmap);
                Fill(group, bitmap);
                operation.ForgetGroup(group);
                operation.Correct(new VolumeStateBlock(0, Math.Max(operation.InitializedGroups, group + 1)));
                operation.Complete();
            }
        }

        return SetFreeIfReadable();
    }

    /// <summary>Counts groups in whose bitmaps are there; those that cannot be read are written anew.</summary>
    private bool Recount(long last)
    {
        for (long group = volume.InitializedGroups; group <= last; group++)
        {
            if (!volume.Verifies(new BlockNumber(volume.BitmapBlock(group)), BlockPurpose.Bitmap))
            {
                if (!Rewrite(group, group + 1))
                {
                    return false;
                }

                continue;
            }

            if (!volume.BeginCorrection(1, out VolumeOperation operation))
            {
                return false;
            }

            using (operation)
            {
                operation.ForgetGroup(group);
                operation.Correct(new VolumeStateBlock(0, group + 1));
                operation.Complete();
            }
        }

        return SetFreeIfReadable();
    }

    /// <summary>Another bitmap may still be unreadable: the next pass sees to the count then.</summary>
    private bool SetFreeIfReadable()
    {
        try
        {
            SetFree();
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException)
        {
            // That one has a repair of its own.
        }

        return true;
    }

    private void Fill(long group, Span<byte> bitmap)
    {
        long first = group * _groupBlocks;
        for (long block = first; block < Math.Min(first + _groupBlocks, volume.TotalBlocks); block++)
        {
            bool isUsed = used.Contains(block) || volume.IsReserved(new BlockNumber(block))
                || (!complete && (!volume.HasTag(new BlockNumber(block)) || volume.PurposeOf(new BlockNumber(block)) != BlockPurpose.None));
            if (isUsed)
            {
                bitmap[(int)((block - first) >> 3)] |= (byte)(1 << (int)(block & 7));
            }
        }
    }

    private bool MarkUsed(long group)
    {
        if (!volume.BeginCorrection(2, out VolumeOperation operation))
        {
            return false;
        }

        using (operation)
        {
            Span<byte> bitmap = operation.Modify(new BlockNumber(volume.BitmapBlock(group)), BlockPurpose.Bitmap);
            Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(bitmap);
            for (int i = 0; i < _groupBlocks; i += 64)
            {
                words[i >> 6] |= used.Word((group * _groupBlocks) + i);
            }

            operation.ForgetGroup(group);
            operation.Complete();
        }

        return SetFreeIfReadable();
    }

    private bool ClearTail(long group, int limit)
    {
        if (!volume.BeginCorrection(2, out VolumeOperation operation))
        {
            return false;
        }

        using (operation)
        {
            Span<byte> bitmap = operation.Modify(new BlockNumber(volume.BitmapBlock(group)), BlockPurpose.Bitmap);
            bitmap[((limit + 7) / 8)..].Clear();
            if ((limit & 7) != 0)
            {
                bitmap[limit / 8] &= (byte)((1 << (limit & 7)) - 1);
            }

            operation.ForgetGroup(group);
            operation.Complete();
        }

        return true;
    }

    private bool FreeLeaked(long group)
    {
        var runs = new List<BlockRun>();
        do
        {
            runs.Clear();
            Collect(group, runs);
            if (runs.Count > 0 && !Free(runs))
            {
                return false;
            }
        }
        while (runs.Count == FreesAtOnce);
        return true;
    }

    private void Collect(long group, List<BlockRun> runs)
    {
        using ReadScope scope = volume.EnterRead();
        using BlockLease lease = volume.Read(new BlockNumber(volume.BitmapBlock(group)), BlockPurpose.Bitmap);
        long first = group * _groupBlocks;
        long end = Math.Min(first + _groupBlocks, volume.TotalBlocks);
        long start = -1;
        for (long block = first; block <= end && runs.Count < FreesAtOnce; block++)
        {
            int bit = (int)(block - first);
            bool leaked = block < end && (lease.Span[bit >> 3] & (1 << (bit & 7))) != 0 && !used.Contains(block);
            if (leaked && start < 0)
            {
                start = block;
            }
            else if (!leaked && start >= 0)
            {
                runs.Add(new BlockRun(new BlockNumber(start), (int)(block - start)));
                start = -1;
            }
        }
    }

    private bool Free(List<BlockRun> runs)
    {
        if (!volume.BeginCorrection(4, out VolumeOperation operation))
        {
            return false;
        }

        using (operation)
        {
            foreach (BlockRun run in runs)
            {
                operation.Free(run);
            }

            operation.Complete();
        }

        return true;
    }
}
