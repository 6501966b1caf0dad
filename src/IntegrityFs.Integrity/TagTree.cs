// Promise: Find returns the entry that the key holder's file system last checkpointed for a block, or throws.
// Trust: every node is verified against its parent's entry before one byte of it is used, up to the root entry, which the
// superblock's MAC covers. Order on the device: Apply writes changed nodes only into the slot that the durable tree does
// not use; the caller flushes, then makes the returned root durable. So a crash at any moment leaves the old tree whole.
// Interior nodes are written twice; a bad copy is replaced by the good one when found on a writable device.
// Threads: Find from many at once; Apply from one, beside readers. Until the caller swaps the root in, readers must not
// ask for blocks that Apply changes (the volume answers those from its pending map).
// Cost: Find is one lock and one dictionary look-up when the leaf is cached; a miss reads and hashes one node per level.
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Integrity;

/// <summary>A leaf that is about to be read.</summary>
/// <param name="Leaf">Which.</param>
/// <param name="Expected">What it must be.</param>
/// <param name="Seen">When that was said.</param>
/// <param name="Offset">Where it stands on the device, in bytes.</param>
public readonly record struct LeafFetch(TagNode Leaf, TagEntry Expected, ulong Seen, long Offset);

/// <summary>The hash tree over all tags of a volume.</summary>
public sealed partial class TagTree : IDisposable
{
    private readonly IDevice _device;
    private readonly VolumeGeometry _geometry;
    private readonly AuthenticatorPool _authenticators;
    private readonly NodeCache _cache;
    private readonly Lock _lock = new();
    private TagEntry _root;

    // Nodes that the Apply under way has written: until it ends, the entries above them may be the old ones.
    private readonly HashSet<long> _rewritten = [];
    private ulong _changes;
    private long _repairs;
    private long _lostLeaves;

    /// <summary>Opens the tree under an authenticated root entry; keeps at most <paramref name="cachedNodes"/> nodes.</summary>
    public TagTree(IDevice device, VolumeGeometry geometry, AuthenticatorPool authenticators, TagEntry root, int cachedNodes)
    {
        _device = device;
        _geometry = geometry;
        _authenticators = authenticators;
        _root = root;
        _cache = new NodeCache(Math.Max(cachedNodes, 4 * (geometry.Levels + 2)), geometry.BlockSize);
    }

    /// <summary>Bad copies of interior nodes that were found and, on a writable device, replaced.</summary>
    public long Repairs => Interlocked.Read(ref _repairs);

    /// <summary>Bad leaves that were begun anew.</summary>
    public long LostLeaves => Interlocked.Read(ref _lostLeaves);

    /// <summary>Writes nothing of its own accord, whatever the device would allow.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Skips every comparison of tags; for showing that tests notice.</summary>
    internal bool VerifyNothing { get; init; }

    /// <summary>Overwrites live slots; likewise.</summary>
    internal bool WrongSlot { get; init; }

    /// <summary>The verified entry of a block.</summary>
    /// <exception cref="IntegrityException">A node on the path is bad in every copy.</exception>
    public TagEntry Find(long block)
    {
        TagEntry entry = default;
        Find(block, new Span<TagEntry>(ref entry));
        return entry;
    }

    /// <summary>Copies the verified entries of blocks under one leaf (no more than lie under it).</summary>
    public void Find(long first, Span<TagEntry> entries)
    {
        TagNode leaf = _geometry.LeafOf(first);
        int index = _geometry.IndexInLeaf(first);
        ulong seen;
        lock (_lock)
        {
            if (TryCopyEntries(leaf, index, entries))
            {
                return;
            }

            seen = _changes;
        }

        Load(leaf, index, entries, seen);
    }

    /// <summary>As <see cref="Find(long, Span{TagEntry})"/>, where the leaf is in memory; else false.</summary>
    public bool TryFindCached(long first, Span<TagEntry> entries)
    {
        lock (_lock)
        {
            return TryCopyEntries(_geometry.LeafOf(first), _geometry.IndexInLeaf(first), entries);
        }
    }

    /// <summary>Begins to fetch the leaf over a block together with blocks under it: the caller reads both at once.</summary>
    /// <param name="block">A block under the leaf.</param>
    /// <param name="fetch">What <see cref="TryEndFetch"/> needs, and where the leaf is to be read.</param>
    /// <returns>False where the leaf is in memory or absent: then <see cref="Find(long, Span{TagEntry})"/> tells.</returns>
    public bool TryBeginFetch(long block, out LeafFetch fetch)
    {
        fetch = default;
        TagNode leaf = _geometry.LeafOf(block);
        ulong seen;
        lock (_lock)
        {
            if (_cache.TryGet(leaf.Key, out _))
            {
                return false;
            }

            seen = _changes;
        }

        TagEntry expected = ExpectedEntry(leaf, seen);
        if (expected.IsAbsent || expected.Kind > 1)
        {
            return false;
        }

        fetch = new LeafFetch(leaf, expected, seen, _geometry.NodeOffset(leaf, expected.Kind, 0));
        return true;
    }

