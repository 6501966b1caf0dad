using IntegrityFs.Catalog.Content;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Tests.Content;

/// <summary>What content costs, what damage does to it, and its limits.</summary>
public sealed class ContentTests
{
    private const int Block = 4096;
    private static readonly InodeNumber File = ContentFixture.File(0);

    [Fact]
    public void A_small_file_costs_no_block_and_moves_into_one_when_it_grows()
    {
        using var fixture = new ContentFixture();
        byte[] data = ContentFixture.Bytes(3000, 1);
        fixture.Write(File, 0, data.AsSpan(0, 1000));
        Assert.Equal(0, fixture.Record(File).Blocks);
        fixture.Write(File, 1000, data.AsSpan(1000));
        Assert.Equal(1, fixture.Record(File).Blocks);
        Assert.Equal(data, fixture.Read(File, 0, 5000));
        fixture.CheckBlocks(File);
    }

    [Fact]
    public void Overwriting_changes_the_inode_and_the_data_and_no_other_item()
    {
        using var fixture = new ContentFixture();
        fixture.Write(File, 0, new byte[16 * Block]);
        int changes = fixture.Tree.Changes;
        fixture.Volume.Counters = default;
        fixture.Write(File, 2 * Block, ContentFixture.Bytes(8 * Block, 1));
        Assert.Equal(1, fixture.Tree.Changes - changes);
        Assert.Equal(8, fixture.Volume.Counters.DataBlocksWritten);
        Assert.Equal(0, fixture.Volume.Counters.FreshBlocksWritten);
        Assert.Equal(1, fixture.Volume.Counters.DataWriteCalls);
        Assert.Equal(0, fixture.Volume.Counters.Reads + fixture.Volume.Counters.Modifies + fixture.Volume.Counters.BlocksAllocated);
    }

    [Fact]
    public void Appending_makes_the_last_extent_longer()
    {
        using var fixture = new ContentFixture();
        fixture.Write(File, 0, new byte[4 * Block]);
        int changes = fixture.Tree.Changes;
        fixture.Write(File, 4 * Block, new byte[4 * Block]);
        Assert.Equal(2, fixture.Tree.Changes - changes);
        Assert.Single(fixture.Extents(File));
    }

    [Fact]
    public void A_megabyte_is_written_by_one_operation_in_one_run_of_fresh_blocks()
    {
        using var fixture = new ContentFixture();
        fixture.Volume.Counters = default;
        fixture.Write(File, 0, new byte[1 << 20]);
        Assert.Equal(1, fixture.Volume.Counters.Begins);
        Assert.Equal(1, fixture.Volume.Counters.AllocateCalls);
        Assert.Equal(256, fixture.Volume.Counters.FreshBlocksWritten);
    }

    [Fact]
    public void Whole_blocks_are_read_as_one_run_straight_into_the_buffer()
    {
        using var fixture = new ContentFixture();
        fixture.Write(File, 0, ContentFixture.Bytes((20 * Block) + 100, 3));
        fixture.Volume.Counters = default;
        byte[] all = fixture.Read(File, 0, 24 * Block);
        Assert.Equal((20 * Block) + 100, all.Length);
        Assert.Equal(21, fixture.Volume.Counters.DataBlocksRead);
        Assert.Equal(0, fixture.Volume.Counters.Reads);
    }

    [Fact]
    public void A_damaged_block_costs_its_bytes_and_a_whole_overwrite_heals_it()
    {
        using var fixture = new ContentFixture();
        byte[] data = ContentFixture.Bytes(4 * Block, 2);
        fixture.Write(File, 0, data);
        long bad = fixture.Extents(File)[0].Start.Value + 2;
        fixture.Volume.MarkUnreadable(bad);
        Assert.Throws<IntegrityException>(() => fixture.Read(File, 0, 4 * Block));
        Assert.Equal(data[..(2 * Block)], fixture.Read(File, 0, 2 * Block));
        Assert.Equal(data[(3 * Block)..], fixture.Read(File, 3 * Block, Block));

        // A partial write must read the block: it fails and changes nothing, size and times included.
        InodeRecord before = fixture.Record(File);
        var later = new ContentChange(new Timestamp(5000, 0), 0, false);
        Assert.Throws<IntegrityException>(() =>
            fixture.Content.Write(File, (2 * Block) + 1, new byte[3 * Block], later, out _));
        Assert.Throws<IntegrityException>(() => fixture.Content.Truncate(File, (2 * Block) + 9, later));
        Assert.Throws<IntegrityException>(() =>
            fixture.Content.Allocate(File, 0, (2 * Block) + 9, AllocateMode.PunchHole, later));
        Assert.Equal(before, fixture.Record(File));
        Assert.Equal(data[(3 * Block)..], fixture.Read(File, 3 * Block, Block));
        Assert.Equal(data[..(2 * Block)], fixture.Read(File, 0, 2 * Block));

        fixture.Write(File, 2 * Block, data.AsSpan(2 * Block, Block));
        Assert.Equal(data, fixture.Read(File, 0, 4 * Block));
        fixture.CheckBlocks(File);
    }

