// Promise: a checkpoint brings what is durable in the journal home, and makes the tag tree say so; at every moment of it
// the old superblock with the journal behind it gives the same content, so a crash anywhere in it only repeats it.
// Order: home blocks and free tree slots → flush → superblock A → flush → superblock B. Journal space and the old tree
// slots are given up only after a flush behind superblock B (any commit's flush will do): then both copies agree.
// Threads: one checkpoint at a time, beside commits and readers; the gate is taken only to look and to finish.
// Cost: what HomeWriter says for the blocks; the changed paths of the tree are rehashed and written; two flushes.
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Volume;

public sealed partial class ProtectedVolume
{
    private const string HomeLaneName = "integrityfs-home";
    private readonly Lock _checkpointLock = new();
    private readonly Lock _releaseLock = new();
    private readonly HomeWriter _home;
    private WorkLanes _homeLanes = new(1, HomeLaneName);
    private PendingRelease? _release;
    private (long Block, TagEntry Entry)[] _changes = [];

    /// <summary>Copies what is durable home, writes the tag tree and the superblocks, and frees journal space.</summary>
    public void Checkpoint()
    {
        if (_options.ReadOnly)
        {
            return;
        }

        lock (_checkpointLock)
        {
            ThrowIfFaulted();
            try
            {
                CheckpointLocked();
            }
            catch (Exception e)
            {
                SetFault(e);
                throw;
            }
        }
    }

    private void CheckpointLocked()
    {
        // The tree slots about to be written are those that the older superblock, B, may still need.
        FlushSecondSuperblock();
        Span<PendingChange> snapshot = BeginCheckpoint(out Superblock superblock);
        snapshot.Sort(static (a, b) => a.Block.CompareTo(b.Block));
        if (superblock.Tail != _superblock.Tail || snapshot.Length > 0)
        {
            BringHome(snapshot, superblock);
            Interlocked.Increment(ref _checkpoints);
        }

        _gate.EnterExclusive();
        try
        {
            _checkpointing = false;
            ForgetDurableFrees();
        }
        finally
        {
            _gate.LeaveExclusive();
        }
    }

    /// <summary>Under the gate: what is pending now, and the superblock that will stand for it.</summary>
    private Span<PendingChange> BeginCheckpoint(out Superblock superblock)
    {
        _gate.EnterExclusive();
        try
        {
            superblock = _superblock with { Tail = _pendingHead, Chain = _pendingChain.ToArray(), NextSequence = _nextSequence };
            Span<PendingChange> snapshot = _pending.Snapshot();
            _checkpointing = true;
            return snapshot;
        }
        finally
        {
            _gate.LeaveExclusive();
        }
    }

    private void BringHome(ReadOnlySpan<PendingChange> snapshot, Superblock superblock)
    {
        _home.Write(snapshot, _homeLanes);
        if (_changes.Length < snapshot.Length)
        {
            _changes = new (long Block, TagEntry Entry)[Math.Max(snapshot.Length, 2 * _changes.Length)];
        }

        for (int i = 0; i < snapshot.Length; i++)
        {
            _changes[i] = (snapshot[i].Block, snapshot[i].Pending.Entry);
        }

        int count = Math.Max(snapshot.Length - ((Mutations & Mutation.DropTagUpdate) != 0 ? 1 : 0), 0);
        TagEntry root = _tree.Apply(_changes.AsSpan(0, count), _superblock.Generation + 1);
        if ((Mutations & Mutation.SkipCheckpointFlush) == 0)
        {
            _device.Flush();
        }

        // Before the superblocks that give the journal space up: from then on any commit may write over it, and nobody must
        // be sent there any more. Home and tree already answer the same.
        _gate.EnterExclusive();
        try
        {
            _pending.Complete(snapshot);
        }
        finally
        {
            _gate.LeaveExclusive();
        }

        WriteSuperblockPair(superblock with { Root = root });
    }

    /// <summary>Superblock A, flush, superblock B; the tail is given up with the next flush. Never are both copies being
    /// written in one flush's reach: torn together they would leave no volume.</summary>
    private void WriteSuperblockPair(Superblock superblock)
    {
        FlushSecondSuperblock();
        Superblock next = superblock with
        {
            Generation = _superblock.Generation + 1,
            Written = _options.Clock.GetUtcNow().ToUnixTimeSeconds(),
            MismatchCount = _superblock.MismatchCount + (ulong)Interlocked.Exchange(ref _mismatches, 0),
        };
        _superblocks.WriteCopy(0, next);
        _device.Flush();
        if ((Mutations & Mutation.SingleSuperblock) == 0)
        {
            _superblocks.WriteCopy(1, next);
        }

        _superblock = next;
        var release = new PendingRelease(next.Tail);
        Volatile.Write(ref _release, release);
        if ((Mutations & Mutation.ReleaseTailEarly) != 0)
        {
            CompleteRelease(release);
        }
    }

    /// <summary>Makes superblock B durable where no commit has done so since.</summary>
    private void FlushSecondSuperblock()
    {
        PendingRelease? release = Volatile.Read(ref _release);
        if (release is not null)
        {
            _device.Flush();
            CompleteRelease(release);
        }
    }

    /// <summary>A flush that began after <paramref name="release"/> was seen has returned: its space is free.</summary>
    private void CompleteRelease(PendingRelease? release)
    {
        lock (_releaseLock)
        {
            if (release is not null && ReferenceEquals(_release, release))
            {
                _journal.Release(release.Tail);
                _release = null;
            }
        }
    }

    private sealed class PendingRelease(ulong tail)
    {
        public ulong Tail { get; } = tail;
    }
}
