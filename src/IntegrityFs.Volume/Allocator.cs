// Promise: which blocks are in use, one bit each, in one bitmap block per group of 8 × block size blocks. Bitmaps are
// ordinary journalled blocks; groups are initialised one after the other when first needed, so format touches none.
// Inside the exclusive scope only. Frees take effect when the operation completes, so an operation never gets back what it
// has just freed. A bitmap that is not authentic costs the free space of its group, not the volume's: nothing more is taken
// there, what is freed there stays in use until the checker rebuilds the bitmap. Cost: one bitmap read per group and scan by 64-bit words; free counts per group are remembered.
using System.Numerics;
using System.Runtime.InteropServices;
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Volume;

internal sealed class Allocator
{
    /// <summary>Groups that one search looks at for a longer run before it takes the longest seen.</summary>
    private const int GroupsPerSearch = 8;

    private readonly int _groupBlocks;
    private readonly long _totalBlocks;
    private readonly int[] _freeInGroup;
    private long _hint;
    private IntegrityException? _unreadable;

    public Allocator(int blockSize, long totalBlocks)
    {
        _groupBlocks = 8 * blockSize;
        _totalBlocks = totalBlocks;
        Groups = (totalBlocks + _groupBlocks - 1) / _groupBlocks;
        _freeInGroup = new int[Groups];
        Array.Fill(_freeInGroup, -1);
    }

    /// <summary>Groups of the volume.</summary>
    public long Groups { get; }

    /// <summary>Blocks that are never free: the state block and its second copy, and each group's bitmap.</summary>
    public long ReservedBlocks => 2 + Groups;

    public long GroupOf(long block) => block / _groupBlocks;

    /// <summary>The block that holds a group's bitmap.</summary>
    public long BitmapBlock(long group) => (group * _groupBlocks) + (group == 0 ? 1 : 0);

    /// <summary>True for blocks that the volume itself owns.</summary>
    public bool IsReserved(long block) =>
        block is VolumeStateBlock.BlockNumber or VolumeStateBlock.MirrorNumber || block == BitmapBlock(GroupOf(block));

    /// <summary>Writes the bitmap of a group in which nothing is allocated yet: only what the volume itself owns.</summary>
    public void WriteEmpty(long group, Span<byte> bitmap)
    {
        bitmap.Clear();
        SetBit(bitmap, BitmapBlock(group) % _groupBlocks);
        if (group == 0)
        {
            SetBit(bitmap, VolumeStateBlock.BlockNumber);
            SetBit(bitmap, VolumeStateBlock.MirrorNumber);
        }
    }

    private static void SetBit(Span<byte> bitmap, long bit) => bitmap[(int)(bit >> 3)] |= (byte)(1 << (int)(bit & 7));

    /// <summary>What the next look at a group must count anew, after an undone operation.</summary>
    public void Forget(long group) => _freeInGroup[group] = -1;

    /// <summary>Finds and takes a run. Null where every bitmap says full (the free count said otherwise: corrupt).</summary>
    /// <exception cref="IntegrityException">Nothing is free but in groups whose bitmap is not authentic.</exception>
    public BlockRun? Allocate(IBitmaps bitmaps, int count, long goal)
    {
        long start = goal > 0 && goal < _totalBlocks ? goal : _hint;
        long group = Math.Min(GroupOf(start), Math.Max(bitmaps.InitializedGroups - 1, 0));
        int from = GroupOf(start) == group ? (int)(start % _groupBlocks) : 0;
        BlockRun best = default;
        int looked = 0;
        for (long i = 0; i <= Groups && best.Count < count; i++)
        {
            long candidate = (group + i) % Groups;
            if (candidate > bitmaps.InitializedGroups || (i == Groups && from == 0) || _freeInGroup[candidate] == 0)
            {
                continue;
            }

            if (candidate == bitmaps.InitializedGroups)
            {
                bitmaps.Initialize(candidate);
            }

            BlockRun found = TryFindRun(bitmaps, candidate, i == 0 ? from : 0, count);
            if (found.Count > best.Count)
            {
                best = found;
            }

            if (best.Count > 0 && ++looked >= GroupsPerSearch)
            {
                break;
            }
        }

        if (best.Count == 0)
        {
            return _unreadable is null ? null : throw _unreadable;
        }

        Mark(bitmaps, best, true);
        _hint = best.End.Value < _totalBlocks ? best.End.Value : 0;
        return best;
    }

