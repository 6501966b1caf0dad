using System.Security.Cryptography;
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Volume.Tests;

/// <summary>P4: small damage stays small, in the blocks that the volume itself owns.</summary>
public sealed class DamageTests
{
    private const int Groups = 2;
    private const long GroupBlocks = 8 * 4096;
    private static readonly byte[] Key = SHA256.HashData("a test key"u8);

    private static MemoryDevice NewDevice(long length)
    {
        var device = new MemoryDevice(length);
        VolumeFormatter.Format(device, Key, new VolumeFormatOptions { JournalBytes = 96 * 4096, Uuid = new Guid(1, 2, 3, new byte[8]) });
        return device;
    }

    private static BlockRun Allocate(ProtectedVolume volume, int count, long goal, byte root)
    {
        Assert.Equal(Errno.OK, volume.Begin(6, count, out IVolumeOperation op));
        using (op)
        {
            BlockRun run = op.Allocate(count, new BlockNumber(goal));
            op.Root[0] = root;
            op.Complete();
            return run;
        }
    }

    private static byte RootOf(ProtectedVolume volume)
    {
        using ReadScope scope = volume.EnterRead();
        return volume.ReadRoot()[0];
    }

    private static void Damage(MemoryDevice device, ProtectedVolume volume, long block) =>
        device.Slice(volume.Geometry.BlockOffset(block), 4096)[7] ^= 1;

