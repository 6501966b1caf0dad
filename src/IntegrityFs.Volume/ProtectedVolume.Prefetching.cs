// Promise: as ProtectedVolume.Reading.cs says: nothing enters the cache that was not verified. A catalog node that has to
// come from its place at home brings the nodes beside it along, a block of a small file the data beside it: leaves and
// small files are allocated side by side as they arrive, so who walks a tree needs them next. What looks wrong in a
// neighbour is nobody's concern until it is asked for.
// Cost: one device read of up to 16 blocks where there would be one of a block for each; one HMAC and one copy for each
// block that was not there; no allocation once warm.
using System.Diagnostics.CodeAnalysis;
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Volume;

public sealed partial class ProtectedVolume
{
    private const int BlocksAround = 16;
    private readonly Lock _windowLock = new();
    private readonly Stack<AlignedMemory> _windows = new();

    /// <summary>Loads a block and those of the same purpose that lie directly beside it; the one asked for comes pinned.
    /// False where it is alone, pending, or does not verify: the ordinary way will tell.</summary>
    private bool TryLoadAround(long block, BlockPurpose purpose, [NotNullWhen(true)] out CachedBlock? loaded)
    {
        loaded = null;
        if (_pending.TryGet(block, out _))
        {
            return false;
        }

        Span<TagEntry> entries = stackalloc TagEntry[BlocksAround];
        long window = block - (block % BlocksAround);
        entries = entries[..(int)Math.Min(BlocksAround, TotalBlocks - window)];
        _tree.Find(window, entries);
        int first = (int)(block - window);
        int end = first + 1;
        while (first > 0 && IsUnread(window + first - 1, purpose, entries[first - 1]))
        {
            first--;
        }

        while (end < entries.Length && IsUnread(window + end, purpose, entries[end]))
        {
            end++;
        }

        if (end - first < 2)
        {
            return false;
        }

        AlignedMemory memory = RentWindow();
        try
        {
            Span<byte> content = memory.Span[..((end - first) * BlockSize)];
            _device.Read(_geometry.BlockOffset(window + first), content);
            loaded = Admit(window + first, block, purpose, entries[first..end], content);
        }
        finally
        {
            ReturnWindow(memory);
        }

        return loaded is not null;
    }

    private bool IsUnread(long block, BlockPurpose purpose, TagEntry entry) =>
        !entry.IsAbsent && entry.Kind == (byte)purpose && !_pending.TryGet(block, out _) && !_cache.Contains(block);

    /// <summary>Puts what verifies into the cache; the wanted block stays pinned.</summary>
    private CachedBlock? Admit(long first, long wanted, BlockPurpose purpose, ReadOnlySpan<TagEntry> entries, ReadOnlySpan<byte> window)
    {
        CachedBlock? found = null;
        for (int i = 0; i < entries.Length; i++)
        {
            ReadOnlySpan<byte> content = window.Slice(i * BlockSize, BlockSize);
            if (!Verify(first + i, purpose, entries[i], content))
            {
                continue;
            }

            CachedBlock reserved = _cache.Reserve();
            content.CopyTo(reserved.Span(BlockSize));
            CachedBlock published = _cache.Publish(reserved, first + i, purpose);
            if (first + i == wanted)
            {
                found = published;
            }
            else
            {
                _cache.Unpin(published);
            }
        }

        return found;
    }

    private void ReturnWindow(AlignedMemory memory)
    {
        lock (_windowLock)
        {
            _windows.Push(memory);
        }
    }

    private AlignedMemory RentWindow()
    {
        lock (_windowLock)
        {
            if (_windows.TryPop(out AlignedMemory? memory))
            {
                return memory;
            }
        }

        return new AlignedMemory(BlocksAround * BlockSize);
    }
}
