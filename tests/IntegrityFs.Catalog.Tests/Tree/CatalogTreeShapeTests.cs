using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Tests.Tree;

public sealed class CatalogTreeShapeTests
{
    private static CatalogKey Key(int n) => new((ulong)n, ItemKind.Inode, 0);

    [Fact]
    public void Ascending_insertion_leaves_full_nodes()
    {
        using var fixture = new TreeFixture(new MemoryVolumeOptions { TotalBlocks = 4096 });
        byte[] value = new byte[100];
        for (int i = 1; i <= 20_000; i++)
        {
            fixture.Put(Key(i), value);
        }

        Assert.Equal(20_000, fixture.Audit().Count);
        CatalogRoot root = CatalogRoot.Read(fixture.Volume.RootContent, 4096);
        int perLeaf = (4096 - CatalogNodeLayout.HeaderSize) / CatalogNodeLayout.ItemSize(100);
        Assert.InRange((long)root.Leaves, 20_000 / perLeaf, (20_000 / perLeaf) + 2);
    }

    [Fact]
    public void An_ascending_run_in_the_middle_leaves_nearly_full_nodes()
    {
        using var fixture = new TreeFixture(new MemoryVolumeOptions { TotalBlocks = 4096 });
        for (int i = 0; i < 50; i++)
        {
            fixture.Put(new CatalogKey((ulong)(i % 2 == 0 ? 5 : 50), ItemKind.Inode, (ulong)i), new byte[100]);
        }

        for (int i = 0; i < 10_000; i++)
        {
            fixture.Put(new CatalogKey(20, ItemKind.Extent, (ulong)i), new byte[16]);
        }

        fixture.Audit();
        CatalogRoot root = CatalogRoot.Read(fixture.Volume.RootContent, 4096);
        double ideal = 10_000.0 * CatalogNodeLayout.ItemSize(16) / 4096;
        Assert.InRange(root.Leaves, ideal, ideal * 1.25);
    }

    [Fact]
    public void An_undone_operation_leaves_the_tree_as_it_was()
    {
        using var fixture = new TreeFixture(new MemoryVolumeOptions { TotalBlocks = 2048, MaxOperationBlocks = 1024 });
        for (int i = 0; i < 300; i++)
        {
            fixture.Put(Key(i * 7), new byte[i % 200]);
        }

        var before = fixture.Audit().Select(i => (i.Key, Convert.ToHexString(i.Value))).ToList();
        byte[] root = fixture.Volume.RootContent.ToArray();
        fixture.Change(
            o =>
            {
                for (int i = 0; i < 200; i++)
                {
                    fixture.Tree.Put(o, Key((i * 3) + 1), new byte[400]);
                    fixture.Tree.Remove(o, Key(i * 7));
                }
            },
            changes: 400,
            complete: false);
        Assert.Equal(root, fixture.Volume.RootContent.ToArray());
        Assert.Equal(before, fixture.Audit().Select(i => (i.Key, Convert.ToHexString(i.Value))).ToList());
        fixture.Put(Key(1), new byte[900]);
        Assert.Equal(before.Count + 1, fixture.Audit().Count);
    }

    [Fact]
    public void Removing_needs_no_free_block()
    {
        using var fixture = new TreeFixture(new MemoryVolumeOptions { TotalBlocks = 2048 });
        var random = new Random(5);
        int[] numbers = [.. Enumerable.Range(0, 9000).OrderBy(_ => random.Next())];
        foreach (int n in numbers)
        {
            fixture.Put(Key(n), new byte[random.Next(150)]);
        }

        fixture.Volume.FillUpTo(0);
        foreach (int n in numbers.Reverse())
        {
            TreeCost cost = fixture.Tree.CostOf(1, 0);
            Assert.Equal(Errno.OK, fixture.Volume.Begin(cost.Blocks, 0, out IVolumeOperation operation));
            using (operation)
            {
                Assert.True(fixture.Tree.Remove(operation, Key(n)));
                operation.Complete();
            }
        }
    }

