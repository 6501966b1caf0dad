using IntegrityFs.Format;

namespace IntegrityFs.Catalog.Tests.Items;

public sealed class DirectoryTests
{
    private static readonly InodeNumber Root = InodeNumber.Root;

    [Fact]
    public void A_new_catalog_holds_an_empty_root_directory()
    {
        using var fixture = new StoreFixture();
        Assert.Equal(1, fixture.Store.Statistics.Inodes);
        Assert.True(fixture.Read(() => fixture.Store.IsEmptyDirectory(Root)));
        InodeRecord record = default;
        Assert.True(fixture.Read(() => fixture.Store.TryGetInode(Root, out record)));
        Assert.Equal((0x41EDu, 2u, 0L, StoreFixture.Now, Root), (record.Mode, record.Links, record.Size, record.Mtime, record.Parent));
        Assert.Equal(1, fixture.Volume.Counters.Syncs);
    }

    [Fact]
    public void Names_are_added_found_replaced_and_removed()
    {
        using var fixture = new StoreFixture();
        InodeNumber a = fixture.Create(Root, "a");
        InodeNumber b = fixture.Create(Root, new string('b', 255));
        Assert.Equal(3, fixture.Store.Statistics.Inodes);
        Dentry entry = default;
        Assert.True(fixture.Read(() => fixture.Store.TryLookup(Root, "a"u8, out entry)));
        Assert.Equal(new Dentry(a, 8), entry);
        Assert.False(fixture.Read(() => fixture.Store.TryLookup(Root, "A"u8, out _)));
        Assert.Equal(Errno.EEXIST, fixture.Change(1, o => o.AddDentry(Root, "a"u8, new Dentry(b, 8))));
        Assert.Equal(Errno.ENOENT, fixture.Change(1, o => o.ReplaceDentry(Root, "c"u8, new Dentry(b, 8))));
        Assert.Equal(Errno.OK, fixture.Change(1, o => o.ReplaceDentry(Root, "a"u8, new Dentry(b, 4))));
        fixture.Read(() => fixture.Store.TryLookup(Root, "a"u8, out entry));
        Assert.Equal(new Dentry(b, 4), entry);
        Assert.Equal(Errno.OK, fixture.Change(1, o => o.RemoveDentry(Root, "a"u8)));
        Assert.Equal(Errno.ENOENT, fixture.Change(1, o => o.RemoveDentry(Root, "a"u8)));
        Assert.Equal([new string('b', 255)], fixture.List(Root));
        byte[] name = new byte[255];
        int length = 0;
        Assert.True(fixture.Read(() => fixture.Store.TryFindName(Root, b, name, out length)));
        Assert.Equal(255, length);
        Assert.False(fixture.Read(() => fixture.Store.TryFindName(Root, new InodeNumber(99), name, out length)));
    }

    [Fact]
    public void Inode_numbers_are_never_used_twice()
    {
        using var fixture = new StoreFixture();
        InodeNumber first = fixture.Create(Root, "a");
        fixture.Unlink(Root, "a");
        Assert.Equal(first.Value + 1, fixture.Create(Root, "a").Value);
    }

    [Fact]
    public void A_dropped_operation_changes_nothing()
    {
        using var fixture = new StoreFixture();
        Assert.Equal(Errno.EEXIST, fixture.Change(4, o =>
        {
            InodeNumber inode = o.NewInode();
            o.PutInode(inode, default);
            o.AddDentry(Root, "x"u8, new Dentry(inode, 8));
            o.AddOrphan(inode);
            return Errno.EEXIST;
        }));
        Assert.Empty(fixture.List(Root));
        Assert.Equal(1, fixture.Store.Statistics.Inodes);
        Assert.False(fixture.Read(() => fixture.Store.TryNextOrphan(default, out _)));
        Assert.Equal(2UL, fixture.Create(Root, "y").Value);
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(3UL << 62)]
    public void Names_whose_hashes_collide_are_told_apart(ulong mask)
    {
        using var fixture = new StoreFixture(hashMask: mask);
        for (int i = 0; i < 100; i++)
        {
            fixture.Create(Root, $"name{i}");
        }

        for (int i = 0; i < 100; i += 2)
        {
            Assert.Equal(Errno.OK, fixture.Unlink(Root, $"name{i}"));
        }

        for (int i = 0; i < 100; i += 4)
        {
            fixture.Create(Root, $"new{i}");
        }

        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(i % 2 == 1, fixture.Read(() => fixture.Store.TryLookup(Root, StoreFixture.Name($"name{i}"), out _)));
            Assert.Equal(i % 4 == 0, fixture.Read(() => fixture.Store.TryLookup(Root, StoreFixture.Name($"new{i}"), out _)));
        }

        Assert.Equal(75, fixture.List(Root).Distinct().Count());
    }

    [Fact]
    public void The_256th_name_of_one_hash_is_refused()
    {
        using var fixture = new StoreFixture(hashMask: 0);
        for (int i = 0; i < 255; i++)
        {
            fixture.Create(Root, $"{i}");
        }

        Assert.Equal(Errno.ENOSPC, fixture.Change(1, o => o.AddDentry(Root, "one more"u8, new Dentry(Root, 4))));
        Assert.Equal(255, fixture.List(Root).Count);
        fixture.Unlink(Root, "17");
        Assert.Equal(Errno.OK, fixture.Change(1, o => o.AddDentry(Root, "one more"u8, new Dentry(Root, 4))));
    }

    [Fact]
    public void Readdir_of_a_large_directory_sees_what_stays_exactly_once_while_names_come_and_go()
    {
        using var fixture = new StoreFixture(new MemoryVolumeOptions { TotalBlocks = 8192, BlockSize = 16384 });
        InodeNumber directory = fixture.Create(Root, "big", 0x41ED);
        const int Count = 100_000;
        for (int i = 0; i < Count; i += 1000)
        {
            fixture.Change(1000, o =>
            {
                for (int n = i; n < i + 1000; n++)
                {
                    Assert.Equal(Errno.OK, o.AddDentry(directory, StoreFixture.Name($"file{n:x}"), new Dentry(new InodeNumber((ulong)n + 10), 8)));
                }
            });
        }

        var random = new Random(3);
        var removed = new HashSet<string>();
        var seen = new Dictionary<string, int>();
        ulong cookie = 0;
        int added = 0;
        while (true)
        {
            var page = new StoreFixture.Collector(997);
            fixture.Read(() =>
            {
                fixture.Store.ReadDirectory(directory, cookie, page);
                return 0;
            });
            if (page.Entries.Count == 0)
            {
                break;
            }

            foreach ((string name, Dentry _, ulong position) in page.Entries)
            {
                Assert.InRange(position, cookie + 1, 1UL << 62);
                cookie = position;
                seen[name] = seen.GetValueOrDefault(name) + 1;
            }

            fixture.Change(100, o =>
            {
                for (int i = 0; i < 50; i++)
                {
                    string victim = $"file{random.Next(Count):x}";
                    if (removed.Add(victim))
                    {
                        Assert.Equal(Errno.OK, o.RemoveDentry(directory, StoreFixture.Name(victim)));
                    }

                    Assert.Equal(Errno.OK, o.AddDentry(directory, StoreFixture.Name($"new{added++}"), new Dentry(Root, 4)));
                }
            });
        }

        Assert.All(seen.Values, times => Assert.Equal(1, times));
        for (int n = 0; n < Count; n++)
        {
            Assert.True(seen.ContainsKey($"file{n:x}") || removed.Contains($"file{n:x}"));
        }
    }
}
