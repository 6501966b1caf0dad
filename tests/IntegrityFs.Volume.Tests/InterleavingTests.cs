using System.Security.Cryptography;
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Volume.Tests;

/// <summary>Moments in which two things happen at once, arranged by the device: what another thread could do during a
/// write or a flush is done from inside it.</summary>
public sealed class InterleavingTests
{
    private const int BlockSize = 4096;
    private const long Length = 16L << 20;
    private static readonly byte[] Key = SHA256.HashData("interleaving"u8);

    private static MemoryDevice NewDevice(long length, int journal)
    {
        var device = new MemoryDevice(length);
        VolumeFormatter.Format(device, Key, new VolumeFormatOptions { JournalBytes = (long)journal * BlockSize, Uuid = new Guid(4, 5, 6, new byte[8]) });
        return device;
    }

    private static BlockRun WriteData(ProtectedVolume volume, int count, byte fill, BlockNumber goal = default)
    {
        Assert.Equal(Errno.OK, volume.Begin(count + 3, count, out IVolumeOperation op));
        using (op)
        {
            BlockRun run = op.Allocate(count, goal);
            Assert.Equal(count, run.Count);
            byte[] data = new byte[count * BlockSize];
            data.AsSpan().Fill(fill);
            op.WriteData(run, data, fresh: true);
            op.Complete();
            return run;
        }
    }

    private static void Free(ProtectedVolume volume, BlockRun run)
    {
        Assert.Equal(Errno.OK, volume.Begin(3, 0, out IVolumeOperation op));
        using (op)
        {
            op.Free(run);
            op.Complete();
        }
    }

    private static byte ReadData(ProtectedVolume volume, BlockRun run)
    {
        byte[] data = new byte[run.Count * BlockSize];
        using ReadScope scope = volume.EnterRead();
        volume.ReadData(run, data);
        Assert.Equal(-1, data.AsSpan().IndexOfAnyExcept(data[0]));
        return data[0];
    }

    private static VolumeOptions Deferred(DataMode mode = DataMode.Journal) =>
        new() { Deferred = true, DataMode = mode, InPlaceThreshold = BlockSize, CacheBytes = 1 << 20 };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Opening_makes_durable_what_a_killed_daemon_left_unflushed_before_it_writes(bool closed)
    {
        using MemoryDevice memory = NewDevice(Length, 96);
        using (ProtectedVolume volume = ProtectedVolume.Open(memory, Key, Deferred()))
        {
            WriteData(volume, 2, 1);
            volume.Commit();
            if (closed)
            {
                volume.Close();
            }
        }

        var calls = new List<string>();
        var device = new WatchedDevice(memory) { BeforeWrite = (_, _) => calls.Add("write"), BeforeFlush = () => calls.Add("flush") };
        using (ProtectedVolume.Open(device, Key, Deferred()))
        {
            Assert.Contains("write", calls);
            Assert.Equal("flush", calls[0]);
        }
    }

    [Fact]
    public void What_is_freed_while_many_frees_become_durable_is_not_written_over_before_it_is_durable_itself()
    {
        using MemoryDevice memory = NewDevice(Length, 1024);
        using var device = new WatchedDevice(memory);
        using ProtectedVolume volume = ProtectedVolume.Open(device, Key, Deferred(DataMode.Auto));
        BlockRun precious = WriteData(volume, 8, 77);
        var many = new List<BlockRun>();
        while (many.Count < 1100)
        {
            BlockRun run = WriteData(volume, 50, 1);
            many.AddRange(Enumerable.Range(0, run.Count).Select(i => new BlockRun(run.First + i, 1)));
        }

        volume.Sync();
        volume.Checkpoint();
        many[..1020].ForEach(run => Free(volume, run));
        bool armed = true;
        device.BeforeFlush = () =>
        {
            if (armed)
            {
                armed = false;
                many[1020..].ForEach(run => Free(volume, run));
                Free(volume, precious);
            }
        };
        volume.Sync();
        Assert.False(armed);
        Assert.Equal(precious, WriteData(volume, 8, 99, precious.First));

        // The power fails in the next commit: what it wrote in place has arrived, its record has not.
        byte[] journal = memory.Slice(VolumeGeometry.JournalOffset, 1024 * BlockSize).ToArray();
        volume.Sync();
        using MemoryDevice crashed = memory.Clone();
        journal.CopyTo(crashed.Slice(VolumeGeometry.JournalOffset, journal.Length));
        using ProtectedVolume after = ProtectedVolume.Open(crashed, Key, new VolumeOptions());
        Assert.Equal(77, ReadData(after, precious));
    }

