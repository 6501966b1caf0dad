using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Tests;

public sealed class MemoryVolumeTests
{
    private static readonly BlockPurpose Node = BlockPurpose.CatalogNode;

    private static BlockNumber NewBlock(MemoryVolume volume, byte content, BlockPurpose purpose)
    {
        Assert.Equal(Errno.OK, volume.Begin(1, 1, out IVolumeOperation operation));
        using (operation)
        {
            BlockRun run = operation.Allocate(1, new BlockNumber(1));
            operation.Create(run.First, purpose).Fill(content);
            operation.Complete();
            return run.First;
        }
    }

    [Fact]
    public void An_operation_that_is_not_completed_leaves_no_trace()
    {
        using var volume = new MemoryVolume();
        BlockNumber block = NewBlock(volume, 7, Node);
        long free = volume.FreeBlocks;
        volume.Begin(8, 4, out IVolumeOperation operation);
        operation.Modify(block, Node).Fill(9);
        operation.Root.Fill(1);
        BlockRun run = operation.Allocate(2, block);
        operation.WriteData(run, new byte[run.Count * 4096], fresh: true);
        operation.Free(new BlockRun(block, 1));
        operation.Dispose();
        Assert.Equal(free, volume.FreeBlocks);
        using ReadScope scope = volume.EnterRead();
        using BlockLease lease = volume.Read(block, Node);
        Assert.Equal(7, lease.Span[0]);
        Assert.Equal(0, volume.ReadRoot()[0]);
    }

    [Fact]
    public void Misuse_is_a_broken_rule()
    {
        Breaks((v, o, b) => v.Read(b + 1, Node).Dispose());
        Breaks((v, o, b) => v.Read(b, BlockPurpose.Data).Dispose());
        Breaks((v, o, b) => o.Modify(b + 1, Node));
        Breaks((v, o, b) => o.Create(b + 1, Node));
        Breaks((v, o, b) => o.WriteData(new BlockRun(b, 1), new byte[4096]));
        Breaks((v, o, b) => o.Free(new BlockRun(b, 2)));
        Breaks((v, o, b) => o.Allocate(3, b));
        Breaks((v, o, b) => o.Allocate(0, b));
        Breaks((v, o, b) => v.EnterRead().Dispose());
        Breaks((v, o, b) => v.Begin(1, 0, out _));
        Breaks((v, o, b) => v.Sync());
        Breaks((v, o, b) => v.Read(b, Node));
        Breaks((v, o, b) =>
        {
            o.Modify(b, Node);
            o.Allocate(2, b);
            o.Free(new BlockRun(b, 1));
        });
        Breaks((v, o, b) =>
        {
            o.Complete();
            o.Modify(b, Node);
        });
        Breaks((v, o, b) =>
        {
            using BlockLease lease = v.Read(b, Node);
            o.Free(new BlockRun(b, 1));
        });
        Breaks((v, o, b) =>
        {
            BlockRun run = o.Allocate(1, b);
            o.Create(run.First, BlockPurpose.Data);
            o.WriteData(run, new byte[4096], fresh: true);
        });
    }

    private static void Breaks(Action<MemoryVolume, IVolumeOperation, BlockNumber> misuse)
    {
        var volume = new MemoryVolume();
        BlockNumber block = NewBlock(volume, 1, Node);
        Assert.Equal(Errno.OK, volume.Begin(3, 2, out IVolumeOperation operation));
        Assert.Throws<VolumeRuleException>(() =>
        {
            using (operation)
            {
                misuse(volume, operation, block);
            }
        });
        Assert.Throws<VolumeRuleException>(volume.Dispose);
    }

    [Fact]
    public void A_lease_shows_poison_after_its_block_was_modified()
    {
        using var volume = new MemoryVolume();
        BlockNumber block = NewBlock(volume, 5, Node);
        volume.Begin(1, 0, out IVolumeOperation operation);
        using (operation)
        {
            using BlockLease lease = volume.Read(block, Node);
            Span<byte> span = operation.Modify(block, Node);
            Assert.Equal(5, span[0]);
            Assert.Equal(0xDE, lease.Span[0]);
            span[0] = 6;
            using BlockLease again = volume.Read(block, Node);
            Assert.Equal(6, again.Span[0]);
            Assert.Equal(6, operation.Modify(block, Node)[0] == 6 ? 6 : 0);
        }

        using ReadScope scope = volume.EnterRead();
        using BlockLease after = volume.Read(block, Node);
        Assert.Equal(5, after.Span[0]);
    }

    [Fact]
    public void A_bad_block_throws_until_it_is_written_whole()
    {
        using var volume = new MemoryVolume();
        BlockNumber block = NewBlock(volume, 5, BlockPurpose.Data);
        volume.MarkUnreadable(block.Value);
        volume.Begin(1, 0, out IVolumeOperation operation);
        Assert.Throws<IntegrityException>(() => operation.Modify(block, BlockPurpose.Data));
        operation.WriteData(new BlockRun(block, 1), new byte[4096]);
        operation.Complete();
        operation.Dispose();
        using ReadScope scope = volume.EnterRead();
        volume.ReadData(new BlockRun(block, 1), new byte[4096]);
    }

    [Fact]
    public void A_full_volume_refuses_before_the_operation_begins()
    {
        using var volume = new MemoryVolume();
        List<BlockNumber> taken = volume.FillUpTo(2);
        Assert.Equal(Errno.ENOSPC, volume.Begin(3, 3, out _));
        Assert.Equal(Errno.OK, volume.Begin(3, 2, out IVolumeOperation operation));
        operation.Dispose();
        volume.GiveBack(taken);
        Assert.Equal(volume.TotalBlocks - 1, volume.FreeBlocks);
    }
}