    [Theory]
    [InlineData(VolumeStateBlock.BlockNumber)]
    [InlineData(VolumeStateBlock.MirrorNumber)]
    public void Either_copy_of_the_state_is_enough_and_the_next_commit_writes_both_anew(long damaged)
    {
        using MemoryDevice device = NewDevice(2 << 20);
        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions()))
        {
            Allocate(volume, 1, 100, 1);
            volume.Close();
            Damage(device, volume, damaged);
        }

        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions()))
        {
            Assert.Equal(1, RootOf(volume));
            Allocate(volume, 1, 200, 2);
            volume.Close();
        }

        using ProtectedVolume again = ProtectedVolume.Open(device, Key, new VolumeOptions());
        Assert.Equal(2, RootOf(again));
        Span<byte> first = device.Slice(again.Geometry.BlockOffset(VolumeStateBlock.BlockNumber), 4096);
        Span<byte> second = device.Slice(again.Geometry.BlockOffset(VolumeStateBlock.MirrorNumber), 4096);
        Assert.True(first.SequenceEqual(second));
        Assert.Equal(0, again.Status().Mismatches);
    }

    [Fact]
    public void A_read_only_volume_repairs_no_tag_node_even_where_the_device_could_be_written()
    {
        using MemoryDevice device = NewDevice(2 << 20);
        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions()))
        {
            Allocate(volume, 1, 100, 1);
            volume.Close();
            device.Slice(volume.Geometry.NodeOffset(volume.Geometry.Root, volume.Superblock.Root.Kind, 0), 4096)[5] ^= 1;
        }

        byte[] before = device.Bytes.ToArray();
        using ProtectedVolume again = ProtectedVolume.Open(device, Key, new VolumeOptions { ReadOnly = true });
        Assert.Equal(1, RootOf(again));
        Assert.True(before.AsSpan().SequenceEqual(device.Bytes));
        Assert.Equal(1, again.Status().TagNodeRepairs);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void An_image_of_the_state_that_went_bad_in_the_journal_costs_nothing_and_is_made_good_by_mounting(int copy)
    {
        using MemoryDevice device = NewDevice(2 << 20);
        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions { Deferred = true }))
        {
            BlockRun run = Allocate(volume, 1, 100, 3);
            volume.Commit();

            // The newest transaction proves that the one before was durable, and leaves the state alone.
            Assert.Equal(Errno.OK, volume.Begin(1, 0, out IVolumeOperation op));
            using (op)
            {
                op.Create(run.First, BlockPurpose.Data).Fill(7);
                op.Complete();
            }

            volume.Commit();
            long[] images = [.. Enumerable.Range(0, volume.Geometry.JournalBlocks).Select(at => volume.Geometry.JournalBlockOffset((ulong)at))
                .Where(offset => device.Slice(offset, 8).SequenceEqual("IFSstat1"u8))];
            Assert.Equal(2, images.Length);
            device.Slice(images[copy], 4096)[9] ^= 1;
        }

        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions()))
        {
            Assert.Equal(3, RootOf(volume));
            Assert.Empty(volume.Recovery.LostBlocks);
            volume.Close();
        }

        using ProtectedVolume again = ProtectedVolume.Open(device, Key, new VolumeOptions());
        Assert.True(again.Verifies(new BlockNumber(VolumeStateBlock.BlockNumber), BlockPurpose.State));
        Assert.True(again.Verifies(new BlockNumber(VolumeStateBlock.MirrorNumber), BlockPurpose.State));
        Assert.Equal(0, again.Status().Mismatches);
    }

    [Fact]
    public void Both_copies_of_the_state_damaged_is_refused()
    {
        using MemoryDevice device = NewDevice(2 << 20);
        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions()))
        {
            Allocate(volume, 1, 100, 1);
            volume.Close();
            Damage(device, volume, VolumeStateBlock.BlockNumber);
            Damage(device, volume, VolumeStateBlock.MirrorNumber);
        }

        Assert.Throws<IntegrityException>(() => ProtectedVolume.Open(device, Key, new VolumeOptions()));
    }

    [Fact]
    public void A_damaged_bitmap_costs_the_free_space_of_its_group_and_freeing_goes_on()
    {
        using MemoryDevice device = NewDevice((Groups * GroupBlocks * 4096) - (20L << 20));
        BlockRun early;
        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions()))
        {
            early = Allocate(volume, 8, 100, 1);
            Assert.True(early.End.Value < GroupBlocks);
            volume.Close();
            Damage(device, volume, 1);
        }

        using ProtectedVolume again = ProtectedVolume.Open(device, Key, new VolumeOptions());
        BlockRun late = Allocate(again, 8, early.End.Value, 2);
        Assert.True(late.First.Value >= GroupBlocks, $"{late.First} lies in the group whose bitmap is damaged");
        long free = again.FreeBlocks;
        Assert.Equal(Errno.OK, again.Begin(6, 0, out IVolumeOperation op));
        using (op)
        {
            op.Free(early);
            op.Free(late);
            op.Complete();
        }

        Assert.Equal(free + late.Count, again.FreeBlocks);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void With_zero_on_mismatch_every_way_of_reading_gives_zeros_and_a_partial_write_heals(bool tagsToo)
    {
        using MemoryDevice device = NewDevice(4 << 20);
        BlockRun run;
        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions()))
        {
            Assert.Equal(Errno.OK, volume.Begin(6, 2, out IVolumeOperation op));
            using (op)
            {
                run = op.Allocate(2, new BlockNumber(300));
                byte[] data = new byte[2 * 4096];
                data.AsSpan().Fill(7);
                op.WriteData(run, data);
                op.Complete();
            }

            volume.Close();
            Damage(device, volume, run.First.Value);
            if (tagsToo)
            {
                TagNode leaf = volume.Geometry.LeafOf(run.First.Value);
                device.Slice(volume.Geometry.NodeOffset(leaf, 0, 0), 4096)[9] ^= 1;
                device.Slice(volume.Geometry.NodeOffset(leaf, 1, 0), 4096)[9] ^= 1;
            }
        }

        byte second = tagsToo ? (byte)0 : (byte)7;
        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions { ZeroOnMismatch = true }))
        {
            using (volume.EnterRead())
            {
                byte[] data = new byte[2 * 4096];
                volume.ReadData(run, data);
                Assert.Equal(-1, data.AsSpan(0, 4096).IndexOfAnyExcept((byte)0));
                Assert.Equal(-1, data.AsSpan(4096).IndexOfAnyExcept(second));
                using BlockLease lease = volume.Read(run.First, BlockPurpose.Data);
                Assert.Equal(-1, lease.Span.IndexOfAnyExcept((byte)0));
            }

            Assert.Equal(Errno.OK, volume.Begin(6, 0, out IVolumeOperation op));
            using (op)
            {
                op.Modify(run.First, BlockPurpose.Data)[..3].Fill(9);
                op.Complete();
            }

            volume.Close();
        }

        using ProtectedVolume again = ProtectedVolume.Open(device, Key, new VolumeOptions());
        using (again.EnterRead())
        {
            using BlockLease healed = again.Read(run.First, BlockPurpose.Data);
            Assert.Equal([9, 9, 9, 0], healed.Span[..4].ToArray());
        }
    }

    [Fact]
    public void With_every_bitmap_damaged_allocation_says_so_and_changes_nothing()
    {
        using MemoryDevice device = NewDevice(2 << 20);
        using (ProtectedVolume volume = ProtectedVolume.Open(device, Key, new VolumeOptions()))
        {
            Allocate(volume, 1, 100, 1);
            volume.Close();
            Damage(device, volume, 1);
        }

        using ProtectedVolume again = ProtectedVolume.Open(device, Key, new VolumeOptions());
        IntegrityException e = Assert.Throws<IntegrityException>(() => Allocate(again, 1, 100, 9));
        Assert.Equal(Zone.Allocation, e.Zone);
        Assert.Equal(1, RootOf(again));
    }
}
