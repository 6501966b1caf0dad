// Promise: as ProtectedVolume.Reading.cs says: nothing enters the cache that was not verified. A catalog node that has to
// come from its place at home brings the nodes beside it along: leaves are allocated side by side as names and inodes
// arrive, so who walks a tree needs them next. What looks wrong in a neighbour is nobody's concern until it is asked for.
// Cost: one device read of up to 64 KiB where there would be one of a block for each node; one HMAC and one copy for each
// node that was not there; no allocation once warm.
using System.Diagnostics.CodeAnalysis;
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Volume;

public sealed partial class ProtectedVolume
{
    private const int NodesAround = 16;
    private readonly Lock _windowLock = new();
    private readonly Stack<AlignedMemory> _windows = new();

    /// <summary>Loads a node and the nodes that lie directly beside it; the one asked for comes pinned. False where it is
    /// alone, pending, or does not verify: the ordinary way will tell.</summary>
    private bool TryLoadAround(long block, [NotNullWhen(true)] out CachedBlock? loaded)
    {
        loaded = null;
        if (_pending.TryGet(block, out _))
        {
            return false;
        }

        Span<TagEntry> entries = stackalloc TagEntry[NodesAround];
        long window = block - (block % NodesAround);
        entries = entries[..(int)Math.Min(NodesAround, TotalBlocks - window)];
        _tree.Find(window, entries);
        int first = (int)(block - window);
        int end = first + 1;
        while (first > 0 && IsUnreadNode(window + first - 1, entries[first - 1]))
        {
            first--;
        }

        while (end < entries.Length && IsUnreadNode(window + end, entries[end]))
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
            loaded = Admit(window + first, block, entries[first..end], content);
        }
        finally
        {
            lock (_windowLock)
            {
                _windows.Push(memory);
            }
        }

        return loaded is not null;
    }

    private bool IsUnreadNode(long block, TagEntry entry) =>
        !entry.IsAbsent && entry.Kind == (byte)BlockPurpose.CatalogNode && !_pending.TryGet(block, out _) && !_cache.Contains(block);

    /// <summary>Puts what verifies into the cache; the wanted block stays pinned.</summary>
    private CachedBlock? Admit(long first, long wanted, ReadOnlySpan<TagEntry> entries, ReadOnlySpan<byte> content)
    {
        CachedBlock? found = null;
        for (int i = 0; i < entries.Length; i++)
        {
            ReadOnlySpan<byte> node = content.Slice(i * BlockSize, BlockSize);
            if (!Verify(first + i, BlockPurpose.CatalogNode, entries[i], node))
            {
                continue;
            }

            CachedBlock reserved = _cache.Reserve();
            node.CopyTo(reserved.Span(BlockSize));
            CachedBlock published = _cache.Publish(reserved, first + i, BlockPurpose.CatalogNode);
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

    private AlignedMemory RentWindow()
    {
        lock (_windowLock)
        {
            if (_windows.TryPop(out AlignedMemory? memory))
            {
                return memory;
            }
        }

        return new AlignedMemory(NodesAround * BlockSize);
    }
}
