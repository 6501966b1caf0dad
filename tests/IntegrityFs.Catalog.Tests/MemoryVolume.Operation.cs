// The exclusive scope of a MemoryVolume. Counting against the reservation: every block that is allocated, modified,
// created or written counts once in an operation; every group in which blocks are freed counts one for its bitmap.
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Tests;

internal sealed unsafe partial class MemoryVolume
{
    /// <summary>Counts blocks that a tree outside the volume would change and allocate in the running operation.</summary>
    public void ChargeVirtual(int blocks, int allocations) => _operation.ChargeVirtual(blocks, allocations);

    /// <summary>One operation; the volume has one object for all of them.</summary>
    internal sealed class Operation(MemoryVolume volume) : IVolumeOperation
    {
        private const int StateOnly = -1;

        private readonly int[] _changedIn = new int[volume._options.TotalBlocks];
        private readonly int[] _savedIn = new int[volume._options.TotalBlocks];
        private readonly int[] _allocatedIn = new int[volume._options.TotalBlocks];
        private readonly int[] _freedIn = new int[volume._options.TotalBlocks];
        private readonly int[] _groupIn = new int[(volume._options.TotalBlocks / volume._options.GroupBlocks) + 1];
        private readonly List<Saved> _saved = new(volume._options.MaxOperationBlocks * 4);
        private readonly byte[] _oldRoot = new byte[volume._options.RootSize];
        private int _id;
        private long _oldFree;
        private int _blocksReserved;
        private int _allocationsReserved;
        private int _blocks;
        private int _allocations;
        private int _thread;
        private bool _active;
        private bool _complete;

        public Span<byte> Root
        {
            get
            {
                CheckOpen();
                return volume._root;
            }
        }

        public void Start(int blocks, int allocations)
        {
            _id++;
            _blocksReserved = blocks;
            _allocationsReserved = allocations;
            _blocks = 0;
            _allocations = 0;
            _oldFree = volume._free;
            volume._root.CopyTo(_oldRoot, 0);
            _thread = Environment.CurrentManagedThreadId;
            _active = true;
            _complete = false;
        }

        public Span<byte> Modify(BlockNumber block, BlockPurpose purpose)
        {
            CheckOpen();
            lock (volume._sync)
            {
                volume.Counters.Modifies++;
                volume.CheckReadable(block, purpose);
                Change(block.Value, keepContent: true);
                return volume.Content(block.Value);
            }
        }

        public Span<byte> Create(BlockNumber block, BlockPurpose purpose)
        {
            CheckOpen();
            lock (volume._sync)
            {
                volume.Counters.Creates++;
                volume.Check(purpose is BlockPurpose.Data or BlockPurpose.CatalogNode, $"Create of a {purpose} block");
                Overwrite(block, purpose);
                Span<byte> content = volume.Content(block.Value);
                content.Clear();
                return content;
            }
        }

        public void WriteData(BlockRun run, ReadOnlySpan<byte> data, bool fresh = false)
        {
            CheckOpen();
            volume.Check(
                run.Count >= 1 && data.Length == (long)run.Count * volume.BlockSize, "WriteData: length is not the run's");
            lock (volume._sync)
            {
                volume.Counters.DataWriteCalls++;
                volume.Counters.DataBlocksWritten += run.Count;
                volume.Counters.FreshBlocksWritten += fresh ? run.Count : 0;
                for (int i = 0; i < run.Count; i++)
                {
                    BlockNumber block = run.First + i;
                    volume.CheckAllocated(block);
                    bool isFresh = _allocatedIn[block.Value] == _id && volume._purpose[block.Value] == BlockPurpose.None;
                    volume.Check(!fresh || isFresh, $"block {block.Value} is written as fresh and is not");
                    Overwrite(block, BlockPurpose.Data);
                    data.Slice(i * volume.BlockSize, volume.BlockSize).CopyTo(volume.Content(block.Value));
                }
            }
        }

