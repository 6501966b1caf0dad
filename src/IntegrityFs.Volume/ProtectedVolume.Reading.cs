// Promise: no byte leaves here that was not verified against its entry, in the pending map or the tag tree. On a mismatch
// the block is read once more before it is declared bad. Bulk reads go straight into the caller's memory, then are
// verified there; a caller that gets an exception must not use the memory.
// Cost of ReadData: what is in no cache by ProtectedVolume.Bulk.cs; else for each stretch of neighbours one device read, with
// their leaf at the same time where it is not in memory, and one HMAC per block; no copy (one where the cache has the block),
// no allocation.
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Volume;

public sealed partial class ProtectedVolume
{
    private const int BlocksPerRead = 128;
    private const int MaxZeroedRemembered = 16384;

    private readonly HashSet<long> _zeroed = [];

    /// <inheritdoc/>
    public BlockLease Read(BlockNumber block, BlockPurpose purpose)
    {
        CheckBlock(block.Value);
        if (!_cache.TryPin(block.Value, out CachedBlock cached))
        {
            cached = Load(block.Value, purpose);
        }

        if (cached.Purpose != purpose)
        {
            _cache.Unpin(cached);
            throw new CorruptFormatException($"block {block} is a {cached.Purpose} block, not a {purpose} block");
        }

        return new BlockLease(cached.Address, BlockSize, this, cached);
    }

    /// <inheritdoc/>
    public void ReadData(BlockRun run, Span<byte> destination, bool neighbours = false)
    {
        if (run.Count <= 0 || destination.Length != (long)run.Count * BlockSize)
        {
            throw new ArgumentException("the memory does not fit the run", nameof(destination));
        }

        CheckBlock(run.First.Value);
        CheckBlock(run.End.Value - 1);
        int done = 0;
        while (done < run.Count)
        {
            long block = run.First.Value + done;
            int bulk = ReadBulk(block, run.Count - done, destination[(done * BlockSize)..]);
            if (bulk > 0)
            {
                done += bulk;
                continue;
            }

            int stretch = (int)Math.Min(Math.Min(run.Count - done, BlocksPerRead), _geometry.ContiguousFrom(block));
            if (neighbours && !_cache.Contains(block) && TryLoadAround(block, BlockPurpose.Data, out CachedBlock? together))
            {
                _cache.Unpin(together);
            }

            ReadStretch(block, destination.Slice(done * BlockSize, stretch * BlockSize), stretch);
            done += stretch;
        }
    }

    /// <summary>Reads a block into the cache; pinned.</summary>
    internal CachedBlock Load(long block, BlockPurpose purpose)
    {
        if (purpose == BlockPurpose.CatalogNode && TryLoadAround(block, purpose, out CachedBlock? together))
        {
            return together;
        }

        CachedBlock reserved = _cache.Reserve();
        try
        {
            try
            {
                if (purpose == BlockPurpose.Data)
                {
                    ReadOne(block, reserved.Span(BlockSize));
                }
                else
                {
                    LoadInto(block, purpose, reserved.Span(BlockSize));
                }
            }
            catch (IntegrityException) when (block == VolumeStateBlock.BlockNumber)
            {
                // The next commit that changes the state writes both copies anew.
                LoadInto(VolumeStateBlock.MirrorNumber, purpose, reserved.Span(BlockSize));
                _stateIsDamaged = true;
                LogStateFromMirror(Logger, block, VolumeStateBlock.MirrorNumber);
            }
        }
        catch
        {
            _cache.TakeBack(reserved);
            throw;
        }

        return _cache.Publish(reserved, block, purpose);
    }

    /// <summary>Reads one block from where it stands now and verifies it.</summary>
    private void LoadInto(long block, BlockPurpose purpose, Span<byte> destination)
    {
        bool isPending = _pending.TryGet(block, out PendingBlock pending);
        TagEntry entry = isPending ? pending.Entry : _tree.Find(block);
        if (isPending && pending.Place == PendingPlace.Lost)
        {
            Mismatch(block, purpose, "its image in the journal is damaged");
        }

        ulong position = isPending && pending.Place == PendingPlace.Journal ? pending.Position : ulong.MaxValue;
        for (int attempt = 0; attempt < 2; attempt++)
        {
            if (position != ulong.MaxValue)
            {
                _journal.ReadImage(position, destination);
            }
            else
            {
                _device.Read(_geometry.BlockOffset(block), destination);
            }

            if (Verify(block, purpose, entry, destination))
            {
                return;
            }
        }

        Mismatch(block, purpose, entry.IsAbsent ? "it was never written" : "it does not fit its tag");
    }