    /// <summary>Verifies a leaf that the caller has read, and copies entries of it.</summary>
    /// <param name="fetch">From <see cref="TryBeginFetch"/>, before the read.</param>
    /// <param name="bytes">What stood at the fetch's offset.</param>
    /// <param name="first">The first block whose entry is wanted.</param>
    /// <param name="entries">No more than lie under the leaf.</param>
    /// <returns>False where it does not verify: then <see cref="Find(long, Span{TagEntry})"/> tells.</returns>
    public bool TryEndFetch(in LeafFetch fetch, ReadOnlySpan<byte> bytes, long first, Span<TagEntry> entries)
    {
        if (_authenticators.Current.TagOfNode(fetch.Leaf, fetch.Expected.Version, bytes) != fetch.Expected.Tag && !VerifyNothing)
        {
            return false;
        }

        CopyEntries(bytes, _geometry.IndexInLeaf(first), entries);
        lock (_lock)
        {
            if (MayKeep(fetch.Leaf, fetch.Seen) && !_cache.TryGet(fetch.Leaf.Key, out _))
            {
                int rented = _cache.Rent();
                bytes.CopyTo(_cache.Buffer(rented));
                _cache.Insert(fetch.Leaf.Key, rented);
            }
        }

        return true;
    }

    private bool MayKeep(TagNode node, ulong seen) => _changes == seen && !_rewritten.Contains(node.Key);

    /// <summary>Writes new entries for blocks (ascending) into the tree's free slots and returns the new root's entry. The
    /// caller flushes and stores it. After an exception the tree must not be used for changes any more.</summary>
    public TagEntry Apply(ReadOnlySpan<(long Block, TagEntry Entry)> changes, ulong generation)
    {
        if (changes.IsEmpty)
        {
            return _root;
        }

        using var scratch = new AlignedMemory(_geometry.BlockSize * (_geometry.Levels + 1));
        TagEntry root = Rewrite(_geometry.Root, _root, changes, generation, scratch);
        lock (_lock)
        {
            _root = root;
            _changes++;
            _rewritten.Clear();
        }

        return root;
    }

    /// <inheritdoc/>
    public void Dispose() => _cache.Dispose();

    private static TagEntry EntryAt(ReadOnlySpan<byte> node, int index) =>
        TagEntry.Read(node.Slice(index * TagEntryLayout.Size, TagEntryLayout.Size));

    /// <summary>Rewrites one node with all changes below it, children first.</summary>
    private TagEntry Rewrite(TagNode node, TagEntry old, ReadOnlySpan<(long Block, TagEntry Entry)> changes, ulong generation, AlignedMemory scratch)
    {
        int size = _geometry.BlockSize;
        Span<byte> bytes = scratch.Span.Slice(node.Level * size, size);
        if (!TryCopyCached(node, bytes))
        {
            ReadForChange(node, old, bytes);
        }

        if (node.Level == 0)
        {
            foreach ((long block, TagEntry entry) in changes)
            {
                entry.Write(bytes[(_geometry.IndexInLeaf(block) * TagEntryLayout.Size)..]);
            }
        }
        else
        {
            int start = 0;
            while (start < changes.Length)
            {
                TagNode child = ChildOver(node, changes[start].Block);
                int end = start + 1;
                while (end < changes.Length && ChildOver(node, changes[end].Block) == child)
                {
                    end++;
                }

                Span<byte> slot = bytes.Slice(_geometry.IndexInParent(child) * TagEntryLayout.Size, TagEntryLayout.Size);
                Rewrite(child, TagEntry.Read(slot), changes[start..end], generation, scratch).Write(slot);
                start = end;
            }
        }

        byte target = (byte)(old.IsAbsent ? 0 : WrongSlot ? old.Kind : 1 - old.Kind);
        for (int copy = 0; copy < VolumeGeometry.CopiesOf(node); copy++)
        {
            _device.Write(_geometry.NodeOffset(node, target, copy), bytes);
        }

        Tag tag = _authenticators.Current.TagOfNode(node, generation, bytes);
        lock (_lock)
        {
            _changes++;
            _rewritten.Add(node.Key);
            _cache.Replace(node.Key, bytes);
        }

        return new TagEntry(generation, target, tag);
    }

