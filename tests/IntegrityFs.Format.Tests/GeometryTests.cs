using CsCheck;

namespace IntegrityFs.Format.Tests;

public sealed class GeometryTests
{
    private static readonly Gen<int> BlockSizes = Gen.Int[12, 16].Select(bits => 1 << bits);

    [Fact]
    public void Nothing_on_the_device_overlaps_and_everything_lies_inside() =>
        Gen.Select(BlockSizes, Gen.Int[0, 700], Gen.Int[96, 200]).Sample((blockSize, extra, journal) =>
        {
            long length = VolumeGeometry.JournalOffset + ((long)(journal + 60 + extra) * blockSize);
            VolumeGeometry geometry = VolumeGeometry.Create(blockSize, length, journal);
            var taken = new HashSet<long>();
            void Take(long offset)
            {
                Assert.True(offset >= geometry.JournalEnd && offset + blockSize <= length, $"{offset} lies outside");
                Assert.Equal(0, offset % blockSize);
                Assert.True(taken.Add(offset), $"{offset} is used twice");
            }

            for (long block = 0; block < geometry.TotalBlocks; block++)
            {
                Take(geometry.BlockOffset(block));
            }

            for (int level = 0; level <= geometry.Levels; level++)
            {
                TagNode node = geometry.LeafOf(geometry.TotalBlocks - 1);
                while (node.Level < level)
                {
                    node = geometry.ParentOf(node);
                }

                for (long index = 0; index <= node.Index; index++)
                {
                    for (int at = 0; at < 2 * VolumeGeometry.CopiesOf(new TagNode(level, index)); at++)
                    {
                        Take(geometry.NodeOffset(new TagNode(level, index), at & 1, at >> 1));
                    }
                }
            }

            Assert.Equal(0, geometry.Root.Index);
        }, iter: 60);

    [Fact]
    public void Every_block_finds_its_way_from_leaf_to_root() =>
        Gen.Select(BlockSizes, Gen.Long[1L << 24, 1L << 44]).Sample((blockSize, length) =>
        {
            VolumeGeometry geometry = VolumeGeometry.Create(blockSize, length, 96);
            TagNode node = geometry.LeafOf(geometry.TotalBlocks - 1);
            while (node.Level < geometry.Levels)
            {
                Assert.InRange(geometry.IndexInParent(node), 0, geometry.Fanout - 1);
                node = geometry.ParentOf(node);
            }

            Assert.Equal(geometry.Root, node);
            Assert.True(geometry.BlockOffset(geometry.TotalBlocks - 1) + blockSize <= length);
        });

    [Fact]
    public void Growing_the_device_moves_nothing() =>
        Gen.Select(BlockSizes, Gen.Long[1L << 26, 1L << 36], Gen.Long[0, 1L << 36]).Sample((blockSize, length, more) =>
        {
            VolumeGeometry before = VolumeGeometry.Create(blockSize, length, 96);
            VolumeGeometry after = VolumeGeometry.Create(blockSize, length + more, 96);
            Assert.True(after.TotalBlocks >= before.TotalBlocks);
            long last = before.TotalBlocks - 1;
            Assert.Equal(before.BlockOffset(last), after.BlockOffset(last));
            Assert.Equal(before.NodeOffset(before.LeafOf(last), 1, 0), after.NodeOffset(after.LeafOf(last), 1, 0));
        });

    [Theory]
    [InlineData(4095, 1 << 24, 96)]
    [InlineData(5000, 1 << 24, 96)]
    [InlineData(131072, 1 << 24, 96)]
    [InlineData(4096, 1 << 18, 96)]
    [InlineData(4096, -1, 96)]
    [InlineData(4096, long.MaxValue, 96)]
    [InlineData(4096, 1 << 24, 95)]
    [InlineData(4096, 1 << 24, long.MaxValue)]
    public void Impossible_numbers_are_refused(int blockSize, long length, long journal) =>
        Assert.Throws<CorruptFormatException>(() => VolumeGeometry.Create(blockSize, length, journal));

    [Fact]
    public void Tags_take_less_than_two_and_a_half_percent()
    {
        VolumeGeometry geometry = VolumeGeometry.Create(4096, 1L << 40, 96);
        double overhead = 1 - (geometry.TotalBlocks * 4096.0 / ((1L << 40) - geometry.JournalEnd));
        Assert.InRange(overhead, 0, 0.025);
    }
}
