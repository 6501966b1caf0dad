// Promise: for every block that a durable transaction changed and no checkpoint has taken home: its newest tag, and where
// the content stands. Changed only inside the exclusive scope, read in shared ones.
// Memory: bounded by the journal's size (one entry per image, and one in the snapshot, which is used again).
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

/// <summary>A pending block and its number.</summary>
internal readonly record struct PendingChange(long Block, PendingBlock Pending);

internal sealed class PendingMap
{
    private readonly Dictionary<long, PendingBlock> _blocks = [];
    private PendingChange[] _snapshot = [];

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

    /// <summary>Everything pending, in no order, in memory that the next call uses again.</summary>
    public Span<PendingChange> Snapshot()
    {
        if (_snapshot.Length < _blocks.Count)
        {
            _snapshot = new PendingChange[Math.Max(_blocks.Count, 2 * _snapshot.Length)];
        }

        int count = 0;
        foreach ((long block, PendingBlock pending) in _blocks)
        {
            _snapshot[count++] = new PendingChange(block, pending);
        }

        return _snapshot.AsSpan(0, count);
    }

    /// <summary>Takes out what a checkpoint has brought home and nothing has changed since.</summary>
    public void Complete(ReadOnlySpan<PendingChange> done)
    {
        foreach (PendingChange change in done)
        {
            if (_blocks.TryGetValue(change.Block, out PendingBlock now) && now.Entry.Stamp == change.Pending.Entry.Stamp)
            {
                _blocks.Remove(change.Block);
            }
        }
    }
}
