using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Tests.Tree;

/// <summary>A tree on a volume in memory, and an audit of its structure that shares no code with the tree.</summary>
internal sealed class TreeFixture : IDisposable
{
    public TreeFixture(MemoryVolumeOptions? options = null, bool watchCosts = true)
    {
        Volume = new MemoryVolume(options);
        Assert.Equal(Errno.OK, Volume.Begin(4, 2, out IVolumeOperation operation));
        using (operation)
        {
            CatalogTree.Format(Volume, operation, 42);
            operation.Complete();
        }

        Tree = new CatalogTree(Volume);
        WatchCosts = watchCosts;
    }

    public MemoryVolume Volume { get; }

    public CatalogTree Tree { get; }

    /// <summary>Reserve just the bound of the changes, so that a wrong bound is a broken rule.</summary>
    public bool WatchCosts { get; }

    public void Change(Action<IVolumeOperation> change, int changes = 1, bool complete = true)
    {
        TreeCost cost = Tree.CostOf(changes, changes);
        int blocks = WatchCosts ? Math.Min(cost.Blocks, Volume.MaxOperationBlocks) : Volume.MaxOperationBlocks;
        Assert.Equal(Errno.OK, Volume.Begin(blocks, Math.Min(blocks, cost.Allocations), out IVolumeOperation operation));
        using (operation)
        {
            change(operation);
            if (complete)
            {
                operation.Complete();
            }
        }
    }

    public void Put(CatalogKey key, byte[] value) => Change(o => Tree.Put(o, key, value));

    public bool Remove(CatalogKey key)
    {
        bool removed = false;
        Change(o => removed = Tree.Remove(o, key));
        return removed;
    }

    public byte[]? Get(CatalogKey key)
    {
        using ReadScope scope = Volume.EnterRead();
        byte[] value = new byte[Tree.MaxValueLength];
        return Tree.TryGet(key, value, out int length) ? value[..length] : null;
    }

    public (CatalogKey Key, byte[] Value)? Floor(CatalogKey key)
    {
        using ReadScope scope = Volume.EnterRead();
        byte[] value = new byte[Tree.MaxValueLength];
        return Tree.TryFloor(key, out CatalogKey found, value, out int length) ? (found, value[..length]) : null;
    }

    public (CatalogKey Key, byte[] Value)? Ceiling(CatalogKey key)
    {
        using ReadScope scope = Volume.EnterRead();
        byte[] value = new byte[Tree.MaxValueLength];
        return Tree.TryCeiling(key, out CatalogKey found, value, out int length) ? (found, value[..length]) : null;
    }

    /// <summary>All items; asserts every invariant of the structure.</summary>
    public List<(CatalogKey Key, byte[] Value)> Audit()
    {
        CatalogRoot root = CatalogRoot.Read(Volume.RootContent, Volume.TotalBlocks);
        var items = new List<(CatalogKey, byte[])>();
        var used = new HashSet<long>();
        ulong leaves = 0;
        ulong interiors = 0;
        Visit(root.Node, root.Depth - 1, CatalogKey.Lowest, new CatalogKey(ulong.MaxValue, (ItemKind)255, ulong.MaxValue), true);
        Assert.Equal(root.Leaves, leaves);
        Assert.Equal(root.Interiors, interiors);
        Assert.Equal(Volume.TotalBlocks - 1 - used.Count, Volume.FreeBlocks);
        return items;

        void Visit(CatalogNodeAddress address, int level, CatalogKey low, CatalogKey high, bool isRoot)
        {
            Assert.True(used.Add(address.Block.Value));
            bool home = low <= CatalogKey.Home && CatalogKey.Home < high;
            Assert.Equal(isRoot || level > 0 || home, address.HasMirror);
            ReadOnlySpan<byte> content = Volume.Content(address.Block.Value);
            if (address.HasMirror)
            {
                Assert.True(used.Add(address.Mirror.Value));
                Assert.True(content.SequenceEqual(Volume.Content(address.Mirror.Value)), "copies differ");
            }

            CatalogNodeView view = CatalogNodeView.Open(content, level);
            view.Verify();
            Assert.True(isRoot || view.Count > 0);
            if (level == 0)
            {
                leaves++;
            }
            else
            {
                interiors++;
            }

            for (int i = 0; i < view.Count; i++)
            {
                CatalogKey key = view.Key(i);
                Assert.True(low <= key && key < high, $"{key} outside [{low}, {high})");
                if (level == 0)
                {
                    items.Add((key, view.Value(i).ToArray()));
                }
                else
                {
                    Visit(view.Child(i), level - 1, i == 0 ? low : key, i + 1 < view.Count ? view.Key(i + 1) : high, false);
                }
            }
        }
    }

    public void Dispose() => Volume.Dispose();
}