    /// <summary>A leaf that is bad begins anew: what the changes do not name has no valid tag any more and reads as an
    /// error until it is overwritten. So a bad leaf costs what it covers, not the volume.</summary>
    private void ReadForChange(TagNode node, TagEntry old, Span<byte> bytes)
    {
        try
        {
            ReadNode(node, old, bytes);
        }
        catch (IntegrityException) when (node.Level == 0)
        {
            Interlocked.Increment(ref _lostLeaves);
            bytes.Clear();
        }
    }

    private bool TryCopyCached(TagNode node, Span<byte> destination)
    {
        lock (_lock)
        {
            if (!_cache.TryGet(node.Key, out Span<byte> bytes))
            {
                return false;
            }

            bytes.CopyTo(destination);
            return true;
        }
    }

    private TagNode ChildOver(TagNode node, long block)
    {
        TagNode child = _geometry.LeafOf(block);
        while (child.Level < node.Level - 1)
        {
            child = _geometry.ParentOf(child);
        }

        return child;
    }

    /// <summary>Reads a node, and what it needs above it, gives its entries from <paramref name="index"/> on, and keeps it
    /// in the cache where that is safe. Beside an Apply the node may be the older one; it is authentic, and says the same
    /// of every block that a reader may ask for. But it must not stay: the older self of a node that was rewritten since
    /// <paramref name="seen"/>, or whose parent still has the old entry, would hide the new one, and the next Apply would
    /// build on it.</summary>
    private void Load(TagNode node, int index, Span<TagEntry> entries, ulong seen)
    {
        TagEntry expected = ExpectedEntry(node, seen);
        int rented;
        Span<byte> buffer;
        lock (_lock)
        {
            rented = _cache.Rent();
            buffer = _cache.Buffer(rented);
        }

        bool filled = false;
        try
        {
            ReadNode(node, expected, buffer);
            CopyEntries(buffer, index, entries);
            filled = true;
        }
        finally
        {
            lock (_lock)
            {
                if (filled && MayKeep(node, seen))
                {
                    _cache.Insert(node.Key, rented);
                }
                else
                {
                    _cache.Return(rented);
                }
            }
        }
    }

    private TagEntry ExpectedEntry(TagNode node, ulong seen)
    {
        if (node.Level == _geometry.Levels)
        {
            lock (_lock)
            {
                return _root;
            }
        }

        TagNode parent = _geometry.ParentOf(node);
        int index = _geometry.IndexInParent(node);
        TagEntry entry = default;
        var one = new Span<TagEntry>(ref entry);
        lock (_lock)
        {
            if (TryCopyEntries(parent, index, one))
            {
                return entry;
            }
        }

        Load(parent, index, one, seen);
        return entry;
    }

    private bool TryCopyEntries(TagNode node, int index, Span<TagEntry> entries)
    {
        if (!_cache.TryGet(node.Key, out Span<byte> bytes))
        {
            return false;
        }

        CopyEntries(bytes, index, entries);
        return true;
    }

    private static void CopyEntries(ReadOnlySpan<byte> node, int index, Span<TagEntry> entries)
    {
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i] = EntryAt(node, index + i);
        }
    }

    private void ReadNode(TagNode node, TagEntry expected, Span<byte> bytes)
    {
        if (expected.IsAbsent)
        {
            bytes.Clear();
            return;
        }

        if (expected.Kind > 1)
        {
            throw new CorruptFormatException($"tag node {node.Index} of level {node.Level}: slot {expected.Kind} does not exist");
        }

        int copies = VolumeGeometry.CopiesOf(node);
        for (int attempt = 0; attempt < 2 * copies; attempt++)
        {
            int copy = attempt % copies;
            try
            {
                _device.Read(_geometry.NodeOffset(node, expected.Kind, copy), bytes);
            }
            catch (DeviceException) when (attempt < copies - 1)
            {
                // The other copy may be readable.
                continue;
            }

            if (_authenticators.Current.TagOfNode(node, expected.Version, bytes) == expected.Tag || VerifyNothing)
            {
                if (attempt > 0 && copies > 1)
                {
                    RepairCopy(node, expected, copies - 1 - copy, bytes);
                }

                return;
            }
        }

        throw new IntegrityException(Zone.TagTree, node.Index, $"node {node.Index} of level {node.Level} of the tag tree is not authentic in any copy");
    }

    /// <summary>Puts the good copy over the bad one. Not ordered with anything: both hold the durable tree's content.</summary>
    private void RepairCopy(TagNode node, TagEntry entry, int badCopy, ReadOnlySpan<byte> good)
    {
        Interlocked.Increment(ref _repairs);
        if (!_device.IsReadOnly && !ReadOnly)
        {
            _device.Write(_geometry.NodeOffset(node, entry.Kind, badCopy), good);
        }
    }
}