    [Fact]
    public void When_a_checkpoint_writes_the_superblocks_no_reader_needs_the_journal_space_that_they_give_up()
    {
        using MemoryDevice memory = NewDevice(Length, 96);
        using var device = new WatchedDevice(memory);
        using ProtectedVolume volume = ProtectedVolume.Open(device, Key, Deferred());
        BlockRun[] others = Enumerable.Range(0, 20).Select(_ => WriteData(volume, 40, 5)).ToArray();
        volume.Sync();
        volume.Checkpoint();
        BlockRun late = WriteData(volume, 8, 1);
        volume.Sync();
        foreach (BlockRun run in others)
        {
            LeaseAll(volume, run);
        }

        int looked = 0;
        device.BeforeWrite = (offset, _) =>
        {
            if (offset == VolumeGeometry.SuperblockOffset(0) || offset == VolumeGeometry.SuperblockOffset(1))
            {
                memory.Slice(VolumeGeometry.JournalOffset, 96 * BlockSize).Fill(0xee);
                Assert.Equal(1, ReadData(volume, late));
                looked++;
            }
        };
        volume.Checkpoint();
        Assert.Equal(2, looked);
    }

    [Fact]
    public void The_root_area_stays_what_it_is_for_the_whole_scope_whatever_else_is_read()
    {
        using MemoryDevice memory = NewDevice(Length, 96);
        using ProtectedVolume volume = ProtectedVolume.Open(memory, Key, Deferred());
        BlockRun[] others = Enumerable.Range(0, 20).Select(_ => WriteData(volume, 40, 5)).ToArray();
        volume.Sync();
        volume.Checkpoint();
        using ReadScope scope = volume.EnterRead();
        ReadOnlySpan<byte> root = volume.ReadRoot();
        byte[] before = root.ToArray();
        foreach (BlockRun run in others)
        {
            for (long block = run.First.Value; block < run.End.Value; block++)
            {
                volume.Read(new BlockNumber(block), BlockPurpose.Data).Dispose();
            }
        }

        Assert.True(root.SequenceEqual(before));
    }

    [Fact]
    public void A_crash_that_tears_the_superblock_of_a_recovery_beside_an_older_second_one_costs_nothing()
    {
        using MemoryDevice memory = NewDevice(Length, 96);
        BlockRun early;
        BlockRun late;
        byte[] olderSecond;
        using (ProtectedVolume volume = ProtectedVolume.Open(memory, Key, Deferred()))
        {
            early = WriteData(volume, 4, 1);
            volume.Sync();
            volume.Checkpoint();
            WriteData(volume, 4, 2);
            volume.Sync();
            olderSecond = memory.Slice(VolumeGeometry.SuperblockOffset(1), BlockSize).ToArray();
            volume.Checkpoint();
            late = WriteData(volume, 4, 3);
            volume.Sync();
        }

        // The power failed in the last flush: the record has arrived, the second superblock of the checkpoint has not.
        olderSecond.CopyTo(memory.Slice(VolumeGeometry.SuperblockOffset(1), BlockSize));
        using (var dying = new WatchedDevice(memory))
        {
            dying.BeforeWrite = (offset, _) =>
            {
                if (offset == VolumeGeometry.SuperblockOffset(0))
                {
                    memory.Slice(offset + 128, 8).Fill(0x55);
                    throw new DeviceException(Errno.EIO, DeviceOperation.Write, offset, "power failure in the middle of a superblock");
                }
            };
            Assert.Throws<DeviceException>(() => ProtectedVolume.Open(dying, Key, new VolumeOptions()));
        }

        using ProtectedVolume again = ProtectedVolume.Open(memory, Key, new VolumeOptions());
        Assert.Equal(1, ReadData(again, early));
        Assert.Equal(3, ReadData(again, late));
    }

