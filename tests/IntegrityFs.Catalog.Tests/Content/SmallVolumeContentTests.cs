using CsCheck;
using IntegrityFs.Catalog.Tests.Items;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Tests.Content;

/// <summary>Content over the real tree, on volumes whose journal holds few blocks.</summary>
public sealed class SmallVolumeContentTests
{
    private const int Bytes = 60 * 4096;

    private static readonly Gen<(int Kind, int From, int Length)> GenStep = Gen.Select(
        Gen.Int[0, 8], Gen.Int[0, Bytes - 1], Gen.Frequency((1, Gen.Int[1, 5000]), (1, Gen.Int[1, Bytes / 2])));

    [Theory]
    [InlineData(21)]
    [InlineData(40)]
    [InlineData(400)]
    public void Files_work_over_the_real_tree_however_small_an_operation_must_be(int maxOperationBlocks) =>
        Gen.Select(GenStep.List[1, 30], Gen.Int[0, 2]).Sample(
            (steps, seed) => Play(steps, maxOperationBlocks, seed), iter: 60);

    private static void Play(List<(int Kind, int From, int Length)> steps, int maxOperationBlocks, int seed)
    {
        using var fixture = new StoreFixture(new MemoryVolumeOptions
        {
            TotalBlocks = 200,
            MaxOperationBlocks = maxOperationBlocks,
            FragmentSeed = seed,
        });
        CatalogStore store = fixture.Store;
        InodeNumber inode = fixture.Create(InodeNumber.Root, "file");
        long free = fixture.Volume.FreeBlocks;
        byte[] expected = new byte[Bytes];
        int size = 0;
        for (int i = 0; i < steps.Count; i++)
        {
            (int kind, int from, int length) = steps[i];
            length = Math.Min(length, Bytes - from);
            if (kind < 5)
            {
                byte[] data = ContentFixture.Bytes(length, i);
                Assert.Equal(Errno.OK, store.WriteContent(inode, from, data, ContentFixture.Change, out int written));
                Assert.Equal(length, written);
                data.CopyTo(expected, from);
                size = Math.Max(size, from + length);
            }
            else if (kind < 7)
            {
                Assert.Equal(Errno.OK, store.Truncate(inode, from, ContentFixture.Change));
                size = from;
                expected.AsSpan(from).Clear();
            }
            else
            {
                AllocateMode mode = kind == 7 ? AllocateMode.PunchHole : AllocateMode.ZeroRangeKeepSize;
                Assert.Equal(Errno.OK, store.Allocate(inode, from, length, mode, ContentFixture.Change));
                expected.AsSpan(from, length).Clear();
            }

            Check(store, inode, expected, size);
        }

        store.Destroy(inode);
        Assert.Equal(free, fixture.Volume.FreeBlocks);
        Assert.Equal(1, store.Statistics.Inodes);
    }

    private static void Check(CatalogStore store, InodeNumber inode, byte[] expected, int size)
    {
        byte[] content = new byte[Bytes];
        using CatalogReadScope scope = store.EnterRead();
        Assert.True(store.TryGetInode(inode, out InodeRecord record));
        Assert.Equal(size, record.Size);
        Assert.Equal(size, store.ReadContent(inode, record, 0, content));
        Assert.True(content.AsSpan(0, size).SequenceEqual(expected.AsSpan(0, size)), "content");
    }

    [Fact]
    public void An_inode_with_long_attributes_is_destroyed_on_a_small_volume()
    {
        using var fixture = new StoreFixture(new MemoryVolumeOptions { TotalBlocks = 230, MaxOperationBlocks = 60 });
        InodeNumber inode = fixture.Create(InodeNumber.Root, "file");
        long free = fixture.Volume.FreeBlocks;
        for (int i = 0; i < 40; i++)
        {
            fixture.Change(4, o => Assert.Equal(
                Errno.OK, o.PutXattr(inode, StoreFixture.Name("user." + i), ContentFixture.Bytes(900, i))));
        }

        fixture.Store.WriteContent(inode, 0, new byte[10 * 4096], ContentFixture.Change, out _);
        List<BlockNumber> taken = fixture.Volume.FillUpTo(0);
        fixture.Store.Destroy(inode);
        fixture.Volume.GiveBack(taken);
        Assert.True(fixture.Volume.FreeBlocks >= free - 1);
        Assert.Equal(1, fixture.Store.Statistics.Inodes);
        using ReadScope scope = fixture.Volume.EnterRead();
        Assert.False(fixture.Store.TryGetInode(inode, out _));
    }

    [Fact]
    public void Writing_drops_the_capability_and_the_set_user_id_bit_together_with_the_data()
    {
        using var fixture = new StoreFixture();
        InodeNumber inode = fixture.Create(InodeNumber.Root, "file", 0x8000 | 0x9ED);
        fixture.Change(2, o => Assert.Equal(
            Errno.OK, o.PutXattr(inode, StoreFixture.Name("security.capability"), new byte[20])));
        var change = new ContentChange(new Timestamp(9, 9), 0x800, true);
        Assert.Equal(Errno.OK, fixture.Store.WriteContent(inode, 0, new byte[3], change, out _));
        using ReadScope scope = fixture.Volume.EnterRead();
        Assert.True(fixture.Store.TryGetInode(inode, out InodeRecord record));
        Assert.Equal(0x8000u | 0x1ED, record.Mode);
        Assert.Equal(new Timestamp(9, 9), record.Mtime);
        Assert.Equal(Errno.ENODATA, fixture.Store.GetXattr(inode, StoreFixture.Name("security.capability"), [], out _));
    }
}
