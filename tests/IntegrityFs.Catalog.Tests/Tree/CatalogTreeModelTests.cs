using CsCheck;
using IntegrityFs.Format;

namespace IntegrityFs.Catalog.Tests.Tree;

public sealed class CatalogTreeModelTests
{
    private static readonly ItemKind[] Kinds = [ItemKind.Inode, ItemKind.Xattr, ItemKind.Dentry, ItemKind.Extent];

    [Theory]
    [InlineData(4096, 400, 40)]
    [InlineData(65536, 2500, 12)]
    public void The_tree_behaves_like_a_sorted_dictionary(int blockSize, int operations, int samples)
    {
        Gen.Int[0, int.MaxValue].Sample(
            seed => Run(seed, blockSize, operations),
            iter: samples,
            threads: 1);
    }

    private static void Run(int seed, int blockSize, int operations)
    {
        var random = new Random(seed);
        using var fixture = new TreeFixture(new MemoryVolumeOptions { BlockSize = blockSize, TotalBlocks = 600, MaxOperationBlocks = 128 });
        var model = new SortedDictionary<CatalogKey, byte[]>();
        int space = random.Next(2) == 0 ? 40 : 100_000;
        int longest = random.Next(3) switch { 0 => 30, 1 => 300, _ => fixture.Tree.MaxValueLength };
        bool grow = true;
        for (int i = 0; i < operations; i++)
        {
            if (i % (operations / 4) == 0)
            {
                grow = i / (operations / 4) is 0 or 2;
            }

            CatalogKey key = RandomKey(random, space);
            bool put = random.Next(10) < (grow ? 8 : 2);
            if (put)
            {
                byte[] value = new byte[random.Next(longest + 1)];
                random.NextBytes(value);
                bool isNew = false;
                fixture.Change(o => isNew = fixture.Tree.Put(o, key, value));
                Assert.Equal(!model.ContainsKey(key), isNew);
                model[key] = value;
            }
            else
            {
                CatalogKey victim = model.Count > 0 && random.Next(4) > 0 ? Near(model, key) : key;
                Assert.Equal(model.Remove(victim), fixture.Remove(victim));
            }

            Compare(fixture, model, RandomKey(random, space));
            if (i % 50 == 49)
            {
                CompareAll(fixture, model);
            }
        }

        CompareAll(fixture, model);
        foreach (CatalogKey key in model.Keys.OrderBy(_ => random.Next()).ToList())
        {
            Assert.True(fixture.Remove(key));
        }

        Assert.Empty(fixture.Audit());
        Assert.Equal(fixture.Volume.TotalBlocks - 3, fixture.Volume.FreeBlocks);
    }

    private static CatalogKey RandomKey(Random random, int space) => new(
        (ulong)random.Next(4), Kinds[random.Next(Kinds.Length)], (ulong)random.Next(space));

    private static CatalogKey Near(SortedDictionary<CatalogKey, byte[]> model, CatalogKey key) =>
        model.Keys.Cast<CatalogKey?>().FirstOrDefault(k => k >= key) ?? model.Keys.First();

    private static void CompareAll(TreeFixture fixture, SortedDictionary<CatalogKey, byte[]> model)
    {
        List<(CatalogKey Key, byte[] Value)> items = fixture.Audit();
        Assert.Equal(model.Keys, items.Select(i => i.Key));
        Assert.All(items, i => Assert.Equal(model[i.Key], i.Value));
    }

    private static void Compare(TreeFixture fixture, SortedDictionary<CatalogKey, byte[]> model, CatalogKey probe)
    {
        Assert.Equal(model.GetValueOrDefault(probe), fixture.Get(probe));
        CatalogKey? floor = null;
        CatalogKey? ceiling = null;
        foreach (CatalogKey key in model.Keys)
        {
            if (key <= probe)
            {
                floor = key;
            }
            else if (ceiling is null)
            {
                ceiling = key;
            }
        }

        if (floor == probe)
        {
            ceiling = probe;
        }

        if (floor is { } below && (below.Inode != probe.Inode || below.Kind != probe.Kind))
        {
            floor = null;
        }

        (CatalogKey Key, byte[] Value)? found = fixture.Floor(probe);
        Assert.Equal(floor, found?.Key);
        Assert.Equal(floor is null ? null : model[floor.Value], found?.Value);
        found = fixture.Ceiling(probe);
        Assert.Equal(ceiling, found?.Key);
        Assert.Equal(ceiling is null ? null : model[ceiling.Value], found?.Value);
    }
}