    [Fact]
    public void A_damaged_record_behind_content_written_in_place_is_damage_and_no_torn_tail()
    {
        using MemoryDevice memory = NewDevice(Length, 96);
        BlockRun run = CrashInCheckpoint(memory, DataMode.Auto, out long[] descriptors);
        Assert.Equal(4, descriptors.Length);
        memory.Slice(descriptors[2] + 40, 1)[0] ^= 1;
        using ProtectedVolume again = ProtectedVolume.Open(memory, Key, new VolumeOptions());
        Assert.False(again.Recovery.TornTail);
        Assert.Equal(2, again.Recovery.Transactions);
        Assert.Equal(2, ReadData(again, run));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_damaged_image_of_the_last_transaction_costs_at_most_its_block_once_a_checkpoint_has_begun(bool atHome)
    {
        using MemoryDevice memory = NewDevice(Length, 96);
        BlockRun run = CrashInCheckpoint(memory, DataMode.Journal, out long[] descriptors);
        BlockNumber bad = run.First + 3;
        int image = 0;
        for (int at = JournalDescriptorLayout.HeaderSize; ; at += JournalDescriptorLayout.EntrySize, image++)
        {
            JournalEntry entry = JournalEntry.Read(memory.Slice(descriptors[2] + at, JournalDescriptorLayout.EntrySize), long.MaxValue);
            Assert.Equal(JournalEntryKind.Image, entry.Kind);
            if (entry.Block == bad.Value)
            {
                break;
            }
        }

        memory.Slice(descriptors[2] + ((1L + image) * BlockSize), 1)[0] ^= 1;
        if (!atHome)
        {
            using ProtectedVolume look = ProtectedVolume.Open(memory.Clone(), Key, new VolumeOptions { ReadOnly = true });
            memory.Slice(look.Geometry.BlockOffset(bad.Value), BlockSize).Clear();
        }

        using ProtectedVolume again = ProtectedVolume.Open(memory, Key, new VolumeOptions());
        Assert.False(again.Recovery.TornTail);
        Assert.Equal(2, ReadData(again, new BlockRun(run.First, 3)));
        Assert.Equal(2, ReadData(again, new BlockRun(bad + 1, 4)));
        if (atHome)
        {
            Assert.Equal(2, ReadData(again, new BlockRun(bad, 1)));
        }
        else
        {
            Assert.Equal([bad.Value], again.Recovery.LostBlocks);
            Assert.Throws<IntegrityException>(() => ReadData(again, new BlockRun(bad, 1)));
        }
    }

    /// <summary>Content 1, then over it content 2, both durable; the power fails in the checkpoint after both are home.</summary>
    private static BlockRun CrashInCheckpoint(MemoryDevice memory, DataMode mode, out long[] descriptors)
    {
        using ProtectedVolume volume = ProtectedVolume.Open(memory, Key, Deferred(mode));
        BlockRun run = WriteData(volume, 8, 1);
        volume.Sync();
        Assert.Equal(Errno.OK, volume.Begin(10, 0, out IVolumeOperation op));
        using (op)
        {
            byte[] data = new byte[run.Count * BlockSize];
            data.AsSpan().Fill(2);
            op.WriteData(run, data);
            op.Root[0] = 2;
            op.Complete();
        }

        volume.Sync();
        byte[][] superblocks = [.. Enumerable.Range(0, 2).Select(i => memory.Slice(VolumeGeometry.SuperblockOffset(i), BlockSize).ToArray())];
        volume.Checkpoint();
        for (int i = 0; i < 2; i++)
        {
            superblocks[i].CopyTo(memory.Slice(VolumeGeometry.SuperblockOffset(i), BlockSize));
        }

        descriptors = [.. Enumerable.Range(0, 96).Select(i => VolumeGeometry.JournalOffset + ((long)i * BlockSize))
            .Where(offset => new JournalDescriptorView(memory.Slice(offset, BlockSize)).HasMagic)];
        return run;
    }

    [Fact]
    public void Threads_that_pin_and_let_go_of_one_block_leave_no_pin_behind()
    {
        using var cache = new BlockCache(64, BlockSize);
        CachedBlock block = cache.Publish(cache.Reserve(), 7, BlockPurpose.Data);
        cache.Unpin(block);
        Parallel.For(0, 4, _ =>
        {
            for (int i = 0; i < 300_000; i++)
            {
                Assert.True(cache.TryPin(7, out CachedBlock pinned));
                cache.Unpin(pinned);
            }
        });
        Assert.Equal(0, block.Pins);
    }

    private static void LeaseAll(ProtectedVolume volume, BlockRun run)
    {
        using ReadScope scope = volume.EnterRead();
        for (long block = run.First.Value; block < run.End.Value; block++)
        {
            volume.Read(new BlockNumber(block), BlockPurpose.Data).Dispose();
        }
    }
}