        public BlockRun Allocate(int count, BlockNumber goal)
        {
            CheckOpen();
            lock (volume._sync)
            {
                volume.Check(count >= 1, $"Allocate({count})");
                volume.Check(goal.Value >= 0 && goal.Value <= volume.TotalBlocks, $"Allocate near block {goal.Value}");
                volume.Check(
                    _allocations + count <= _allocationsReserved,
                    $"Allocate({count}) after {_allocations} of {_allocationsReserved} reserved");
                volume.Counters.AllocateCalls++;
                int wanted = Math.Min(count, volume._options.MaxRun);
                long start = goal.Value;
                if (volume._fragmenter is { } random)
                {
                    wanted = Math.Min(wanted, random.Next(1, 5));
                    start = random.NextInt64(volume.TotalBlocks);
                }

                BlockRun run = FindFree(start, wanted);
                for (int i = 0; i < run.Count; i++)
                {
                    long b = run.First.Value + i;
                    SaveState(b);
                    volume._allocated[b] = true;
                    volume._purpose[b] = BlockPurpose.None;
                    volume._unreadable[b] = false;
                    _allocatedIn[b] = _id;
                    CountChanged(b);
                }

                _allocations += run.Count;
                volume._free -= run.Count;
                volume.Counters.BlocksAllocated += run.Count;
                return run;
            }
        }

        public void Free(BlockRun run)
        {
            CheckOpen();
            lock (volume._sync)
            {
                volume.Check(run.Count >= 1, $"Free of {run.Count} blocks");
                for (int i = 0; i < run.Count; i++)
                {
                    BlockNumber block = run.First + i;
                    volume.CheckAllocated(block);
                    long b = block.Value;
                    volume.Check(volume._frameLeases[volume._frameOf[b]] == 0, $"block {b} is freed while leased");
                    SaveState(b);
                    volume._allocated[b] = false;
                    volume._purpose[b] = BlockPurpose.None;
                    volume._unreadable[b] = false;
                    _freedIn[b] = _id;
                    int group = (int)(b / volume._options.GroupBlocks);
                    if (_groupIn[group] != _id)
                    {
                        _groupIn[group] = _id;
                        Count(1);
                    }
                }

                volume._free += run.Count;
                volume.Counters.BlocksFreed += run.Count;
            }
        }

        public void Complete()
        {
            CheckOpen();
            _complete = true;
        }

        public void Dispose()
        {
            if (!_active)
            {
                return;
            }

            volume.Check(_thread == Environment.CurrentManagedThreadId, "a scope is left by another thread");
            _active = false;
            foreach (ref Saved saved in System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_saved))
            {
                if (!_complete)
                {
                    if (saved.Frame != StateOnly)
                    {
                        Abandon(volume._frameOf[saved.Block]);
                        volume._frameOf[saved.Block] = saved.Frame;
                    }

                    volume._purpose[saved.Block] = saved.Purpose;
                    volume._allocated[saved.Block] = saved.Allocated;
                    volume._unreadable[saved.Block] = saved.Unreadable;
                }
                else if (saved.Frame != StateOnly)
                {
                    Abandon(saved.Frame);
                }
            }

            _saved.Clear();
            if (_complete)
            {
                volume.Counters.Completed++;
                volume.Counters.LastOperationBlocks = _blocks;
            }
            else
            {
                volume.Counters.Undone++;
                _oldRoot.CopyTo(volume._root, 0);
                volume._free = _oldFree;
            }

            volume.OperationEnded?.Invoke(_complete);
            volume.CheckLeaseless();
            volume._gate.ExitWriteLock();
        }

        public void ChargeVirtual(int blocks, int allocations)
        {
            CheckOpen();
            Count(blocks);
            _allocations += allocations;
            volume.Check(
                _allocations <= _allocationsReserved, $"{_allocations} allocations of {_allocationsReserved} reserved");
        }

        private void CheckOpen()
        {
            volume.Check(_active, "the operation has ended");
            volume.Check(!_complete, "the operation is complete");
            volume.Check(_thread == Environment.CurrentManagedThreadId, "the operation belongs to another thread");
        }