    [Fact]
    public void A_damaged_last_block_is_healed_by_a_write_that_reaches_the_end_of_the_file()
    {
        using var fixture = new ContentFixture();
        fixture.Write(File, 0, ContentFixture.Bytes(Block + 100, 2));
        fixture.Volume.MarkUnreadable(fixture.Extents(File)[0].Start.Value + 1);
        byte[] tail = ContentFixture.Bytes(100, 9);
        fixture.Write(File, Block, tail);
        Assert.Equal(tail, fixture.Read(File, Block, Block));
    }

    [Fact]
    public void What_comes_before_a_damaged_block_of_a_long_write_is_reported_as_written()
    {
        using var fixture = new ContentFixture(new MemoryVolumeOptions { MaxOperationBlocks = 60 });
        byte[] old = new byte[100 * Block];
        fixture.Write(File, 0, old);
        fixture.Volume.MarkUnreadable(fixture.Extents(File)[0].Start.Value + 99);
        byte[] data = ContentFixture.Bytes((99 * Block) + 10, 4);
        Assert.Equal(Errno.EIO, fixture.Write(File, 0, data, out int written));
        Assert.InRange(written, Block, 99 * Block);
        Assert.Equal(data[..written], fixture.Read(File, 0, written));
        Assert.Throws<IntegrityException>(() => fixture.Write(File, 99 * Block, data.AsSpan(0, 10), out _));
    }

    [Theory]
    [InlineData(16L << 40)]
    [InlineData(FileContent.MaxFileSize)]
    public void A_sparse_file_may_be_huge(long size)
    {
        using var fixture = new ContentFixture();
        Assert.Equal(Errno.OK, fixture.Content.Truncate(File, size, ContentFixture.Change));
        fixture.Write(File, size - 10, new byte[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 });
        Assert.Equal(1, fixture.Record(File).Blocks);
        Assert.Equal(size - Block, fixture.Seek(File, 0, hole: false));
        Assert.Equal(size, fixture.Seek(File, size - 1, hole: true));
        byte[] tail = fixture.Read(File, size - 20, 100);
        Assert.Equal(20, tail.Length);
        Assert.Equal(10, tail[19]);
        Assert.Equal(0, tail[9]);
        Assert.Equal(Errno.EFBIG, fixture.Content.Truncate(File, FileContent.MaxFileSize + 1, ContentFixture.Change));
        Assert.Equal(Errno.EFBIG, fixture.Write(File, FileContent.MaxFileSize - 1, new byte[2], out _));
        Assert.Equal(Errno.OK, fixture.Content.Truncate(File, 0, ContentFixture.Change));
        fixture.CheckBlocks(File);
    }

    [Fact]
    public void Reserving_more_than_is_free_changes_nothing()
    {
        using var fixture = new ContentFixture();
        long free = fixture.Volume.FreeBlocks;
        Assert.Equal(
            Errno.ENOSPC, fixture.Content.Allocate(File, 0, 1L << 40, AllocateMode.Extend, ContentFixture.Change));
        Assert.Equal(free, fixture.Volume.FreeBlocks);
        Assert.Equal(0, fixture.Record(File).Size);
        Assert.Equal(
            Errno.EFBIG,
            fixture.Content.Allocate(File, long.MaxValue - 10, 10, AllocateMode.Extend, ContentFixture.Change));
        Assert.Equal(
            Errno.OK,
            fixture.Content.Allocate(File, long.MaxValue - 10, 10, AllocateMode.PunchHole, ContentFixture.Change));
    }

