using System.Security.Cryptography;
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Volume.Tests;

public sealed class VolumeTests
{
    private static readonly byte[] Key = SHA256.HashData("a test key"u8);

    private static MemoryDevice NewDevice(long length = 2 << 20, int blockSize = 4096, long journal = 96 * 4096)
    {
        var device = new MemoryDevice(length);
        VolumeFormatter.Format(device, Key, new VolumeFormatOptions { BlockSize = blockSize, JournalBytes = journal, Uuid = new Guid(1, 2, 3, new byte[8]), Label = "test" });
        return device;
    }

    private static BlockNumber Write(ProtectedVolume volume, byte fill)
    {
        Assert.Equal(Errno.OK, volume.Begin(4, 1, out IVolumeOperation op));
        using (op)
        {
            BlockRun run = op.Allocate(1, default);
            op.Create(run.First, BlockPurpose.CatalogNode).Fill(fill);
            op.Complete();
            return run.First;
        }
    }

    private static byte ReadFirst(ProtectedVolume volume, BlockNumber block)
    {
        using ReadScope scope = volume.EnterRead();
        using BlockLease lease = volume.Read(block, BlockPurpose.CatalogNode);
        Assert.Equal(-1, lease.Span.IndexOfAnyExcept(lease.Span[0]));
        return lease.Span[0];
    }

