// Promise: CommitThrough returns only after the asked-for transaction and all before it are durable, or throws and the
// volume is faulted for good. The running transaction goes on while its predecessor is written: freezing only changes
// states; what is changed afterwards is changed in new buffers.
// Group commit: callers queue on the commit lock; the first commits what all of them have done, the others find it done.
// Order: freeze (exclusive, short) → tags (parallel, no lock) → in-place data (data=auto) → journal and one flush →
// pending map (exclusive, short).
// Cost: one flush; one HMAC and one write per block; two passes over the list of blocks under the gate.
using IntegrityFs.Format;
using IntegrityFs.Integrity;
using IntegrityFs.Journal;

namespace IntegrityFs.Volume;

public sealed partial class ProtectedVolume
{
    /// <summary>Freed runs remembered to keep in-place writes off; beyond it in-place writing pauses until they are durable.</summary>
    private const int MaxRecentFrees = 1024;

    private readonly int _softLimit;
    private bool _checkpointing;
    private readonly Lock _commitLock = new();
    private readonly ManualResetEventSlim _work = new();
    private readonly List<(BlockRun Run, ulong Transaction)> _recentFrees = [];

    // The newest transaction of which a freed run is not remembered; 0 where all are.
    private ulong _forgottenFrees;
    private List<BlockRun> _runningFreed = [];
    private List<BlockRun> _committingFreed = [];
    private CommitItem[] _items = [];
    private int _itemCount;
    private nint[] _images = [];
    private TagWork[] _tagWork = [];
    private JournalEntry[] _entries = [];
    private ulong _runningId = 1;
    private ulong _committedId;
    private ulong _nextSequence;

    // Where the journal stood, and its last MAC, when the pending map last took a transaction in: the journal's own head
    // runs ahead of it while a commit finishes.
    private ulong _pendingHead;
    private readonly byte[] _pendingChain = new byte[JournalDescriptorLayout.ChainSize];
    private long _lastCommit;
    private volatile bool _commitWanted;

    /// <summary>Freed runs that one transaction records at most: a few descriptor blocks.</summary>
    private int MaxFreedRuns => Math.Clamp(_geometry.JournalBlocks * 4, 128, 4096);

    /// <inheritdoc/>
    public void Sync()
    {
        ThrowIfFaulted();
        if ((Mutations & Mutation.SyncDoesNothing) != 0)
        {
            return;
        }

        Commit();
    }

    /// <summary>Commits the running transaction, and waits for the one that is being committed.</summary>
    public void Commit()
    {
        _gate.EnterShared();
        ulong target = Running.Count > 0 || _runningFreed.Count > 0 ? _runningId : _runningId - 1;
        _gate.LeaveShared();
        CommitThrough(target);
    }

    /// <summary>An operation freed a run: in the exclusive scope, cannot fail.</summary>
    internal void NoteFreed(BlockRun run)
    {
        _runningFreed.Add(run);
        if (_options.DataMode == DataMode.Auto && (Mutations & Mutation.ReuseFreedEarly) == 0)
        {
            if (_recentFrees.Count < MaxRecentFrees)
            {
                _recentFrees.Add((run, _runningId));
            }
            else
            {
                _forgottenFrees = _runningId;
            }
        }

        for (long block = run.First.Value; block < run.End.Value; block++)
        {
            if (!_cache.TryGet(block, out CachedBlock cached))
            {
                continue;
            }

            _cache.Remove(cached);
            if (cached.State == BlockState.Clean)
            {
                _cache.Discard(cached);
            }
            else
            {
                // The transaction that holds it lets go of it when it comes to it.
                cached.State = BlockState.Dropped;
            }
        }
    }