    [Fact]
    public void Reserved_blocks_behind_the_end_stay_and_are_written_when_the_volume_is_full_of_others_data()
    {
        using var fixture = new ContentFixture(new MemoryVolumeOptions { TotalBlocks = 200 });
        Assert.Equal(Errno.OK, fixture.Content.Allocate(File, 0, 50 * Block, AllocateMode.KeepSize, ContentFixture.Change));
        Assert.Equal(0, fixture.Record(File).Size);
        Assert.Equal(50, fixture.Record(File).Blocks);
        Assert.Equal(Errno.ENOSPC, fixture.Write(ContentFixture.File(1), 0, new byte[300 * Block], out _));
        List<BlockNumber> taken = fixture.Volume.FillUpTo(8);
        fixture.Write(File, 7 * Block, ContentFixture.Bytes(9 * Block, 5));
        fixture.Volume.GiveBack(taken);
        Assert.Equal(50, fixture.Record(File).Blocks);
        Assert.All(fixture.Read(File, 0, 7 * Block), b => Assert.Equal(0, b));
        fixture.CheckBlocks(File, ContentFixture.File(1));
    }

    [Fact]
    public void Extents_that_break_a_rule_are_refused()
    {
        Refused(v => v.Start(0));
        Refused(v => v.Start(1 << 20));
        Refused(v => v.Start(1000, 100));
        Refused(v => v.Start(ulong.MaxValue));
        Refused(v => v.Start(5, 0));
        Refused(v => v.Start(5, uint.MaxValue));
        Refused(v => v.Start(5, 1, 2));
        Refused(v => v.Start(5, 1, 0, 1));
        Refused(v => v.Start(5, 1), ulong.MaxValue);
        Refused(v => v.Start(5, 1)[..15]);
    }

    [Fact]
    public void Extents_that_overlap_are_refused()
    {
        using var fixture = new ContentFixture();
        fixture.Write(File, 0, new byte[4 * Block]);
        Assert.Equal(Errno.OK, fixture.Content.Truncate(File, 8 * Block, ContentFixture.Change));
        byte[] inside = Raw.Start(default(Raw), 500, 1);
        fixture.InOperation(o => fixture.Tree.Put(o, new CatalogKey(File.Value, ItemKind.Extent, 2), inside));
        Assert.Throws<CorruptFormatException>(() => fixture.Read(File, 0, 5 * Block));
    }

    private static void Refused(Func<Raw, byte[]> value, ulong block = 0)
    {
        using var fixture = new ContentFixture();
        byte[] bytes = value(default);
        fixture.InOperation(o =>
        {
            fixture.Tree.Put(o, new CatalogKey(File.Value, ItemKind.Extent, block), bytes);
            fixture.Inodes.Replace(o, File, new InodeRecord { Size = FileContent.MaxFileSize, Blocks = 1 });
        });
        long offset = block == 0 ? 0 : FileContent.MaxFileSize - 10;
        Assert.Throws<CorruptFormatException>(() =>
        {
            fixture.Read(File, offset, 10);
            fixture.Content.Destroy(File);
        });
    }

    [Fact]
    public void Reading_and_overwriting_allocate_nothing_on_the_heap()
    {
        using var fixture = new ContentFixture();
        byte[] data = ContentFixture.Bytes((40 * Block) + 77, 6);
        byte[] buffer = new byte[50 * Block];
        fixture.Write(File, 0, data);
        fixture.Write(ContentFixture.File(1), 0, data.AsSpan(0, 600));
        long before = 0;
        for (int i = 0; i < 300; i++)
        {
            before = i == 200 ? GC.GetAllocatedBytesForCurrentThread() : before;
            ReadOnce(fixture, File, buffer, i * 3);
            ReadOnce(fixture, ContentFixture.File(1), buffer, 5);
            fixture.Content.Write(File, i * 5, data.AsSpan(0, 20 * Block), ContentFixture.Change, out _);
            fixture.Content.Write(ContentFixture.File(1), i, data.AsSpan(0, 50), ContentFixture.Change, out _);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void ReadOnce(ContentFixture fixture, InodeNumber file, Span<byte> buffer, int offset)
    {
        using ReadScope scope = fixture.Volume.EnterRead();
        fixture.Inodes.TryGet(file, out InodeRecord record);
        fixture.Content.Read(file, record, offset, buffer);
        fixture.Content.Seek(file, record, offset, hole: true, out _);
    }

    /// <summary>Extent items by hand.</summary>
    private readonly struct Raw
    {
        public byte[] Start(ulong start, uint length = 1, byte flags = 0, byte reserved = 0) =>
            Start(this, start, length, flags, reserved);

        public static byte[] Start(Raw _, ulong start, uint length, byte flags = 0, byte reserved = 0) =>
            [.. BitConverter.GetBytes(start), .. BitConverter.GetBytes(length), flags, 0, reserved, 0];
    }
}
