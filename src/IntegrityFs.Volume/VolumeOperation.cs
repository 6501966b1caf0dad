// Promise: an operation changes blocks only in new buffers; Complete makes them the running transaction's, Dispose before
// it puts everything back as it was: blocks, bitmaps, counters. So every operation is whole or absent, in memory as well
// as after a crash. Inside the exclusive scope; one instance per volume, so an operation allocates nothing once warm.
// Cost: one buffer copy for each block at its first touch (none for blocks written whole).
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Volume;

internal sealed class VolumeOperation(ProtectedVolume volume, BlockCache cache, Allocator allocator) : IVolumeOperation, IBitmaps
{
    private readonly List<Undo> _undo = [];
    private readonly List<BlockRun> _freed = [];
    private readonly int _blockSize = volume.BlockSize;
    private ulong _stamp;
    private int _runningAtStart;
    private VolumeStateBlock _stateAtStart;
    private VolumeStateBlock _state;
    private bool _stateChanged;
    private bool _active;
    private bool _completed;

    public long InitializedGroups => _state.InitializedGroups;

    public Span<byte> Root =>
        Modify(new BlockNumber(VolumeStateBlock.BlockNumber), BlockPurpose.State).Slice(VolumeStateLayout.RootOffset, VolumeStateLayout.RootSize);

    private bool SkipUndo => (volume.Mutations & Mutation.SkipUndo) != 0;

    /// <summary>Called by the volume once it is inside the exclusive scope.</summary>
    public void Enter()
    {
        _stamp++;
        _runningAtStart = volume.Running.Count;
        _stateAtStart = volume.State;
        _state = volume.State;
        _stateChanged = false;
        _active = true;
        _completed = false;
    }

    public Span<byte> Modify(BlockNumber block, BlockPurpose purpose)
    {
        volume.CheckBlock(block.Value);
        if (cache.TryGet(block.Value, out CachedBlock cached))
        {
            if (cached.Touched == _stamp)
            {
                return CheckPurpose(cached, purpose).Span(_blockSize);
            }

            CheckPurpose(cached, purpose);
        }
        else
        {
            cached = volume.Load(block.Value, purpose);
            cache.Unpin(cached);
        }

        nint old = cached.Address;
        Span<byte> fresh = Touch(cached, wasAbsent: false);
        unsafe
        {
            new ReadOnlySpan<byte>((void*)old, _blockSize).CopyTo(fresh);
        }

        return fresh;
    }

    public Span<byte> Create(BlockNumber block, BlockPurpose purpose)
    {
        Span<byte> span = Overwrite(block.Value, purpose, inPlace: false);
        span.Clear();
        return span;
    }

    public void WriteData(BlockRun run, ReadOnlySpan<byte> data, bool fresh = false)
    {
        if (data.Length != (long)run.Count * _blockSize)
        {
            throw new ArgumentException("data does not fill the run", nameof(data));
        }

        bool inPlace = fresh && volume.MayWriteInPlace(run);
        for (int i = 0; i < run.Count; i++)
        {
            Span<byte> block = Overwrite(run.First.Value + i, BlockPurpose.Data, inPlace);
            data.Slice(i * _blockSize, _blockSize).CopyTo(block);
        }
    }

