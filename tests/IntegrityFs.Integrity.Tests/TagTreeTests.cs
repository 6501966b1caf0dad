using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Integrity.Tests;

public sealed class TagTreeTests : IDisposable
{
    private readonly MemoryDevice _device = new(96L << 20);
    private readonly VolumeGeometry _geometry = VolumeGeometry.Create(4096, 96L << 20, 96);
    private readonly SubKeys _keys = new(new byte[32], Guid.Empty);
    private readonly AuthenticatorPool _pool;

    public TagTreeTests() => _pool = new AuthenticatorPool(_keys);

    public void Dispose()
    {
        _pool.Dispose();
        _keys.Dispose();
        _device.Dispose();
    }

    private TagTree Open(TagEntry root, int cached = 0) => new(_device, _geometry, _pool, root, cached);

    private static TagEntry Entry(ulong version, long block) => new(version, 1, new Tag((ulong)block, version, 77));

    private (long, TagEntry)[] Changes(ulong version, int seed)
    {
        var random = new Random(seed);
        var blocks = new SortedSet<long>();
        while (blocks.Count < 200)
        {
            blocks.Add(random.NextInt64(_geometry.TotalBlocks));
        }

        return blocks.Select(b => (b, Entry(version, b))).ToArray();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4096)]
    public void What_was_applied_is_found_also_after_opening_anew(int cached)
    {
        var expected = new Dictionary<long, TagEntry>();
        TagEntry root = TagEntry.Absent;
        using (TagTree tree = Open(root, cached))
        {
            for (ulong round = 1; round <= 5; round++)
            {
                (long Block, TagEntry Entry)[] changes = Changes(round, (int)round);
                root = tree.Apply(changes, round);
                foreach ((long block, TagEntry entry) in changes)
                {
                    expected[block] = entry;
                }

                Assert.All(expected, e => Assert.Equal(e.Value, tree.Find(e.Key)));
            }
        }

        using TagTree again = Open(root, cached);
        Assert.All(expected, e => Assert.Equal(e.Value, again.Find(e.Key)));
        long untouched = Enumerable.Range(0, 1 << 14).First(b => !expected.ContainsKey(b));
        Assert.True(again.Find(untouched).IsAbsent);
    }

    [Fact]
    public void The_tree_under_the_older_root_stays_whole_while_the_next_is_written()
    {
        TagEntry first;
        (long Block, TagEntry Entry)[] changes = Changes(1, 1);
        using (TagTree tree = Open(TagEntry.Absent))
        {
            first = tree.Apply(changes, 1);
            tree.Apply(changes.Select(c => (c.Block, Entry(2, c.Block))).ToArray(), 2);
        }

        using TagTree older = Open(first);
        Assert.All(changes, c => Assert.Equal(c.Entry, older.Find(c.Block)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void A_reader_beside_a_change_sees_it_nowhere_and_leaves_nothing_old_behind(int moment)
    {
        TagEntry root;
        using (TagTree tree = Open(TagEntry.Absent))
        {
            root = tree.Apply([(205, Entry(1, 205)), (206, Entry(1, 206)), (9000, Entry(1, 9000))], 1);
        }

        using var device = new WatchedDevice(_device);
        using (var tree = new TagTree(device, _geometry, _pool, root, 0))
        {
            int writes = 0;
            device.BeforeWrite = () =>
            {
                if (writes++ == moment)
                {
                    Assert.Equal(Entry(1, 206), tree.Find(206));
                }
            };
            tree.Apply([(205, Entry(2, 205))], 2);
            device.BeforeWrite = null;
            Assert.True(writes > moment, $"only {writes} writes");
            Assert.Equal(Entry(2, 205), tree.Find(205));
            Assert.Equal(Entry(1, 206), tree.Find(206));
            root = tree.Apply([(206, Entry(3, 206))], 3);
        }

        using TagTree again = Open(root);
        Assert.Equal(Entry(2, 205), again.Find(205));
        Assert.Equal(Entry(3, 206), again.Find(206));
        Assert.Equal(Entry(1, 9000), again.Find(9000));
    }

    [Fact]
    public void A_bad_leaf_is_detected_and_costs_only_what_it_covers()
    {
        using TagTree tree = Open(TagEntry.Absent);
        TagEntry root = tree.Apply([(205, Entry(1, 205)), (500, Entry(1, 500))], 1);
        for (int at = 0; at < 4096; at += 64)
        {
            _device.Slice(_geometry.NodeOffset(_geometry.LeafOf(205), 0, 0) + at, 1)[0] ^= 1;
            using TagTree again = Open(root);
            IntegrityException e = Assert.Throws<IntegrityException>(() => again.Find(205));
            Assert.Equal(Zone.TagTree, e.Zone);
            Assert.Equal(Entry(1, 500), again.Find(500));
            _device.Slice(_geometry.NodeOffset(_geometry.LeafOf(205), 0, 0) + at, 1)[0] ^= 1;
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void One_bad_copy_of_an_interior_node_is_replaced_by_the_other(int copy)
    {
        TagEntry root;
        using (TagTree tree = Open(TagEntry.Absent))
        {
            root = tree.Apply([(5, Entry(1, 5))], 1);
        }

        long offset = _geometry.NodeOffset(_geometry.Root, root.Kind, copy);
        byte[] good = _device.Slice(offset, 4096).ToArray();
        _device.Slice(offset, 4096)[100] ^= 8;
        using TagTree again = Open(root);
        Assert.Equal(Entry(1, 5), again.Find(5));
        if (copy == 0)
        {
            Assert.True(good.AsSpan().SequenceEqual(_device.Slice(offset, 4096)));
            Assert.Equal(1, again.Repairs);
        }
    }

    [Fact]
    public void A_leaf_that_was_read_with_its_blocks_is_verified_and_stays()
    {
        TagEntry root;
        using (TagTree tree = Open(TagEntry.Absent))
        {
            root = tree.Apply([(128, Entry(1, 128)), (130, Entry(1, 130))], 1);
        }

        long place = _geometry.NodeOffset(_geometry.LeafOf(128), 0, 0);
        Assert.Equal(_geometry.BlockOffset(128) - (2 * 4096), place);
        Span<byte> slots = _device.Slice(place, 2 * 4096);
        var entries = new TagEntry[3];
        using (TagTree tree = Open(root))
        {
            Assert.True(tree.TryBeginFetch(130, out LeafFetch middle));
            Assert.True(tree.TryBeginFetch(128, out LeafFetch fetch));
            Assert.Equal(place, fetch.Offset);
            Assert.True(tree.TryEndFetch(fetch, slots[..4096], 128, entries));
            Assert.Equal([Entry(1, 128), TagEntry.Absent, Entry(1, 130)], entries);
            Assert.True(tree.TryEndFetch(middle, slots[..4096], 130, entries));
            Assert.Equal([Entry(1, 130), TagEntry.Absent, TagEntry.Absent], entries);
            Assert.False(tree.TryBeginFetch(128, out _), "the leaf is in memory now");
        }

        slots[9] ^= 1;
        using TagTree damaged = Open(root);
        Assert.True(damaged.TryBeginFetch(128, out LeafFetch bad));
        Assert.False(damaged.TryEndFetch(bad, slots[..4096], 128, entries));
        Assert.Throws<IntegrityException>(() => damaged.Find(128));
    }

    [Fact]
    public void A_leaf_that_changed_since_its_fetch_began_does_not_hide_the_new_one()
    {
        using TagTree tree = Open(TagEntry.Absent);
        TagEntry root = tree.Apply([(128, Entry(1, 128))], 1);
        using TagTree again = Open(root);
        var entries = new TagEntry[1];
        Assert.True(again.TryBeginFetch(128, out LeafFetch fetch));
        byte[] older = _device.Slice(_geometry.NodeOffset(_geometry.LeafOf(128), 0, 0), 4096).ToArray();
        again.Apply([(128, Entry(2, 128))], 2);
        Assert.True(again.TryEndFetch(fetch, older, 128, entries), "what was fetched was authentic when the fetch began");
        Assert.Equal(Entry(1, 128), entries[0]);
        Assert.Equal(Entry(2, 128), again.Find(128));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void The_leaf_over_the_volumes_state_stands_twice(int copy)
    {
        TagEntry root;
        using (TagTree tree = Open(TagEntry.Absent))
        {
            root = tree.Apply([(5, Entry(1, 5))], 1);
        }

        _device.Slice(_geometry.NodeOffset(_geometry.LeafOf(5), 0, copy), 4096).Clear();
        using TagTree again = Open(root);
        Assert.Equal(Entry(1, 5), again.Find(5));
        _device.Slice(_geometry.NodeOffset(_geometry.LeafOf(5), 0, 0), 4096).Clear();
        _device.Slice(_geometry.NodeOffset(_geometry.LeafOf(5), 0, 1), 4096).Clear();
        using TagTree lost = Open(root);
        Assert.Throws<IntegrityException>(() => lost.Find(5));
    }

    [Fact]
    public void An_older_version_of_a_leaf_is_refused()
    {
        using TagTree tree = Open(TagEntry.Absent);
        tree.Apply([(205, Entry(1, 205))], 1);
        byte[] old = _device.Slice(_geometry.NodeOffset(_geometry.LeafOf(205), 0, 0), 4096).ToArray();
        tree.Apply([(205, Entry(2, 205))], 2);
        TagEntry root = tree.Apply([(205, Entry(3, 205))], 3);
        old.CopyTo(_device.Slice(_geometry.NodeOffset(_geometry.LeafOf(205), 0, 0), 4096));
        using TagTree again = Open(root);
        Assert.Throws<IntegrityException>(() => again.Find(205));
    }

    [Fact]
    public void A_tag_binds_purpose_place_version_length_and_volume()
    {
        byte[] content = new byte[4096];
        Authenticator a = _pool.Current;
        Tag tag = a.TagOfBlock(BlockPurpose.Data, 1, 1, content);
        Assert.Equal(tag, a.TagOfBlock(BlockPurpose.Data, 1, 1, content));
        Assert.NotEqual(tag, a.TagOfBlock(BlockPurpose.Bitmap, 1, 1, content));
        Assert.NotEqual(tag, a.TagOfBlock(BlockPurpose.Data, 2, 1, content));
        Assert.NotEqual(tag, a.TagOfBlock(BlockPurpose.Data, 1, 2, content));
        Assert.NotEqual(tag, a.TagOfBlock(BlockPurpose.Data, 1, 1, new byte[8192]));
        Assert.NotEqual(tag, a.TagOfNode(new TagNode(1, 1), 1, content));
        using var otherKeys = new SubKeys(new byte[32], Guid.NewGuid());
        using var other = new Authenticator(otherKeys);
        Assert.NotEqual(tag, other.TagOfBlock(BlockPurpose.Data, 1, 1, content));
    }

    [Fact]
    public unsafe void Many_lanes_compute_what_one_computes()
    {
        using var memory = new AlignedMemory(4096 * 300);
        Random.Shared.NextBytes(memory.Span);
        var work = new TagWork[300];
        for (int i = 0; i < work.Length; i++)
        {
            work[i] = new TagWork { Content = memory.Address + (i * 4096), Purpose = BlockPurpose.Data, Block = i };
        }

        using var lanes = new HashLanes(_pool, 4096, 3);
        for (int round = 0; round < 20; round++)
        {
            int count = 1 + (round * 15);
            lanes.TagAll(work, count, 9);
            for (int i = 0; i < count; i++)
            {
                Assert.Equal(_pool.Current.TagOfBlock(BlockPurpose.Data, i, 9, memory.Span.Slice(i * 4096, 4096)), work[i].Tag);
            }
        }
    }
}
