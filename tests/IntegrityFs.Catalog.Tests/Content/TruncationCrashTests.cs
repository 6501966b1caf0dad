using IntegrityFs.Format;

namespace IntegrityFs.Catalog.Tests.Content;

/// <summary>Truncating and destroying files of many extents, stopped after every operation.</summary>
public sealed class TruncationCrashTests
{
    private const int Block = 512;
    private const int Blocks = 120;
    private static readonly InodeNumber File = ContentFixture.File(0);
    private static readonly InodeNumber Other = ContentFixture.File(1);

    /// <summary>Two files, each of <see cref="Blocks"/> extents of one block.</summary>
    private static ContentFixture Fragmented()
    {
        var fixture = new ContentFixture(new MemoryVolumeOptions { BlockSize = Block, MaxRun = 1, MaxOperationBlocks = 60 });
        for (int i = 0; i < Blocks; i++)
        {
            fixture.Write(File, i * Block, ContentFixture.Bytes(Block, i));
            fixture.Write(Other, i * Block, ContentFixture.Bytes(Block, 1000 + i));
        }

        Assert.Equal(Blocks, fixture.Extents(File).Count);
        return fixture;
    }

    /// <summary>Runs until the volume refuses the n-th operation; true where it was not reached.</summary>
    private static bool StopAfter(ContentFixture fixture, int operations, Action action)
    {
        fixture.Volume.BeginsUntilCrash = operations;
        try
        {
            action();
            return true;
        }
        catch (SimulatedCrashException)
        {
            return false;
        }
        finally
        {
            fixture.Reopen();
        }
    }

    [Fact]
    public void A_truncation_stopped_anywhere_has_happened_or_not_and_is_finished_at_the_next_start()
    {
        bool finished = false;
        int stops = 0;
        for (; !finished; stops++)
        {
            using ContentFixture fixture = Fragmented();
            byte[] old = fixture.Read(File, 0, Blocks * Block);
            finished = StopAfter(fixture, stops, () => fixture.Content.Truncate(File, (5 * Block) + 9, ContentFixture.Change));
            byte[] expected = stops == 0 ? old : old[..((5 * Block) + 9)];
            Assert.Equal(expected, fixture.Read(File, 0, Blocks * Block));
            Assert.Equal(Errno.OK, fixture.Content.ResumeTruncations());
            Assert.Equal(expected, fixture.Read(File, 0, Blocks * Block));
            Assert.Equal(stops == 0 ? Blocks : 6, fixture.Record(File).Blocks);
            fixture.CheckBlocks(File, Other);
        }

        Assert.True(stops > 4, "the truncation took too few operations to be interrupted");
    }

    [Fact]
    public void Whoever_changes_the_file_first_finishes_its_truncation()
    {
        Action<ContentFixture>[] changes =
        [
            f => f.Write(File, 50 * Block, new byte[] { 7 }),
            f => Assert.Equal(Errno.OK, f.Content.Truncate(File, 60 * Block, ContentFixture.Change)),
            f => Assert.Equal(Errno.OK, f.Content.Allocate(File, 0, 60 * Block, AllocateMode.Extend, ContentFixture.Change)),
            f => Assert.Equal(Errno.OK, f.Content.Allocate(File, 0, 60 * Block, AllocateMode.PunchHole, ContentFixture.Change)),
            f => Assert.Equal(Errno.OK, f.Content.Truncate(Other, 0, ContentFixture.Change)),
        ];
        foreach (Action<ContentFixture> change in changes)
        {
            using ContentFixture fixture = Fragmented();
            Assert.False(StopAfter(fixture, 2, () => fixture.Content.Truncate(File, 0, ContentFixture.Change)));
            change(fixture);
            byte[] content = fixture.Read(File, 0, 70 * Block);
            Assert.All(content.Where((_, i) => i != 50 * Block), b => Assert.Equal(0, b));
            Assert.All(fixture.Extents(File), e => Assert.True(e.End <= 60));
            fixture.CheckBlocks(File, Other);
        }
    }

    [Fact]
    public void Destroying_stopped_anywhere_goes_on_where_it_stopped()
    {
        bool finished = false;
        for (int stops = 0; !finished; stops++)
        {
            using ContentFixture fixture = Fragmented();
            fixture.InOperation(o => fixture.Tree.Put(o, new CatalogKey(0, ItemKind.Orphan, File.Value), []));
            List<BlockNumber> taken = fixture.Volume.FillUpTo(0);
            finished = StopAfter(fixture, stops, () => Assert.Equal(Errno.OK, fixture.Content.Destroy(File)));
            Assert.Equal(finished, !fixture.Tree.Keys.Contains(new CatalogKey(0, ItemKind.Orphan, File.Value)));
            Assert.Equal(Errno.OK, fixture.Content.Destroy(File));
            Assert.DoesNotContain(fixture.Tree.Keys, k => k.Inode == File.Value || k.Kind == ItemKind.Orphan);
            fixture.Volume.GiveBack(taken);
            fixture.CheckBlocks(Other);
        }
    }

    [Fact]
    public void Destroying_a_file_whose_truncation_is_unfinished_leaves_no_note()
    {
        using ContentFixture fixture = Fragmented();
        Assert.False(StopAfter(fixture, 2, () => fixture.Content.Truncate(File, 0, ContentFixture.Change)));
        Assert.Equal(Errno.OK, fixture.Content.Destroy(File));
        Assert.Equal(Errno.OK, fixture.Content.ResumeTruncations());
        fixture.CheckBlocks(Other);
    }

    [Fact]
    public void A_long_write_stopped_anywhere_leaves_a_part_that_ends_at_a_block()
    {
        bool finished = false;
        for (int stops = 0; !finished; stops++)
        {
            using ContentFixture fixture = Fragmented();
            byte[] data = ContentFixture.Bytes(50 * Block, 77);
            finished = StopAfter(fixture, stops, () => fixture.Write(File, (Blocks * Block) - 100, data));
            int size = (int)fixture.Record(File).Size;
            Assert.True(finished || size % Block == 0);
            int part = size - ((Blocks * Block) - 100);
            byte[] expected = stops == 0 ? ContentFixture.Bytes(Block, Blocks - 1)[^100..] : data[..part];
            Assert.Equal(expected, fixture.Read(File, (Blocks * Block) - 100, part));
            fixture.CheckBlocks(File, Other);
        }
    }
}
