// Promise: as ProtectedVolume.Reading.cs says. What is neither cached nor pending is read by one device call for up to
// 1 MiB: over the slots of tag leaves that lie between, which are taken along where they are not in memory. Where the first
// block is not the first under its leaf, that leaf stands apart and is read at the same time. What does not go well here is
// left to the ordinary way, which says what is wrong. A few threads at a time read so (Turnstile).
// Cost: one device read, sometimes two at once, one HMAC for each block and each leaf that was not in memory, no copy but the
// one that hashing several blocks at once takes, no allocation.
using System.Diagnostics;
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Volume;

public sealed unsafe partial class ProtectedVolume
{
    private const int BulkBytes = 1 << 20;
    private const int MaxBulkBlocks = 256;
    private const int MaxBulkLeaves = 8;

    // Measured with two processors: 2 to 4 are about as fast, 1 and all that come are slower by a fifth.
    private const int LeastBulkReads = 3;

    private readonly Turnstile _bulkReads = new(Math.Max(LeastBulkReads, Environment.ProcessorCount), TimeSpan.FromMilliseconds(20));

    /// <summary>Reads blocks straight into the caller's memory and verifies them there.</summary>
    /// <param name="first">The first.</param>
    /// <param name="wanted">How many at most.</param>
    /// <param name="destination">Room for them.</param>
    /// <returns>How many were read; 0 leaves them to the ordinary way.</returns>
    private int ReadBulk(long first, int wanted, Span<byte> destination)
    {
        int count = CountUntouched(first, Math.Min(Math.Min(wanted, MaxBulkBlocks), BulkBytes / BlockSize));
        if (count < BlocksAround)
        {
            return 0;
        }

        AlignedMemory between = RentWindow();
        try
        {
            return ReadLeaves(first, count, destination, between);
        }
        catch (DeviceException)
        {
            return 0;
        }
        catch (IntegrityException) when (_options.ZeroOnMismatch)
        {
            return 0;
        }
        finally
        {
            ReturnWindow(between);
        }
    }

    /// <summary>Reads neighbours and, at the same time, the leaf over them. False where the leaf is in memory, or the device
    /// fails: the ordinary way will tell.</summary>
    private bool TryReadWithLeaf(long first, Span<byte> destination, Span<TagEntry> entries)
    {
        if (!_tree.TryBeginFetch(first, out LeafFetch fetch))
        {
            return false;
        }

        AlignedMemory leaf = RentWindow();
        try
        {
            fixed (byte* memory = destination)
            {
                _device.ReadBoth(_geometry.BlockOffset(first), [new IoSegment((nint)memory, destination.Length)],
                    fetch.Offset, new IoSegment(leaf.Address, BlockSize));
            }

            if (!_tree.TryEndFetch(fetch, leaf.Span[..BlockSize], first, entries))
            {
                _tree.Find(first, entries);
            }
        }
        catch (DeviceException)
        {
            return false;
        }
        finally
        {
            ReturnWindow(leaf);
        }

        VerifyRun(first, entries, destination);
        return true;
    }

    private int CountUntouched(long first, int count)
    {
        count = _cache.CountAbsent(first, count);
        for (int i = 0; i < count; i++)
        {
            if (_pending.TryGet(first + i, out _))
            {
                return i;
            }
        }

        return count;
    }

    private int ReadLeaves(long first, int count, Span<byte> destination, AlignedMemory between)
    {
        Span<LeafPart> parts = stackalloc LeafPart[MaxBulkLeaves];
        int leaves = 0;
        int read = 0;
        fixed (byte* memory = destination)
        {
            Span<IoSegment> segments = stackalloc IoSegment[2 * MaxBulkLeaves];
            int used = 0;
            int pieces = 0;
            long apart = -1;
            long start = _geometry.BlockOffset(first);
            long end = start;
            while (read < count && leaves < MaxBulkLeaves)
            {
                long block = first + read;
                long at = _geometry.BlockOffset(block);
                bool fetched = _tree.TryBeginFetch(block, out LeafFetch fetch);
                if (leaves == 0 && fetched && _geometry.IndexInLeaf(block) == 0)
                {
                    start = end = at - (2 * BlockSize);
                }
                else if (leaves == 0 && fetched)
                {
                    apart = fetch.Offset;
                    used = BlockSize;
                }

                // Two slots, and where a node of a higher level begins its own before them.
                long gap = at - end;
                if (gap > between.Length - used)
                {
                    break;
                }

                if (gap > 0)
                {
                    segments[pieces++] = new IoSegment(between.Address + used, (int)gap);
                    used += (int)gap;
                }

                int stretch = (int)Math.Min(count - read, _geometry.ContiguousFrom(block));
                segments[pieces++] = new IoSegment((nint)(memory + ((long)read * BlockSize)), stretch * BlockSize);
                int slots = Math.Max(used - (2 * BlockSize), 0);
                int slot = apart >= 0 && leaves == 0 ? 0 : slots + (fetch.Expected.Kind * BlockSize);
                parts[leaves++] = new LeafPart(stretch, fetched ? slot : -1, fetch);
                end = at + ((long)stretch * BlockSize);
                read += stretch;
            }

            Debug.Assert(leaves > 0, "the first part needs two blocks between at most");
            ReadInTurn(start, segments[..pieces], apart, new IoSegment(between.Address, BlockSize));
        }

        VerifyLeaves(first, destination, parts[..leaves], between.Span);
        return read;
    }

    private void ReadInTurn(long start, ReadOnlySpan<IoSegment> segments, long apart, IoSegment leaf)
    {
        _bulkReads.Enter();
        try
        {
            if (apart >= 0)
            {
                _device.ReadBoth(start, segments, apart, leaf);
            }
            else
            {
                _device.ReadScatter(start, segments);
            }
        }
        finally
        {
            _bulkReads.Leave();
        }
    }

    private void VerifyLeaves(long first, Span<byte> destination, ReadOnlySpan<LeafPart> parts, ReadOnlySpan<byte> between)
    {
        Span<TagEntry> entries = stackalloc TagEntry[MaxBulkBlocks];
        int done = 0;
        foreach (LeafPart part in parts)
        {
            Span<TagEntry> own = entries[..part.Blocks];
            if (part.Slot < 0 || !_tree.TryEndFetch(part.Fetch, between.Slice(part.Slot, BlockSize), first + done, own))
            {
                _tree.Find(first + done, own);
            }

            VerifyRun(first + done, own, destination.Slice(done * BlockSize, part.Blocks * BlockSize));
            done += part.Blocks;
        }
    }

    /// <summary>Blocks under one leaf.</summary>
    /// <param name="Blocks">How many.</param>
    /// <param name="Slot">Where the leaf is among what lies between; negative where it was in memory.</param>
    /// <param name="Fetch">What the leaf must be.</param>
    private readonly record struct LeafPart(int Blocks, int Slot, LeafFetch Fetch);
}
