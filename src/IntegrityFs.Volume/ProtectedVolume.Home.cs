// Promise: brings pending blocks home in any order among themselves: the old superblock with the journal behind it stays
// good for all of them, and the checkpoint's flush comes after the last. Nothing is written home that does not fit its tag.
// Threads: lanes take runs of neighbours one after the other, so that the device has several writes at a time; with one
// lane everything happens in ascending order. The gate is taken, shared, for the copies of one run.
// Cost: one copy of each block that the cache still has; the others are read from the journal, images that lie together in
// one read, and verified (one HMAC each); each block is written once, up to 128 neighbours in one write.
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Volume;

public sealed partial class ProtectedVolume
{
    [LoggerMessage(2, LogLevel.Error, "block {Block}: its image in the journal is damaged; the block reads as an error until it is overwritten")]
    private static partial void LogLostImage(ILogger logger, long block);

    private sealed class HomeWriter(ProtectedVolume volume) : ILaneWork, IDisposable
    {
        private readonly Lock _lock = new();
        private readonly int _blockSize = volume.BlockSize;
        private AlignedMemory?[] _staging = [];
        private PendingChange[] _changes = [];
        private int _count;
        private int _next;

        /// <summary>Writes everything that is in the journal home; ascending by block.</summary>
        public void Write(ReadOnlySpan<PendingChange> changes, WorkLanes lanes)
        {
            if (_changes.Length < changes.Length)
            {
                _changes = new PendingChange[Math.Max(changes.Length, 2 * _changes.Length)];
            }

            if (_staging.Length < lanes.Count)
            {
                Array.Resize(ref _staging, lanes.Count);
            }

            changes.CopyTo(_changes);
            _count = changes.Length - ((volume.Mutations & Mutation.DropHomeWrite) != 0 ? 1 : 0);
            _next = 0;
            lanes.Run(this);
        }

        void ILaneWork.Run(int lane)
        {
            AlignedMemory staging = _staging[lane] ??= new AlignedMemory(BlocksPerRead * _blockSize);
            while (TryTake(out int first, out int count))
            {
                WriteRun(_changes.AsSpan(first, count), staging.Span);
            }
        }

        public void Dispose()
        {
            foreach (AlignedMemory? memory in _staging)
            {
                memory?.Dispose();
            }
        }

        /// <summary>The next blocks of the list that lie one behind the other on the device.</summary>
        private bool TryTake(out int first, out int count)
        {
            lock (_lock)
            {
                while (_next < _count && _changes[_next].Pending.Place != PendingPlace.Journal)
                {
                    _next++;
                }

                first = _next;
                count = 0;
                long most = first < _count ? Math.Min(BlocksPerRead, volume._geometry.ContiguousFrom(_changes[first].Block)) : 0;
                while (count < most && first + count < _count && _changes[first + count].Block == _changes[first].Block + count
                    && _changes[first + count].Pending.Place == PendingPlace.Journal)
                {
                    count++;
                }

                _next = first + count;
                return count > 0;
            }
        }

        /// <summary>Gathers a run and writes it; a block whose journal image has gone bad is left out (its new tag will
        /// make reads fail rather than show older content).</summary>
        private void WriteRun(ReadOnlySpan<PendingChange> run, Span<byte> staging)
        {
            Span<bool> gathered = stackalloc bool[run.Length];
            CopyClean(run, staging, gathered);
            ReadImages(run, staging, gathered);
            int start = 0;
            for (int i = 0; i < run.Length; i++)
            {
                if (!gathered[i] && !ReadAgain(run[i], staging.Slice(i * _blockSize, _blockSize)))
                {
                    WriteStaged(run, staging, start, i);
                    start = i + 1;
                }
            }

            WriteStaged(run, staging, start, run.Length);
        }

        private void WriteStaged(ReadOnlySpan<PendingChange> run, ReadOnlySpan<byte> staging, int start, int end)
        {
            if (end > start)
            {
                volume._device.Write(volume._geometry.BlockOffset(run[start].Block), staging[(start * _blockSize)..(end * _blockSize)]);
            }
        }

        /// <summary>Takes what the cache has in exactly the version that is pending.</summary>
        private void CopyClean(ReadOnlySpan<PendingChange> run, Span<byte> staging, Span<bool> gathered)
        {
            volume._gate.EnterShared();
            try
            {
                for (int i = 0; i < run.Length; i++)
                {
                    gathered[i] = TryCopyClean(run[i], staging.Slice(i * _blockSize, _blockSize));
                }
            }
            finally
            {
                volume._gate.LeaveShared();
            }
        }

        private bool TryCopyClean(in PendingChange change, Span<byte> destination)
        {
            if (!volume._pending.TryGet(change.Block, out PendingBlock now) || now.Entry.Stamp != change.Pending.Entry.Stamp
                || !volume._cache.TryPin(change.Block, out CachedBlock cached))
            {
                return false;
            }

            bool clean = cached.State == BlockState.Clean;
            if (clean)
            {
                cached.Span(_blockSize).CopyTo(destination);
            }

            volume._cache.Unpin(cached);
            return clean;
        }

        /// <summary>Reads images that lie one behind the other in the journal together; what does not fit its tag stays
        /// ungathered, for a second look.</summary>
        private void ReadImages(ReadOnlySpan<PendingChange> run, Span<byte> staging, Span<bool> gathered)
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
                int untilWrap = volume._geometry.JournalBlocks - (int)(position % (ulong)volume._geometry.JournalBlocks);
                int count = 1;
                while (count < untilWrap && i + count < run.Length && !gathered[i + count]
                    && run[i + count].Pending.Position == position + (ulong)count)
                {
                    count++;
                }

                Span<byte> images = staging.Slice(i * _blockSize, count * _blockSize);
                volume._journal.ReadImage(position, images);
                for (int k = 0; k < count; k++)
                {
                    gathered[i + k] = Fits(run[i + k], images.Slice(k * _blockSize, _blockSize));
                }

                i += count;
            }
        }

        private bool ReadAgain(in PendingChange change, Span<byte> destination)
        {
            volume._journal.ReadImage(change.Pending.Position, destination);
            if (Fits(change, destination))
            {
                return true;
            }

            Interlocked.Increment(ref volume._mismatches);
            LogLostImage(volume.Logger, change.Block);
            return false;
        }

        private bool Fits(in PendingChange change, ReadOnlySpan<byte> content) =>
            volume.Verify(change.Block, (BlockPurpose)change.Pending.Entry.Kind, change.Pending.Entry, content);
    }
}
