// Promise: one bit for each block of a volume: who checks a volume marks here what is in use. Memory: an eighth of a byte
// per block, 32 MiB for a volume of 1 TiB in blocks of 4 KiB.
using System.Numerics;
using IntegrityFs.Format;

namespace IntegrityFs.Volume;

/// <summary>A set of blocks.</summary>
public sealed class BlockMap
{
    private readonly ulong[] _words;

    /// <summary>An empty set of blocks 0 .. <paramref name="total"/> − 1.</summary>
    public BlockMap(long total)
    {
        Total = total;
        _words = new ulong[(total + 63) / 64];
    }

    /// <summary>Blocks of the volume.</summary>
    public long Total { get; }

    /// <summary>True where the block is in the set.</summary>
    public bool Contains(long block) => (_words[block >> 6] & (1UL << (int)(block & 63))) != 0;

    /// <summary>Adds a block; false where it was there.</summary>
    public bool Add(long block)
    {
        ulong bit = 1UL << (int)(block & 63);
        ref ulong word = ref _words[block >> 6];
        bool added = (word & bit) == 0;
        word |= bit;
        return added;
    }

    /// <summary>The first stretch of a run whose blocks are in the set, or not; empty where there is none.</summary>
    public BlockRun Find(BlockRun run, bool present)
    {
        long at = Next(run.First.Value, run.End.Value, present);
        return at >= run.End.Value ? default : new BlockRun(new BlockNumber(at), (int)(Next(at, run.End.Value, !present) - at));
    }

    /// <summary>Adds a run.</summary>
    public void Add(BlockRun run)
    {
        for (long block = run.First.Value; block < run.End.Value; block++)
        {
            if ((block & 63) == 0 && run.End.Value - block >= 64)
            {
                _words[block >> 6] = ulong.MaxValue;
                block += 63;
            }
            else
            {
                Add(block);
            }
        }
    }

    /// <summary>64 blocks from a multiple of 64 on, as bits.</summary>
    internal ulong Word(long first) => first < Total ? _words[first >> 6] : 0;

    private long Next(long from, long end, bool present)
    {
        long at = from;
        while (at < end)
        {
            ulong word = present ? _words[at >> 6] : ~_words[at >> 6];
            word &= ulong.MaxValue << (int)(at & 63);
            if (word != 0)
            {
                return Math.Min(end, (at & ~63L) + BitOperations.TrailingZeroCount(word));
            }

            at = (at & ~63L) + 64;
        }

        return end;
    }
}