    [Theory]
    [InlineData(4096)]
    [InlineData(65536)]
    public void A_block_written_and_closed_is_there_after_opening(int blockSize)
    {
        using MemoryDevice device = NewDevice(32L << 20, blockSize, 96L * blockSize);
        BlockNumber block;
        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions()))
        {
            block = Write(volume, 7);
            volume.Close();
        }

        using ProtectedVolume again = ProtectedVolume.Open(device, Key, new VolumeOptions());
        Assert.False(again.Recovery.WasInUse);
        Assert.Equal(7, ReadFirst(again, block));
    }

    [Fact]
    public void A_synced_block_survives_a_crash_and_an_unsynced_one_vanishes_whole()
    {
        using MemoryDevice device = NewDevice();
        BlockNumber synced;
        long freeAfterSync;
        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions()))
        {
            synced = Write(volume, 1);
            volume.Sync();
            freeAfterSync = volume.FreeBlocks;
            Write(volume, 2);
        }

        using ProtectedVolume again = ProtectedVolume.Open(device, Key, new VolumeOptions());
        Assert.True(again.Recovery.WasInUse);
        Assert.Equal(1, again.Recovery.Transactions);
        Assert.Equal(1, ReadFirst(again, synced));
        Assert.Equal(freeAfterSync, again.FreeBlocks);
    }

    [Fact]
    public void An_operation_that_is_not_completed_leaves_no_trace()
    {
        using MemoryDevice device = NewDevice();
        using ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions());
        BlockNumber block = Write(volume, 5);
        long free = volume.FreeBlocks;
        Assert.Equal(Errno.OK, volume.Begin(8, 2, out IVolumeOperation op));
        using (op)
        {
            op.Modify(block, BlockPurpose.CatalogNode).Fill(9);
            BlockRun run = op.Allocate(2, default);
            op.Create(run.First, BlockPurpose.CatalogNode).Fill(9);
            op.Root.Fill(9);
        }

        Assert.Equal(free, volume.FreeBlocks);
        Assert.Equal(5, ReadFirst(volume, block));
        using ReadScope scope = volume.EnterRead();
        Assert.Equal(0, volume.ReadRoot()[0]);
    }

    [Fact]
    public void A_read_only_volume_replays_in_memory_and_writes_nothing()
    {
        using MemoryDevice device = NewDevice();
        BlockNumber block;
        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions()))
        {
            block = Write(volume, 3);
            volume.Sync();
        }

        byte[] before = device.Bytes.ToArray();
        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions { ReadOnly = true }))
        {
            Assert.Equal(3, ReadFirst(volume, block));
            Assert.Equal(Errno.EROFS, volume.Begin(1, 0, out _));
            volume.Close();
        }

        Assert.True(before.AsSpan().SequenceEqual(device.Bytes));
    }

    [Fact]
    public void A_wrong_key_is_refused()
    {
        using MemoryDevice device = NewDevice();
        byte[] wrong = SHA256.HashData("another key"u8);
        IntegrityException e = Assert.Throws<IntegrityException>(() => ProtectedVolume.Open(device, wrong, new VolumeOptions()));
        Assert.Equal(Zone.Superblock, e.Zone);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Either_superblock_alone_is_enough_and_the_other_is_repaired(int damaged)
    {
        using MemoryDevice device = NewDevice();
        BlockNumber block;
        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions()))
        {
            block = Write(volume, 3);
            volume.Close();
        }

        for (int at = 0; at < SuperblockLayout.Size; at += 37)
        {
            byte[] image = device.Bytes.ToArray();
            image[VolumeGeometry.SuperblockOffset(damaged) + at] ^= 0x40;
            using MemoryDevice copy = MemoryDevice.FromBytes(image);
            using (ProtectedVolume volume = ProtectedVolume.Open(copy, Key, new VolumeOptions()))
            {
                Assert.True(volume.Recovery.SuperblockRepaired);
                Assert.Equal(3, ReadFirst(volume, block));
                volume.Close();
            }

            using ProtectedVolume again = ProtectedVolume.Open(copy, Key, new VolumeOptions());
            Assert.False(again.Recovery.SuperblockRepaired);
        }
    }

    [Theory]
    [InlineData(DataMode.Journal, 1)]
    [InlineData(DataMode.Auto, 2)]
    [InlineData(DataMode.Auto, 3)]
    public void Random_operations_match_a_model_across_crashes(DataMode mode, int seed)
    {
        var random = new Random(seed);
        using MemoryDevice device = NewDevice(1 << 20);
        var live = new Dictionary<long, byte>();
        var synced = new Dictionary<long, byte>();
        long emptyFree = -1;
        ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions { DataMode = mode, InPlaceThreshold = 4096, CacheBytes = 0 });
        emptyFree = volume.FreeBlocks;
        for (int step = 0; step < 3000; step++)
        {
            switch (random.Next(12))
            {
                case < 5:
                    AddRun(volume, random, live);
                    break;
                case < 7:
                    Overwrite(volume, random, live);
                    break;
                case < 9:
                    FreeOne(volume, random, live);
                    break;
                case 9:
                    volume.Sync();
                    synced = new Dictionary<long, byte>(live);
                    break;
                case 10 when random.Next(4) == 0:
                    volume.Checkpoint();
                    break;
                case 11 when random.Next(6) == 0:
                    volume.Sync();
                    synced = new Dictionary<long, byte>(live);
                    volume.Dispose();
                    volume = ProtectedVolume.Open(device, Key, new VolumeOptions { DataMode = mode, InPlaceThreshold = 4096, CacheBytes = 0 });
                    break;
                default:
                    break;
            }

            if (step % 50 == 0)
            {
                CheckAll(volume, live);
            }

            Assert.Equal(emptyFree - live.Count, volume.FreeBlocks);
        }

        volume.Close();
        volume.Dispose();
        using ProtectedVolume last = ProtectedVolume.Open(device, Key, new VolumeOptions { ReadOnly = true });
        CheckAll(last, live);
    }

    private static void AddRun(ProtectedVolume volume, Random random, Dictionary<long, byte> live)
    {
        int want = random.Next(1, 5);
        Errno errno = volume.Begin(want + 3, want, out IVolumeOperation op);
        if (errno == Errno.ENOSPC)
        {
            return;
        }

        using (op)
        {
            BlockRun run = op.Allocate(want, new BlockNumber(random.Next((int)volume.TotalBlocks)));
            byte fill = (byte)random.Next(256);
            byte[] data = new byte[run.Count * volume.BlockSize];
            data.AsSpan().Fill(fill);
            op.WriteData(run, data, fresh: true);
            if (random.Next(5) == 0)
            {
                return;
            }

            op.Complete();
            for (int i = 0; i < run.Count; i++)
            {
                live.Add(run.First.Value + i, fill);
            }
        }
    }

    private static void Overwrite(ProtectedVolume volume, Random random, Dictionary<long, byte> live)
    {
        if (live.Count == 0)
        {
            return;
        }

        long block = live.Keys.ElementAt(random.Next(live.Count));
        Assert.Equal(Errno.OK, volume.Begin(2, 0, out IVolumeOperation op));
        using (op)
        {
            byte fill = (byte)random.Next(256);
            if (random.Next(2) == 0)
            {
                op.Modify(new BlockNumber(block), BlockPurpose.Data).Fill(fill);
            }
            else
            {
                op.Create(new BlockNumber(block), BlockPurpose.Data).Fill(fill);
            }

            if (random.Next(4) == 0)
            {
                return;
            }

            op.Complete();
            live[block] = fill;
        }
    }

    private static void FreeOne(ProtectedVolume volume, Random random, Dictionary<long, byte> live)
    {
        if (live.Count == 0)
        {
            return;
        }

        long block = live.Keys.ElementAt(random.Next(live.Count));
        Assert.Equal(Errno.OK, volume.Begin(3, 0, out IVolumeOperation op));
        using (op)
        {
            op.Free(new BlockRun(new BlockNumber(block), 1));
            if (random.Next(4) == 0)
            {
                return;
            }

            op.Complete();
            live.Remove(block);
        }
    }

    private static void CheckAll(ProtectedVolume volume, Dictionary<long, byte> live)
    {
        byte[] buffer = new byte[volume.BlockSize];
        using ReadScope scope = volume.EnterRead();
        foreach ((long block, byte fill) in live)
        {
            volume.ReadData(new BlockRun(new BlockNumber(block), 1), buffer);
            Assert.Equal(-1, buffer.AsSpan().IndexOfAnyExcept(fill));
            Assert.True(volume.IsAllocated(new BlockNumber(block)));
        }
    }
}
