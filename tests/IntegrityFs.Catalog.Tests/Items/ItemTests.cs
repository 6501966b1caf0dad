using System.Text;
using CsCheck;
using IntegrityFs.Format;

namespace IntegrityFs.Catalog.Tests.Items;

public sealed class ItemTests
{
    private static readonly InodeNumber Root = InodeNumber.Root;

    [Fact]
    public void Every_inode_that_can_be_stored_comes_back_as_it_was()
    {
        Gen<Timestamp> time = Gen.Select(Gen.Long, Gen.UInt[0, 999_999_999], (s, n) => new Timestamp(s, n));
        Gen.Select(Gen.UInt.Array[6], Gen.Long[0, long.MaxValue].Array[2], time.Array[4], Gen.ULong).Sample((u, l, t, parent) =>
        {
            var record = new InodeRecord
            {
                Mode = u[0],
                Uid = u[1],
                Gid = u[2],
                Links = u[3],
                Rdev = u[4],
                Flags = u[5],
                Size = l[0],
                Blocks = l[1],
                Atime = t[0],
                Mtime = t[1],
                Ctime = t[2],
                Btime = t[3],
                Parent = new InodeNumber(parent),
            };
            Span<byte> item = new byte[CatalogInodeLayout.Size];
            InodeItems.Encode(record, item);
            return InodeItems.Decode(item).Equals(record);
        });
    }

    [Fact]
    public void An_impossible_inode_item_is_refused()
    {
        byte[] item = new byte[CatalogInodeLayout.Size];
        InodeItems.Encode(default, item);
        Refuses(i => i[CatalogInodeLayout.VersionOffset] = 2);
        Refuses(i => i[CatalogInodeLayout.ReservedOffset] = 1);
        Refuses(i => i[CatalogInodeLayout.SizeOffset + 7] = 0x80);
        Refuses(i => i[CatalogInodeLayout.BlocksOffset + 7] = 0x80);
        Refuses(i => i.AsSpan(CatalogInodeLayout.MtimeOffset + 8, 4).Fill(0x7F));
        Assert.Throws<CorruptFormatException>(() => InodeItems.Decode(item.AsSpan(1)));

        void Refuses(Action<byte[]> change)
        {
            byte[] bad = [.. item];
            change(bad);
            Assert.Throws<CorruptFormatException>(() => InodeItems.Decode(bad));
        }
    }

    [Theory]
    [InlineData(4096, ulong.MaxValue)]
    [InlineData(4096, 0UL)]
    [InlineData(65536, ulong.MaxValue)]
    public void Extended_attributes_behave_like_a_dictionary(int blockSize, ulong mask)
    {
        using var fixture = new StoreFixture(
            new MemoryVolumeOptions { BlockSize = blockSize, TotalBlocks = 2000, MaxOperationBlocks = 1500 }, mask);
        InodeNumber inode = fixture.Create(Root, "file");
        var random = new Random(11);
        var model = new Dictionary<string, byte[]>();
        int[] lengths = [0, 1, 30, 700, 999, 5000, 65536];
        for (int i = 0; i < 300; i++)
        {
            string name = "user." + new string('n', random.Next(1, 12)) + (random.Next(4) == 0 ? new string('x', 230) : "");
            byte[] value = new byte[lengths[random.Next(lengths.Length)]];
            random.NextBytes(value);
            if (random.Next(3) > 0)
            {
                Assert.Equal(Errno.OK, fixture.Change(140, o => o.PutXattr(inode, StoreFixture.Name(name), value)));
                model[name] = value;
            }
            else
            {
                Errno expected = model.Remove(name) ? Errno.OK : Errno.ENODATA;
                Assert.Equal(expected, fixture.Change(140, o => o.RemoveXattr(inode, StoreFixture.Name(name))));
            }

            Check(fixture, inode, model);
        }
    }

    private static void Check(StoreFixture fixture, InodeNumber inode, Dictionary<string, byte[]> model)
    {
        foreach ((string name, byte[] expected) in model)
        {
            byte[] value = new byte[65536];
            int length = -1;
            Assert.Equal(Errno.OK, fixture.Read(() => fixture.Store.GetXattr(inode, StoreFixture.Name(name), value, out length)));
            Assert.Equal(expected, value[..length]);
            Assert.Equal(Errno.OK, fixture.Read(() => fixture.Store.GetXattr(inode, StoreFixture.Name(name), default, out length)));
            Assert.Equal(expected.Length, length);
            if (expected.Length > 1)
            {
                byte[] small = new byte[expected.Length - 1];
                Assert.Equal(Errno.ERANGE, fixture.Read(() => fixture.Store.GetXattr(inode, StoreFixture.Name(name), small, out _)));
            }
        }

        int total = 0;
        Assert.Equal(Errno.OK, fixture.Read(() => fixture.Store.ListXattr(inode, default, out total)));
        byte[] names = new byte[total];
        if (total > 0)
        {
            Assert.Equal(Errno.OK, fixture.Read(() => fixture.Store.ListXattr(inode, names, out total)));
            Assert.Equal(
                total == 1 ? Errno.OK : Errno.ERANGE,
                fixture.Read(() => fixture.Store.ListXattr(inode, new byte[total - 1], out _)));
        }

        Assert.Equal(
            model.Keys.Order(StringComparer.Ordinal),
            Encoding.UTF8.GetString(names).Split('\0', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_value_above_65536_bytes_is_refused()
    {
        using var fixture = new StoreFixture();
        Assert.Equal(Errno.E2BIG, fixture.Change(10, o => o.PutXattr(Root, "user.a"u8, new byte[65537])));
        Assert.Equal(Errno.ENODATA, fixture.Read(() => fixture.Store.GetXattr(Root, "user.a"u8, default, out _)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(999)]
    [InlineData(1998)]
    [InlineData(4095)]
    public void A_symlink_keeps_its_target(int length)
    {
        using var fixture = new StoreFixture();
        InodeNumber link = fixture.Create(Root, "link", 0xA1FF);
        byte[] target = new byte[length];
        new Random(length).NextBytes(target);
        fixture.Change(10, o => o.PutSymlink(link, target));
        byte[] read = new byte[4095];
        int found = 0;
        Assert.Equal(Errno.OK, fixture.Read(() => fixture.Store.ReadSymlink(link, read, out found)));
        Assert.Equal(target, read[..found]);
        Assert.Equal(Errno.ENOENT, fixture.Read(() => fixture.Store.ReadSymlink(Root, read, out _)));
        Assert.Equal(Errno.ERANGE, fixture.Read(() => fixture.Store.ReadSymlink(link, read.AsSpan(0, length - 1), out _)));
    }

    [Fact]
    public void Orphans_are_enumerated_in_order()
    {
        using var fixture = new StoreFixture();
        ulong[] numbers = [7, 3, 1UL << 40, 5];
        foreach (ulong n in numbers)
        {
            fixture.Change(1, o => o.AddOrphan(new InodeNumber(n)));
        }

        fixture.Change(1, o => o.RemoveOrphan(new InodeNumber(5)));
        fixture.Change(1, o => o.RemoveOrphan(new InodeNumber(6)));
        var found = new List<ulong>();
        InodeNumber orphan = default;
        while (fixture.Read(() => fixture.Store.TryNextOrphan(orphan, out orphan)))
        {
            found.Add(orphan.Value);
        }

        Assert.Equal([3UL, 7UL, 1UL << 40], found);
    }
}
