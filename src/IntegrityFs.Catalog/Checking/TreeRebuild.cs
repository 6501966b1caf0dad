// Promise: builds a new tree from the items of leaves that verify, in blocks that are free, and makes it the catalog's by one
// operation; until then the old tree is untouched, so a crash leaves the old one and blocks that nothing uses. The old
// nodes are freed by the check that follows, as leaked.
// Leaves come from the old tree where it can be gone through, else from a scan of all blocks that are in use and whose tags
// say "catalog node"; of two items with one key the one in the block written later stays.
// Memory: 40 bytes for each leaf, and the keys of those leaves whose ranges overlap.
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>Builds the catalog's tree anew.</summary>
internal sealed class TreeRebuild(ProtectedVolume volume, ulong newSeed)
{
    /// <summary>Builds; null leaves: scans for them. False where there is no room.</summary>
    public bool Run(IReadOnlyList<CheckedLeaf>? known)
    {
        List<Source> sources;
        using (volume.EnterRead())
        {
            sources = known is null ? Scan() : FromWalk(known);
        }

        sources.Sort(static (a, b) => a.Least.CompareTo(b.Least));
        var builder = new TreeBuilder(volume);
        ulong highest = 0;
        long inodes = 0;
        if (!Merge(sources, builder, ref highest, ref inodes) || !builder.Finish(out CatalogRoot built))
        {
            return false;
        }

        return Switch(built, highest, inodes);
    }

    private List<Source> FromWalk(IReadOnlyList<CheckedLeaf> known)
    {
        var sources = new List<Source>(known.Count);
        foreach (CheckedLeaf leaf in known)
        {
            if (!AddLeaf(sources, leaf.Address.Block) && leaf.Address.HasMirror)
            {
                AddLeaf(sources, leaf.Address.Mirror);
            }
        }

        return sources;
    }

    private List<Source> Scan()
    {
        var sources = new List<Source>();
        for (long block = 1; block < volume.TotalBlocks; block++)
        {
            var number = new BlockNumber(block);
            if (volume.PurposeOf(number) == BlockPurpose.CatalogNode && MayBeUsed(number))
            {
                AddLeaf(sources, number);
            }
        }

        return sources;
    }

    private bool MayBeUsed(BlockNumber block)
    {
        try
        {
            return volume.IsAllocated(block);
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException)
        {
            return true;
        }
    }

    private bool AddLeaf(List<Source> sources, BlockNumber block)
    {
        if (ReadKeys(block) is not { } keys)
        {
            return false;
        }

        if (keys.Count > 0)
        {
            sources.Add(new Source(keys[0].Key, block, volume.VersionOf(block)));
        }

        return true;
    }

    /// <summary>The keys of a leaf that can be taken over, in order, each with its place; null where it is no leaf.</summary>
    private List<(CatalogKey Key, int Index)>? ReadKeys(BlockNumber block)
    {
        try
        {
            using BlockLease lease = volume.Read(block, BlockPurpose.CatalogNode);
            CatalogNodeView view = CatalogNodeView.Open(lease.Span, 0);
            var keys = new List<(CatalogKey Key, int Index)>(view.Count);
            for (int i = 0; i < view.Count; i++)
            {
                if (TryItem(view, i, out CatalogKey key))
                {
                    keys.Add((key, i));
                }
            }

            keys.Sort(static (a, b) => a.Key.CompareTo(b.Key));
            return keys;
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException or DeviceException)
        {
            return null;
        }
    }

    private static bool TryItem(CatalogNodeView view, int index, out CatalogKey key)
    {
        try
        {
            key = view.Key(index);
            _ = view.Value(index);
            return key > CatalogKey.Lowest && key < CatalogTree.Highest;
        }
        catch (CorruptFormatException)
        {
            key = default;
            return false;
        }
    }

