// Promise: a checkpoint brings what is durable in the journal home, and makes the tag tree say so; at every moment of it
// the old superblock with the journal behind it gives the same content, so a crash anywhere in it only repeats it.
// Order: home blocks and free tree slots → flush → superblock A → flush → superblock B. Journal space and the old tree
// slots are given up only after a flush behind superblock B (any commit's flush will do): then both copies agree.
// Threads: one checkpoint at a time, beside commits and readers; the gate is taken only to look and to finish.
// Cost: one copy of each block that the cache still has; the others are read from the journal, images that lie together in
// one read, and verified; each block is written once, sorted, up to 128 neighbours in one write; the changed paths of the
// tree are rehashed and written; two flushes.
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;
using IntegrityFs.Journal;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Volume;

public sealed partial class ProtectedVolume
{
    private readonly Lock _checkpointLock = new();
    private readonly Lock _releaseLock = new();
    private PendingRelease? _release;
    private AlignedMemory? _staging;

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
        _gate.EnterWriteLock();
        (long Block, PendingBlock Pending)[] snapshot = _pending.Snapshot();
        ulong head = _pendingHead;
        byte[] chain = _pendingChain.ToArray();
        ulong next = _nextSequence;
        _checkpointing = true;
        _gate.ExitWriteLock();
        if (head != _superblock.Tail || snapshot.Length > 0)
        {
            BringHome(snapshot, _superblock with { Tail = head, Chain = chain, NextSequence = next });
            Interlocked.Increment(ref _checkpoints);
        }

        _gate.EnterWriteLock();
        _pending.Complete(snapshot);
        _checkpointing = false;
        ForgetDurableFrees();
        _gate.ExitWriteLock();
    }

    private void BringHome((long Block, PendingBlock Pending)[] snapshot, Superblock superblock)
    {
        WriteHome(snapshot);
        var changes = new (long Block, TagEntry Entry)[snapshot.Length];
        for (int i = 0; i < snapshot.Length; i++)
        {
            changes[i] = (snapshot[i].Block, snapshot[i].Pending.Entry);
        }

        int count = changes.Length - ((Mutations & Mutation.DropTagUpdate) != 0 ? 1 : 0);
        TagEntry root = _tree.Apply(changes.AsSpan(0, Math.Max(count, 0)), _superblock.Generation + 1);
        if ((Mutations & Mutation.SkipCheckpointFlush) == 0)
        {
            _device.Flush();
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

    private void WriteHome((long Block, PendingBlock Pending)[] snapshot)
    {
        _staging ??= new AlignedMemory(BlocksPerRead * BlockSize);
        int i = 0;
        int last = snapshot.Length - ((Mutations & Mutation.DropHomeWrite) != 0 ? 1 : 0);
        while (i < last)
        {
            if (snapshot[i].Pending.Place != PendingPlace.Journal)
            {
                i++;
                continue;
            }

            int run = 1;
            while (i + run < last && run < BlocksPerRead && run < _geometry.ContiguousFrom(snapshot[i].Block)
                && snapshot[i + run].Block == snapshot[i].Block + run && snapshot[i + run].Pending.Place == PendingPlace.Journal)
            {
                run++;
            }

            WriteHomeRun(snapshot.AsSpan(i, run));
            i += run;
        }
    }

    /// <summary>Gathers neighbours from the cache or the journal and writes them home; a block whose journal image has
    /// gone bad is left out (its new tag will make reads fail rather than show older content).</summary>
    private void WriteHomeRun(ReadOnlySpan<(long Block, PendingBlock Pending)> run)
    {
        Span<bool> gathered = stackalloc bool[run.Length];
        GatherClean(run, gathered);
        GatherImages(run, gathered);
        int start = 0;
        for (int i = 0; i < run.Length; i++)
        {
            if (!gathered[i] && !Gather(run[i].Block, run[i].Pending, _staging!.Span.Slice(i * BlockSize, BlockSize)))
            {
                WriteStaged(run[start].Block, start, i);
                start = i + 1;
            }
        }

        if (start < run.Length)
        {
            WriteStaged(run[start].Block, start, run.Length);
        }
    }

    /// <summary>Takes what the cache has in exactly the version that is pending.</summary>
    private void GatherClean(ReadOnlySpan<(long Block, PendingBlock Pending)> run, Span<bool> gathered)
    {
        Span<byte> staging = _staging!.Span;
        _gate.EnterReadLock();
        try
        {
            for (int i = 0; i < run.Length; i++)
            {
                gathered[i] = TryCopyClean(run[i].Block, run[i].Pending, staging.Slice(i * BlockSize, BlockSize));
            }
        }
        finally
        {
            _gate.ExitReadLock();
        }
    }

    /// <summary>Reads images that lie one behind the other in the journal together; what does not fit its tag stays
    /// ungathered, for a second look.</summary>
    private void GatherImages(ReadOnlySpan<(long Block, PendingBlock Pending)> run, Span<bool> gathered)
    {
        int i = 0;
        while (i < run.Length)
        {
            if (gathered[i])
            {
                i++;
                continue;
            }

            ulong position = run[i].Pending.Position;
            int untilWrap = _geometry.JournalBlocks - (int)(position % (ulong)_geometry.JournalBlocks);
            int count = 1;
            while (count < untilWrap && i + count < run.Length && !gathered[i + count]
                && run[i + count].Pending.Position == position + (ulong)count)
            {
                count++;
            }

            Span<byte> images = _staging!.Span.Slice(i * BlockSize, count * BlockSize);
            _journal.ReadImage(position, images);
            for (int k = 0; k < count; k++)
            {
                TagEntry entry = run[i + k].Pending.Entry;
                gathered[i + k] = Verify(run[i + k].Block, (BlockPurpose)entry.Kind, entry, images.Slice(k * BlockSize, BlockSize));
            }

            i += count;
        }
    }

    private void WriteStaged(long block, int start, int end)
    {
        if (end > start)
        {
            _device.Write(_geometry.BlockOffset(block), _staging!.Span[(start * BlockSize)..(end * BlockSize)]);
        }
    }

    /// <summary>The second look at one image.</summary>
    private bool Gather(long block, PendingBlock pending, Span<byte> destination)
    {
        _journal.ReadImage(pending.Position, destination);
        if (Verify(block, (BlockPurpose)pending.Entry.Kind, pending.Entry, destination))
        {
            return true;
        }

        Interlocked.Increment(ref _mismatches);
        LogLostImage(Logger, block);
        return false;
    }

    /// <summary>Inside a scope: takes the content from the cache if that is exactly the version that is pending.</summary>
    private bool TryCopyClean(long block, PendingBlock pending, Span<byte> destination)
    {
        if (!_pending.TryGet(block, out PendingBlock now) || now.Entry.Stamp != pending.Entry.Stamp || !_cache.TryPin(block, out CachedBlock cached))
        {
            return false;
        }

        bool clean = cached.State == BlockState.Clean;
        if (clean)
        {
            cached.Span(BlockSize).CopyTo(destination);
        }

        _cache.Unpin(cached);
        return clean;
    }

    [LoggerMessage(2, LogLevel.Error, "block {Block}: its image in the journal is damaged; the block reads as an error until it is overwritten")]
    private static partial void LogLostImage(ILogger logger, long block);

    private sealed class PendingRelease(ulong tail)
    {
        public ulong Tail { get; } = tail;
    }
}
