// Promise: a read is queued only where the ordinary way would read the same bytes from the same place: the blocks are neither
// in the cache nor pending, and lie under one leaf (see VolumeReadQueue).
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Volume;

public sealed partial class ProtectedVolume
{
    /// <inheritdoc/>
    public VolumeReadQueue? TryOpenReadQueue(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, VolumeReadQueue.MostCapacity);
        return _device.TryOpenReadQueue(2 * capacity) is { } queue ? new VolumeReadQueue(this, queue, capacity) : null;
    }

    /// <summary>Byte offset of a block on the device.</summary>
    internal long OffsetOf(long block) => _geometry.BlockOffset(block);

    /// <summary>Whether data blocks can be read from their place, and what they must be.</summary>
    /// <param name="first">The first.</param>
    /// <param name="entries">Gets their entries where the leaf is in memory.</param>
    /// <param name="found">It is; else <paramref name="fetch"/> says what to read.</param>
    /// <param name="fetch">The leaf, for <see cref="TryEndFetch"/>.</param>
    internal bool TryBeginRead(long first, Span<TagEntry> entries, out bool found, out LeafFetch fetch)
    {
        found = false;
        fetch = default;
        if (entries.IsEmpty || entries.Length > _geometry.ContiguousFrom(first))
        {
            return false;
        }

        CheckBlock(first);
        CheckBlock(first + entries.Length - 1);
        if (CountUntouched(first, entries.Length) < entries.Length)
        {
            return false;
        }

        found = _tree.TryFindCached(first, entries);
        return found || _tree.TryBeginFetch(first, out fetch);
    }

    /// <summary>Verifies a leaf that was read, and gives the entries of its blocks.</summary>
    internal bool TryEndFetch(in LeafFetch fetch, ReadOnlySpan<byte> leaf, long first, Span<TagEntry> entries) =>
        _tree.TryEndFetch(fetch, leaf, first, entries);

    /// <summary>Sets the tags of blocks.</summary>
    internal void TagAll(Span<TagWork> work)
    {
        Interlocked.Add(ref _blocksVerified, work.Length);
        _authenticators.Current.TagBlocks(work, BlockSize);
    }
}