    /// <summary>Gives all items to the builder in key order. A leaf is opened when its least key is reached.</summary>
    private bool Merge(List<Source> sources, TreeBuilder builder, ref ulong highest, ref long inodes)
    {
        var open = new PriorityQueue<OpenLeaf, (CatalogKey Key, ulong Age)>(Comparer<(CatalogKey Key, ulong Age)>.Create(
            static (a, b) => a.Key.CompareTo(b.Key) is int order && order != 0 ? order : a.Age.CompareTo(b.Age)));
        int next = 0;
        CatalogKey last = CatalogKey.Lowest;
        while (next < sources.Count || open.Count > 0)
        {
            while (next < sources.Count && (open.Count == 0 || sources[next].Least <= open.Peek().Key))
            {
                Source source = sources[next++];
                if (ReadKeysInScope(source.Block) is { Count: > 0 } keys)
                {
                    open.Enqueue(new OpenLeaf(source, keys), (keys[0].Key, ~source.Version));
                }
            }

            if (!open.TryDequeue(out OpenLeaf? leaf, out (CatalogKey Key, ulong Age) at))
            {
                continue;
            }

            if (at.Key > last)
            {
                last = at.Key;
                if (!Append(builder, leaf, at.Key))
                {
                    return false;
                }

                if (at.Key.Kind == ItemKind.Inode)
                {
                    inodes++;
                    highest = at.Key.Inode < ulong.MaxValue >> 2 ? Math.Max(highest, at.Key.Inode) : highest;
                }
            }

            if (leaf.MoveNext())
            {
                open.Enqueue(leaf, (leaf.Key, ~leaf.Source.Version));
            }
        }

        return true;
    }

    private List<(CatalogKey Key, int Index)>? ReadKeysInScope(BlockNumber block)
    {
        using ReadScope scope = volume.EnterRead();
        return ReadKeys(block);
    }

    private bool Append(TreeBuilder builder, OpenLeaf leaf, in CatalogKey key)
    {
        byte[] value = new byte[CatalogNodeLayout.MaxValueLength(volume.BlockSize)];
        int length;
        using (volume.EnterRead())
        {
            using BlockLease lease = volume.Read(leaf.Source.Block, BlockPurpose.CatalogNode);
            ReadOnlySpan<byte> found = CatalogNodeView.Open(lease.Span, 0).Value(leaf.Index);
            found.CopyTo(value);
            length = found.Length;
        }

        return builder.Append(key, value.AsSpan(0, length));
    }

    private bool Switch(CatalogRoot built, ulong highest, long inodes)
    {
        if (volume.Begin(2, 0, out IVolumeOperation operation) != Errno.OK)
        {
            return false;
        }

        using (operation)
        {
            CatalogRoot root = built;
            root.HashSeed = newSeed;
            root.NextInode = highest + 1;
            root.Inodes = (ulong)inodes;
            try
            {
                CatalogRoot old = CatalogRoot.Read(operation.Root, volume.TotalBlocks);
                root.HashSeed = old.HashSeed;
                root.NextInode = old.NextInode < ulong.MaxValue >> 2 ? Math.Max(old.NextInode, root.NextInode) : root.NextInode;
            }
            catch (CorruptFormatException)
            {
                root.HashSeed = SeedOf(operation.Root);
            }

            root.Write(operation.Root);
            operation.Complete();
            return true;
        }
    }

    /// <summary>The seed of a root that is bad elsewhere; a new one where nothing is left of it.</summary>
    private ulong SeedOf(ReadOnlySpan<byte> area)
    {
        ulong seed = System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(area[CatalogRootLayout.HashSeedOffset..]);
        return seed != 0 ? seed : newSeed;
    }

    private readonly record struct Source(CatalogKey Least, BlockNumber Block, ulong Version);

    private sealed class OpenLeaf(Source source, List<(CatalogKey Key, int Index)> keys)
    {
        private int _position;

        public Source Source => source;

        public CatalogKey Key => keys[_position].Key;

        public int Index => keys[_position].Index;

        public bool MoveNext() => ++_position < keys.Count;
    }
}