    /// <summary>True where new content may go home before the commit: the blocks were free in the newest durable state,
    /// and no checkpoint that began before they were is still writing. A durable free has taken older images out of the
    /// pending map (revoke), so no later checkpoint writes over the new content either.</summary>
    internal bool MayWriteInPlace(BlockRun run)
    {
        if (_options.DataMode != DataMode.Auto || (long)run.Count * BlockSize < _options.InPlaceThreshold || _forgottenFrees != 0)
        {
            return false;
        }

        foreach ((BlockRun freed, _) in _recentFrees)
        {
            if (freed.First.Value < run.End.Value && run.First.Value < freed.End.Value)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>In the exclusive scope: forgets the frees that are durable, unless a checkpoint is under way that may
    /// still write what was there.</summary>
    private void ForgetDurableFrees()
    {
        if (_checkpointing)
        {
            return;
        }

        int kept = 0;
        for (int i = 0; i < _recentFrees.Count; i++)
        {
            if (_recentFrees[i].Transaction > _committedId)
            {
                _recentFrees[kept++] = _recentFrees[i];
            }
        }

        _recentFrees.RemoveRange(kept, _recentFrees.Count - kept);
        _forgottenFrees = _forgottenFrees <= _committedId ? 0 : _forgottenFrees;
    }

    private void CommitThrough(ulong target)
    {
        lock (_commitLock)
        {
            ThrowIfFaulted();
            if (_committedId >= target)
            {
                return;
            }

            try
            {
                CommitRunning();
            }
            catch (Exception e)
            {
                SetFault(e);
                throw;
            }
        }

        AfterCommit();
    }

    private void CommitRunning()
    {
        ulong sequence = _nextSequence;
        ulong id = Freeze();
        int images = PrepareWork(out int inPlace);
        _lanes.TagAll(_tagWork, images + inPlace, (Mutations & Mutation.StaleTag) != 0 ? sequence - 1 : sequence);
        int entries = BuildEntries(images + inPlace);
        if ((Mutations & Mutation.CheckpointBeforeCommit) != 0)
        {
            WriteHomeEarly(0, images);
        }

        bool dataFirst = (Mutations & Mutation.TagsBeforeData) == 0;
        if (dataFirst)
        {
            WriteHomeEarly(images, inPlace);
        }

        MakeRoom(JournalLog.BlocksFor(entries, images, BlockSize));
        PendingRelease? release = Volatile.Read(ref _release);
        ulong firstImage = _journal.Append(sequence, _entries.AsSpan(0, entries), _images.AsSpan(0, images));
        if (!dataFirst)
        {
            WriteHomeEarly(images, inPlace);
        }

        if ((Mutations & Mutation.SkipCommitFlush) == 0)
        {
            CompleteRelease(release);
        }

        _gate.EnterExclusive();
        try
        {
            FinishCommit(sequence, firstImage, images, inPlace);
            _pendingHead = _journal.Head;
            _journal.Chain.CopyTo(_pendingChain);
            _nextSequence = sequence + 1;
            _committedId = id;
            ForgetDurableFrees();
        }
        finally
        {
            _gate.LeaveExclusive();
        }

        Interlocked.Increment(ref _commits);
        _lastCommit = _options.Clock.GetTimestamp();
    }

    /// <summary>The running transaction becomes the committing one, an empty one runs on.</summary>
    private ulong Freeze()
    {
        _gate.EnterExclusive();
        try
        {
            if (_items.Length <= Running.Count)
            {
                _items = new CommitItem[Math.Max(Running.Count, _softLimit + MaxOperationBlocks) + 1];
                _tagWork = new TagWork[_items.Length];
                _images = new nint[_items.Length];
            }

            _itemCount = 0;
            foreach (CachedBlock block in Running)
            {
                if (block.State == BlockState.Dirty)
                {
                    block.State = BlockState.Committing;
                    _items[_itemCount++] = new CommitItem(block, block.Number, block.Address, block.Purpose, block.InPlace);
                    if (block.Number == VolumeStateBlock.BlockNumber)
                    {
                        // The same memory once more, tagged for the second place; no cache block of its own.
                        _items[_itemCount++] = new CommitItem(null, VolumeStateBlock.MirrorNumber, block.Address, block.Purpose, false);
                    }
                }
                else
                {
                    _cache.Discard(block);
                }
            }

            Running.Clear();
            (_runningFreed, _committingFreed) = (_committingFreed, _runningFreed);
            _runningFreed.Clear();
            _commitWanted = false;
            return _runningId++;
        }
        finally
        {
            _gate.LeaveExclusive();
        }
    }

    /// <summary>Lists what is to be tagged: journal images first, in-place blocks behind them, each by number. Works on
    /// what Freeze has copied: the blocks themselves may be changing again.</summary>
    private int PrepareWork(out int inPlace)
    {
        _items.AsSpan(0, _itemCount).Sort(static (a, b) => a.InPlace != b.InPlace ? a.InPlace.CompareTo(b.InPlace) : a.Number.CompareTo(b.Number));
        int images = 0;
        for (int i = 0; i < _itemCount; i++)
        {
            CommitItem item = _items[i];
            _tagWork[i] = new TagWork { Content = item.Content, Purpose = item.Purpose, Block = item.Number };
            if (!item.InPlace)
            {
                _images[images++] = item.Content;
            }
        }

        inPlace = _itemCount - images;
        return images;
    }

    private int BuildEntries(int tagged)
    {
        bool revoke = (Mutations & Mutation.SkipRevoke) == 0;
        int total = tagged + (revoke ? Math.Min(_committingFreed.Count, MaxFreedRuns) : 0);
        if (_entries.Length < total)
        {
            _entries = new JournalEntry[Math.Max(total, _softLimit + MaxOperationBlocks)];
        }

        int count = 0;
        if (revoke)
        {
            // What does not fit may be left out: a block is not reused in place before the pending map has forgotten it,
            // and recovery checkpoints before it accepts a change.
            for (int i = 0; i < _committingFreed.Count && i < MaxFreedRuns; i++)
            {
                BlockRun run = _committingFreed[i];
                _entries[count++] = new JournalEntry(JournalEntryKind.Freed, BlockPurpose.None, run.First.Value, default, run.Count);
            }
        }

        for (int i = 0; i < tagged; i++)
        {
            ref TagWork work = ref _tagWork[i];
            JournalEntryKind kind = _items[i].InPlace ? JournalEntryKind.InPlace : JournalEntryKind.Image;
            _entries[count++] = new JournalEntry(kind, work.Purpose, work.Block, work.Tag, 0);
        }

        if (tagged > 0 && (Mutations & Mutation.UnjournalledTag) != 0)
        {
            _entries[count - 1] = _entries[count - 1] with { Tag = default };
        }

        return count;
    }

    /// <summary>data=auto: new blocks go home, neighbours together. The journal's flush covers them, and replay verifies
    /// them, so no flush is needed between.</summary>
    private void WriteHomeEarly(int first, int count)
    {
        int i = first;
        while (i < first + count)
        {
            int run = 1;
            while (i + run < first + count && run < BlocksPerRead
                && _tagWork[i + run].Block == _tagWork[i].Block + run && run < _geometry.ContiguousFrom(_tagWork[i].Block))
            {
                run++;
            }

            WriteNeighbours(i, run);
            i += run;
        }
    }

    private void WriteNeighbours(int first, int count)
    {
        Span<Device.IoSegment> segments = stackalloc Device.IoSegment[count];
        for (int i = 0; i < count; i++)
        {
            segments[i] = new Device.IoSegment(_tagWork[first + i].Content, BlockSize);
        }

        _device.WriteGather(_geometry.BlockOffset(_tagWork[first].Block), segments);
    }

    /// <summary>The transaction is durable: its blocks are clean, its tags are the ones that count.</summary>
    private void FinishCommit(ulong sequence, ulong firstImage, int images, int inPlace)
    {
        if ((Mutations & Mutation.SkipRevoke) == 0)
        {
            foreach (BlockRun run in _committingFreed)
            {
                _pending.Remove(run.First.Value, run.Count);
            }
        }

        for (int i = 0; i < images + inPlace; i++)
        {
            ref TagWork work = ref _tagWork[i];
            CachedBlock? block = _items[i].Block;
            var entry = new TagEntry(sequence, (byte)work.Purpose, work.Tag);
            _pending.Set(work.Block, i < images
                ? new PendingBlock(entry, firstImage + (ulong)i, PendingPlace.Journal)
                : new PendingBlock(entry, 0, PendingPlace.Home));
            if (block is null)
            {
                continue;
            }

            if (block.Address != work.Content)
            {
                _cache.ReturnBuffer(work.Content);
            }
            else if (block.State == BlockState.Committing)
            {
                block.State = BlockState.Clean;
                block.InPlace = false;
            }
            else
            {
                _cache.Discard(block);
            }
        }
    }

    /// <summary>Waits for journal space: first for the space that a finished checkpoint has to give, then by a checkpoint.</summary>
    private void MakeRoom(long blocks)
    {
        if (_journal.FreeBlocks >= blocks)
        {
            return;
        }

        FlushSecondSuperblock();
        if (_journal.FreeBlocks < blocks)
        {
            Checkpoint();
            FlushSecondSuperblock();
        }
    }

    private void AfterCommit()
    {
        if (_journal.UsedBlocks <= _geometry.JournalBlocks / 2)
        {
            return;
        }

        if (_options.Deferred)
        {
            _checkpointWork.Release();
        }
        else
        {
            Checkpoint();
        }
    }

    /// <summary>A block of the committing transaction, as it was when that was frozen.</summary>
    private readonly record struct CommitItem(CachedBlock? Block, long Number, nint Content, BlockPurpose Purpose, bool InPlace);
}