    /// <summary>Marks a run, which may span groups, used or free; <see cref="CorruptFormatException"/> where it is already.
    /// Returns how many blocks were marked: none in groups whose bitmap is not authentic, where they are to be freed.</summary>
    public int Mark(IBitmaps bitmaps, BlockRun run, bool used)
    {
        long block = run.First.Value;
        long left = run.Count;
        int marked = 0;
        while (left > 0)
        {
            long group = GroupOf(block);
            int bit = (int)(block % _groupBlocks);
            int now = (int)Math.Min(left, _groupBlocks - bit);
            if (group >= bitmaps.InitializedGroups)
            {
                throw new CorruptFormatException($"block {block} lies in a group that was never used");
            }

            Span<byte> bitmap = TryModify(bitmaps, group, used);
            marked += bitmap.IsEmpty ? 0 : now;
            for (int i = bit; i < bit + now && !bitmap.IsEmpty; i++)
            {
                byte mask = (byte)(1 << (i & 7));
                if ((bitmap[i >> 3] & mask) != 0 == used)
                {
                    throw new CorruptFormatException($"block {block - bit + i} is {(used ? "allocated" : "freed")} twice");
                }

                bitmap[i >> 3] ^= mask;
            }

            if (_freeInGroup[group] >= 0 && !bitmap.IsEmpty)
            {
                _freeInGroup[group] += used ? -now : now;
            }

            block += now;
            left -= now;
        }

        return marked;
    }

    private Span<byte> TryModify(IBitmaps bitmaps, long group, bool used)
    {
        try
        {
            return bitmaps.Modify(group);
        }
        catch (IntegrityException e) when (!used)
        {
            bitmaps.Report(group, e);
            return default;
        }
    }

    private BlockRun TryFindRun(IBitmaps bitmaps, long group, int from, int count)
    {
        try
        {
            return FindRun(bitmaps.Read(group), group, from, count);
        }
        catch (IntegrityException e)
        {
            _freeInGroup[group] = 0;
            _unreadable = e;
            bitmaps.Report(group, e);
            return default;
        }
    }

    private BlockRun FindRun(ReadOnlySpan<byte> bitmap, long group, int from, int count)
    {
        int limit = (int)Math.Min(_groupBlocks, _totalBlocks - (group * _groupBlocks));
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bitmap);
        if (_freeInGroup[group] < 0)
        {
            _freeInGroup[group] = CountFree(words, limit);
        }

        int bestStart = 0;
        int best = 0;
        Search(words, from, limit, count, ref bestStart, ref best);
        if (best < count && from > 0)
        {
            Search(words, 0, from, count, ref bestStart, ref best);
        }

        return new BlockRun(new BlockNumber((group * _groupBlocks) + bestStart), best);
    }

    private static void Search(ReadOnlySpan<ulong> words, int from, int limit, int count, ref int bestStart, ref int best)
    {
        int position = from;
        while (position < limit)
        {
            int start = NextBit(words, position, limit, used: false);
            if (start >= limit)
            {
                return;
            }

            int end = NextBit(words, start, Math.Min(limit, start + count), used: true);
            if (end - start > best)
            {
                best = end - start;
                bestStart = start;
                if (best >= count)
                {
                    return;
                }
            }

            position = end + 1;
        }
    }

    private static int NextBit(ReadOnlySpan<ulong> words, int from, int limit, bool used)
    {
        int position = from;
        while (position < limit)
        {
            ulong word = used ? words[position >> 6] : ~words[position >> 6];
            word &= ulong.MaxValue << (position & 63);
            if (word != 0)
            {
                return Math.Min(limit, (position & ~63) + BitOperations.TrailingZeroCount(word));
            }

            position = (position & ~63) + 64;
        }

        return limit;
    }

    private static int CountFree(ReadOnlySpan<ulong> words, int limit)
    {
        int used = 0;
        for (int i = 0; i < limit; i += 64)
        {
            ulong word = words[i >> 6];
            used += BitOperations.PopCount(limit - i >= 64 ? word : word & ((1UL << (limit - i)) - 1));
        }

        return limit - used;
    }
}

/// <summary>How the allocator reaches its bitmaps inside an operation.</summary>
internal interface IBitmaps
{
    /// <summary>Groups that have a bitmap, from the first on.</summary>
    long InitializedGroups { get; }

    /// <summary>Gives the next group its bitmap, with the reserved blocks marked.</summary>
    void Initialize(long group);

    /// <summary>A group's bitmap, to look at until the next call.</summary>
    ReadOnlySpan<byte> Read(long group);

    /// <summary>A group's bitmap, to change.</summary>
    Span<byte> Modify(long group);

    /// <summary>A group's bitmap is not authentic and was passed over.</summary>
    void Report(long group, IntegrityException failure);
}
