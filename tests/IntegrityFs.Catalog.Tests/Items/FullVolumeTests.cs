using System.Text;
using IntegrityFs.Format;

namespace IntegrityFs.Catalog.Tests.Items;

public sealed class FullVolumeTests
{
    private static readonly InodeNumber Root = InodeNumber.Root;

    [Theory]
    [InlineData(180, 40)]
    [InlineData(1000, 512)]
    public void Names_are_refused_before_any_change_and_deleting_still_works(int blocks, int maxOperation)
    {
        using var fixture = new StoreFixture(new MemoryVolumeOptions { TotalBlocks = blocks, MaxOperationBlocks = maxOperation });
        int count = 0;
        while (TryCreate(fixture, $"file{count}"))
        {
            count++;
        }

        // What is left is less than the next operation must be able to promise.
        Assert.InRange(fixture.Store.Statistics.FreeBlocks, 0, 40);
        Assert.Equal(count, fixture.List(Root).Count);
        for (int i = 0; i < count; i++)
        {
            Dentry entry = default;
            Assert.True(fixture.Read(() => fixture.Store.TryLookup(Root, Encoding.UTF8.GetBytes($"file{i}"), out entry)));
            Assert.True(fixture.Unlink(Root, $"file{i}") == Errno.OK, $"name {i} of {count}: {fixture.Store.Statistics.FreeBlocks} + {fixture.Store.Tree.Reserve} free, needs {fixture.Store.Tree.CostOf(4, 1)}");
            fixture.Store.Destroy(entry.Inode);
        }

        Assert.Empty(fixture.List(Root));
        Assert.True(count > blocks * 8, $"only {count} names fitted");
    }

    [Fact]
    public void Attributes_change_on_a_full_volume()
    {
        using var fixture = new StoreFixture(new MemoryVolumeOptions { TotalBlocks = 200 });
        for (int i = 0; TryCreate(fixture, $"{i}"); i++)
        {
        }

        Assert.Equal(Errno.OK, fixture.Change(
            1,
            o =>
            {
                fixture.Store.TryGetInode(Root, out InodeRecord record);
                record.Mode ^= 1;
                o.PutInode(Root, record);
                return Errno.OK;
            },
            removal: true));
    }

    [Fact]
    public void A_read_only_volume_refuses_with_EROFS()
    {
        using var fixture = new StoreFixture();
        fixture.Volume.IsReadOnly = true;
        Assert.True(fixture.Store.IsReadOnly);
        Assert.Equal(Errno.EROFS, fixture.Store.BeginWrite(1, out _));
        Assert.Equal(Errno.EROFS, fixture.Store.BeginRemoval(1, out _));
    }

    private static bool TryCreate(StoreFixture fixture, string name) => Errno.OK == fixture.Change(3, o =>
    {
        InodeNumber inode = o.NewInode();
        o.PutInode(inode, new InodeRecord { Mode = 0x81A4, Links = 1, Parent = Root });
        fixture.Store.TryGetInode(Root, out InodeRecord parent);
        parent.Size++;
        o.PutInode(Root, parent);
        return o.AddDentry(Root, StoreFixture.Name(name), new Dentry(inode, 8));
    });
}