        private void Overwrite(BlockNumber block, BlockPurpose purpose)
        {
            volume.CheckAllocated(block);
            BlockPurpose old = volume._purpose[block.Value];
            volume.Check(
                old == BlockPurpose.None || old == purpose, $"block {block.Value} is {old}, overwritten as {purpose}");
            Change(block.Value, keepContent: false);
            volume._purpose[block.Value] = purpose;
            volume._unreadable[block.Value] = false;
        }

        /// <summary>Before the content changes: keeps the old state, and poisons what older leases see.</summary>
        private void Change(long block, bool keepContent)
        {
            Save(block);
            int frame = volume._frameOf[block];
            if (volume._frameLeases[frame] != 0)
            {
                MoveToNewFrame(block, keepContent);
                new Span<byte>((void*)volume.Address(frame), volume.BlockSize).Fill(Poison);
                Abandon(frame);
            }

            CountChanged(block);
        }

        private void Save(long block)
        {
            if (_savedIn[block] == _id)
            {
                return;
            }

            _savedIn[block] = _id;
            int old = volume._frameOf[block];
            int kept = volume._frameLeases[old] == 0 ? old : TakeFrame();
            if (kept != old)
            {
                // The leased frame stays the current one until Change moves on; what is kept for undo is a copy.
                new Span<byte>((void*)volume.Address(old), volume.BlockSize)
                    .CopyTo(new Span<byte>((void*)volume.Address(kept), volume.BlockSize));
            }
            else
            {
                MoveToNewFrame(block, keepContent: true);
            }

            _saved.Add(new Saved(
                block, kept, volume._purpose[block], volume._allocated[block], volume._unreadable[block]));
        }

        /// <summary>For a block that becomes free or was free: its content stays where it is, or is nobody's.</summary>
        private void SaveState(long block)
        {
            if (_savedIn[block] != _id)
            {
                _savedIn[block] = _id;
                _saved.Add(new Saved(
                    block, StateOnly, volume._purpose[block], volume._allocated[block], volume._unreadable[block]));
            }
        }

        private void MoveToNewFrame(long block, bool keepContent)
        {
            int frame = TakeFrame();
            if (keepContent)
            {
                volume.Content(block).CopyTo(new Span<byte>((void*)volume.Address(frame), volume.BlockSize));
            }

            volume._frameOf[block] = frame;
        }

        private int TakeFrame()
        {
            volume.Check(volume._freeFrames.Count > 0, "the test volume has no frame left: the operation saves too many blocks");
            return volume._freeFrames.Pop();
        }

        private void Abandon(int frame)
        {
            if (volume._frameLeases[frame] == 0)
            {
                volume._freeFrames.Push(frame);
            }
            else
            {
                volume._frameAbandoned[frame] = true;
            }
        }

        private void CountChanged(long block)
        {
            if (_changedIn[block] != _id)
            {
                _changedIn[block] = _id;
                Count(1);
            }
        }

        private void Count(int blocks)
        {
            _blocks += blocks;
            volume.Check(_blocks <= _blocksReserved, $"{_blocks} blocks changed of {_blocksReserved} reserved");
        }

        /// <summary>Free, and not freed by this operation: content of that is needed until it is committed.</summary>
        private bool IsFree(long block) => !volume._allocated[block] && _freedIn[block] != _id;

        private BlockRun FindFree(long goal, int wanted)
        {
            long total = volume.TotalBlocks;
            for (long n = 0; n < total; n++)
            {
                long first = (goal + n) % total;
                if (!IsFree(first))
                {
                    continue;
                }

                int count = 1;
                while (count < wanted && first + count < total && IsFree(first + count))
                {
                    count++;
                }

                return new BlockRun(new BlockNumber(first), count);
            }

            volume.Break("no free block for a reserved allocation: freed blocks of the same operation do not count");
            return default;
        }

        private readonly record struct Saved(
            long Block, int Frame, BlockPurpose Purpose, bool Allocated, bool Unreadable);
    }
}