    [Fact]
    public void A_bad_first_copy_of_an_interior_node_costs_nothing_and_is_healed()
    {
        using var fixture = new TreeFixture(new MemoryVolumeOptions { TotalBlocks = 2048 });
        for (int i = 0; i < 2000; i++)
        {
            fixture.Put(Key(i), new byte[100]);
        }

        CatalogRoot root = CatalogRoot.Read(fixture.Volume.RootContent, 2048);
        Assert.True(root.Depth >= 2);
        fixture.Volume.MarkUnreadable(root.Node.Block.Value);
        Assert.NotNull(fixture.Get(Key(1234)));
        Assert.True(fixture.Tree.Nodes.IsDamaged);
        Assert.Equal(Errno.OK, fixture.Volume.Begin(1, 0, out IVolumeOperation operation));
        using (operation)
        {
            fixture.Tree.Nodes.Heal(operation, fixture.Tree);
            operation.Complete();
        }

        Assert.False(fixture.Volume.IsUnreadable(root.Node.Block.Value));
        Assert.False(fixture.Tree.Nodes.IsDamaged);
        Assert.Equal(2000, fixture.Audit().Count);
    }

    [Fact]
    public void Changing_a_node_whose_first_copy_is_bad_heals_it()
    {
        using var fixture = new TreeFixture();
        fixture.Put(CatalogKey.Home, new byte[100]);
        CatalogRoot root = CatalogRoot.Read(fixture.Volume.RootContent, 1024);
        fixture.Volume.MarkUnreadable(root.Node.Block.Value);
        fixture.Put(Key(2), new byte[3]);
        Assert.False(fixture.Volume.IsUnreadable(root.Node.Block.Value));
        Assert.Equal(2, fixture.Audit().Count);
    }

    [Fact]
    public void A_bad_leaf_costs_its_items_only_and_does_not_stop_removals_beside_it()
    {
        using var fixture = new TreeFixture(new MemoryVolumeOptions { TotalBlocks = 2048 });
        for (int i = 0; i < 300; i++)
        {
            fixture.Put(Key(i), new byte[100]);
        }

        CatalogRoot root = CatalogRoot.Read(fixture.Volume.RootContent, 2048);
        CatalogNodeView view = CatalogNodeView.Open(fixture.Volume.Content(root.Node.Block.Value), 1);
        long bad = view.Child(3).Block.Value;
        int first = (int)view.Key(3).Inode;
        int end = (int)view.Key(4).Inode;
        fixture.Volume.MarkUnreadable(bad);
        for (int i = 0; i < 300; i++)
        {
            if (i >= first && i < end)
            {
                Assert.Throws<IntegrityException>(() => fixture.Get(Key(i)));
            }
            else
            {
                Assert.True(fixture.Remove(Key(i)));
            }
        }
    }

    [Fact]
    public void Looking_up_and_changing_allocates_nothing()
    {
        using var fixture = new TreeFixture(new MemoryVolumeOptions { TotalBlocks = 2048 });
        for (int i = 0; i < 2000; i++)
        {
            fixture.Put(Key(i), new byte[100]);
        }

        byte[] value = new byte[fixture.Tree.MaxValueLength];
        for (int round = 0; round < 2; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            TreeCost cost = fixture.Tree.CostOf(600, 600);
            fixture.Volume.Begin(Math.Min(cost.Blocks, 512), Math.Min(cost.Allocations, 512), out IVolumeOperation operation);
            for (int i = 0; i < 300; i++)
            {
                fixture.Tree.TryGet(Key(i), value, out _);
                fixture.Tree.TryFloor(Key(i), out _, value, out _);
                fixture.Tree.TryCeiling(Key(i), out _, value, out _);
                fixture.Tree.Put(operation, new CatalogKey((ulong)i, ItemKind.Xattr, 1), value.AsSpan(0, 20));
            }

            for (int i = 0; i < 300; i++)
            {
                fixture.Tree.Remove(operation, new CatalogKey((ulong)i, ItemKind.Xattr, 1));
            }

            operation.Dispose();
            if (round == 1)
            {
                Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
            }
        }
    }
}