    /// <summary>Reads neighbours, at most <see cref="BlocksPerRead"/> under one leaf: those at home together, the others
    /// from the cache or the journal.</summary>
    private void ReadStretch(long first, Span<byte> destination, int count)
    {
        Span<TagEntry> entries = stackalloc TagEntry[count];
        Span<bool> home = stackalloc bool[count];
        bool anyHome = false;
        int unknown = 0;
        for (int i = 0; i < count; i++)
        {
            Span<byte> target = destination.Slice(i * BlockSize, BlockSize);
            home[i] = false;
            if (_cache.TryCopy(first + i, target))
            {
                continue;
            }

            if (_pending.TryGet(first + i, out PendingBlock pending))
            {
                if (pending.Place == PendingPlace.Home)
                {
                    home[i] = anyHome = true;
                    entries[i] = pending.Entry;
                }
                else
                {
                    ReadOne(first + i, target);
                }

                continue;
            }

            home[i] = anyHome = true;
            unknown++;
            entries[i] = TagEntry.Absent;
        }

        if (!anyHome)
        {
            return;
        }

        try
        {
            if (unknown == count && TryReadWithLeaf(first, destination, entries))
            {
                return;
            }

            if (unknown > 0)
            {
                FillFromTree(first, entries, home);
            }

            ReadHome(first, destination, entries, home);
        }
        catch (IntegrityException) when (_options.ZeroOnMismatch)
        {
            // The tags themselves are bad: block by block, each as good as it is.
            for (int i = 0; i < count; i++)
            {
                if (home[i])
                {
                    ReadOne(first + i, destination.Slice(i * BlockSize, BlockSize));
                }
            }
        }
    }

    private void FillFromTree(long first, Span<TagEntry> entries, ReadOnlySpan<bool> home)
    {
        Span<TagEntry> found = stackalloc TagEntry[entries.Length];
        _tree.Find(first, found);
        for (int i = 0; i < entries.Length; i++)
        {
            if (home[i] && entries[i].IsAbsent)
            {
                entries[i] = found[i];
            }
        }
    }

    private void ReadHome(long first, Span<byte> destination, ReadOnlySpan<TagEntry> entries, ReadOnlySpan<bool> home)
    {
        int start = 0;
        while (start < entries.Length)
        {
            if (!home[start])
            {
                start++;
                continue;
            }

            int end = start + 1;
            while (end < entries.Length && home[end])
            {
                end++;
            }

            Span<byte> run = destination[(start * BlockSize)..(end * BlockSize)];
            _device.Read(_geometry.BlockOffset(first + start), run);
            VerifyRun(first + start, entries[start..end], run);
            start = end;
        }
    }

    /// <summary>Reads one data block with the second look and the policy for mismatches.</summary>
    private void ReadOne(long block, Span<byte> target)
    {
        try
        {
            LoadInto(block, BlockPurpose.Data, target);
        }
        catch (IntegrityException mismatch) when (_options.ZeroOnMismatch)
        {
            target.Clear();
            ReportZeroed(block, mismatch.Message);
        }
        catch
        {
            target.Clear();
            throw;
        }
    }

    /// <summary>The allocator passes over a group; the rest of the volume goes on.</summary>
    internal void ReportBitmap(long group, IntegrityException failure) => LogBitmap(Logger, group, failure.Message);

    [LoggerMessage(7, LogLevel.Error, "free space of group {Group} is not used: {Reason}; run the checker, which rebuilds the bitmap")]
    private static partial void LogBitmap(ILogger logger, long group, string reason);

    [LoggerMessage(6, LogLevel.Error, "block {Block}: the volume's state is not authentic there; its second copy in block {Mirror} is used")]
    private static partial void LogStateFromMirror(ILogger logger, long block, long mirror);

    /// <summary>One line for each block that reads as zeros in place of what is there.</summary>
    private void ReportZeroed(long block, string reason)
    {
        lock (_zeroed)
        {
            if (_zeroed.Count >= MaxZeroedRemembered)
            {
                _zeroed.Clear();
            }

            if (!_zeroed.Add(block))
            {
                return;
            }
        }

        LogZeroed(Logger, block, reason);
    }

    [LoggerMessage(8, LogLevel.Error, "block {Block} reads as zeros because of errors=zero: {Reason}; fsck names its file")]
    private static partial void LogZeroed(ILogger logger, long block, string reason);

    private void Mismatch(long block, BlockPurpose purpose, string what)
    {
        Interlocked.Increment(ref _mismatches);
        Zone zone = purpose switch
        {
            BlockPurpose.Data => Zone.Data,
            BlockPurpose.CatalogNode => Zone.Catalog,
            _ => Zone.Allocation,
        };
        throw new IntegrityException(zone, block, $"block {block} ({zone}) is not authentic: {what}");
    }
}
