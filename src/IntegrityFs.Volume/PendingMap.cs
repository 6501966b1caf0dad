// Promise: for every block that a durable transaction changed and no checkpoint has taken home: its newest tag, and where
// the content stands. Changed only inside the exclusive scope, read in shared ones.
// Memory: bounded by the journal's size (one entry per image).
using IntegrityFs.Format;

namespace IntegrityFs.Volume;

/// <summary>Where a pending block's content stands.</summary>
internal enum PendingPlace : byte
{
    /// <summary>In the journal.</summary>
    Journal,

    /// <summary>At home already: written in place before the commit.</summary>
    Home,

    /// <summary>Nowhere: its image in the journal is damaged. Reads fail until it is overwritten.</summary>
    Lost,
}

/// <summary>A block that waits for a checkpoint.</summary>
internal readonly record struct PendingBlock(TagEntry Entry, ulong Position, PendingPlace Place);

internal sealed class PendingMap
{
    private readonly Dictionary<long, PendingBlock> _blocks = [];

    public int Count => _blocks.Count;

    public bool TryGet(long block, out PendingBlock pending) => _blocks.TryGetValue(block, out pending);

    public void Set(long block, PendingBlock pending) => _blocks[block] = pending;

    /// <summary>Revoke: older images of freed blocks are forgotten.</summary>
    public void Remove(long first, long count)
    {
        if (count < _blocks.Count)
        {
            for (long block = first; block < first + count; block++)
            {
                _blocks.Remove(block);
            }

            return;
        }

        foreach (long block in _blocks.Keys)
        {
            if (block >= first && block < first + count)
            {
                _blocks.Remove(block);
            }
        }
    }

    /// <summary>Everything pending, ascending by block.</summary>
    public (long Block, PendingBlock Pending)[] Snapshot()
    {
        var all = new (long Block, PendingBlock Pending)[_blocks.Count];
        int i = 0;
        foreach ((long block, PendingBlock pending) in _blocks)
        {
            all[i++] = (block, pending);
        }

        Array.Sort(all, static (a, b) => a.Block.CompareTo(b.Block));
        return all;
    }

    /// <summary>Takes out what a checkpoint has brought home and nothing has changed since.</summary>
    public void Complete((long Block, PendingBlock Pending)[] done)
    {
        foreach ((long block, PendingBlock pending) in done)
        {
            if (_blocks.TryGetValue(block, out PendingBlock now) && now.Entry.Stamp == pending.Entry.Stamp)
            {
                _blocks.Remove(block);
            }
        }
    }
}