    public BlockRun Allocate(int count, BlockNumber goal)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        BlockRun run = allocator.Allocate(this, count, goal.Value)
            ?? throw new CorruptFormatException($"{_state.FreeBlocks} blocks are said to be free but no bitmap has one");
        ChangeState(_state with { FreeBlocks = _state.FreeBlocks - run.Count });
        return run;
    }

    public void Free(BlockRun run)
    {
        if (run.Count <= 0 || run.First.Value < 0 || run.End.Value > volume.TotalBlocks)
        {
            throw new CorruptFormatException($"blocks {run.First} to {run.End} cannot be freed: out of range");
        }

        for (long block = run.First.Value; block < run.End.Value; block++)
        {
            if (allocator.IsReserved(block))
            {
                throw new CorruptFormatException($"block {block} belongs to the volume and cannot be freed");
            }
        }

        _freed.Add(run);
    }

    public void Complete()
    {
        foreach (BlockRun run in _freed)
        {
            int marked = allocator.Mark(this, run, used: false);
            ChangeState(_state with { FreeBlocks = _state.FreeBlocks + marked });
        }

        if (_stateChanged)
        {
            _state.Write(Modify(new BlockNumber(VolumeStateBlock.BlockNumber), BlockPurpose.State));
        }

        // Nothing below can fail.
        foreach (Undo undo in _undo)
        {
            if (undo.OldAddress != 0 && undo.OldState != BlockState.Committing)
            {
                cache.ReturnBuffer(undo.OldAddress);
            }
        }

        foreach (BlockRun run in _freed)
        {
            volume.NoteFreed(run);
        }

        volume.State = _state;
        _completed = true;
    }

    public void Dispose()
    {
        if (!_active)
        {
            return;
        }

        _active = false;
        if (!_completed && !SkipUndo)
        {
            UndoAll();
        }

        _undo.Clear();
        _freed.Clear();
        volume.LeaveOperation();
    }

    void IBitmaps.Initialize(long group)
    {
        long bitmap = allocator.BitmapBlock(group);
        allocator.WriteEmpty(group, Overwrite(bitmap, BlockPurpose.Bitmap, inPlace: false));
        ChangeState(_state with { InitializedGroups = group + 1 });
    }

    ReadOnlySpan<byte> IBitmaps.Read(long group)
    {
        // The block stays where it is: nothing else runs, and a clean block is evicted only to make room for another.
        long number = allocator.BitmapBlock(group);
        if (!cache.TryPin(number, out CachedBlock cached))
        {
            cached = volume.Load(number, BlockPurpose.Bitmap);
        }

        cache.Unpin(cached);
        return CheckPurpose(cached, BlockPurpose.Bitmap).Span(_blockSize);
    }

    Span<byte> IBitmaps.Modify(long group) => Modify(new BlockNumber(allocator.BitmapBlock(group)), BlockPurpose.Bitmap);

    void IBitmaps.Report(long group, IntegrityException failure) => volume.ReportBitmap(group, failure);

    private static CachedBlock CheckPurpose(CachedBlock cached, BlockPurpose purpose) =>
        cached.Purpose == purpose
            ? cached
            : throw new CorruptFormatException($"block {cached.Number} is a {cached.Purpose} block, not a {purpose} block");

    /// <summary>For repairs: sets the counters.</summary>
    internal void Correct(VolumeStateBlock state) => ChangeState(state);

    /// <summary>For repairs: what the allocator remembers of a group is no longer true.</summary>
    internal void ForgetGroup(long group) => allocator.Forget(group);

    private void ChangeState(VolumeStateBlock state)
    {
        _state = state;
        _stateChanged = true;
    }

    /// <summary>A block that will be written whole: no old content is read.</summary>
    private Span<byte> Overwrite(long number, BlockPurpose purpose, bool inPlace)
    {
        volume.CheckBlock(number);
        bool present = cache.TryGet(number, out CachedBlock cached);
        if (present && cached.Touched == _stamp)
        {
            cached.Purpose = purpose;
            cached.InPlace &= inPlace;
            return cached.Span(_blockSize);
        }

        if (!present)
        {
            cached = cache.Add(number);
        }

        Span<byte> span = Touch(cached, wasAbsent: !present);
        cached.Purpose = purpose;
        cached.InPlace = inPlace;
        return span;
    }

    /// <summary>First touch by this operation: a new buffer (a block that was absent has one already), remembered for
    /// undo, entered into the running transaction.</summary>
    private Span<byte> Touch(CachedBlock cached, bool wasAbsent)
    {
        BlockState state = cached.State;
        _undo.Add(new Undo(cached, wasAbsent ? 0 : cached.Address, state, cached.Purpose, cached.InPlace));
        if (state != BlockState.Dirty)
        {
            // Before a buffer is rented: a clean block could be evicted for it.
            volume.Running.Add(cached);
            cached.State = BlockState.Dirty;
        }

        if (!wasAbsent)
        {
            cached.Address = cache.RentBuffer();
            cached.InPlace &= state == BlockState.Dirty;
        }

        cached.Touched = _stamp;
        return cached.Span(_blockSize);
    }

    private void UndoAll()
    {
        for (int i = _undo.Count - 1; i >= 0; i--)
        {
            Undo undo = _undo[i];
            CachedBlock block = undo.Block;
            block.Touched = 0;
            if (undo.OldAddress == 0)
            {
                cache.Remove(block);
                cache.Discard(block);
                continue;
            }

            if (block.Address != undo.OldAddress)
            {
                // Equal where there was no memory for the new buffer.
                cache.ReturnBuffer(block.Address);
            }

            if (block.Purpose == BlockPurpose.Bitmap)
            {
                allocator.Forget(allocator.GroupOf(block.Number));
            }

            block.Address = undo.OldAddress;
            block.State = undo.OldState;
            block.Purpose = undo.OldPurpose;
            block.InPlace = undo.OldInPlace;
        }

        for (long group = _stateAtStart.InitializedGroups; group < _state.InitializedGroups; group++)
        {
            allocator.Forget(group);
        }

        volume.Running.RemoveRange(_runningAtStart, volume.Running.Count - _runningAtStart);
        volume.State = _stateAtStart;
    }

    private readonly record struct Undo(CachedBlock Block, nint OldAddress, BlockState OldState, BlockPurpose OldPurpose, bool OldInPlace);
}
