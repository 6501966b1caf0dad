using System.Security.Cryptography;
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Volume.Tests;

/// <summary>A volume whose host lends it threads: the committer, the checkpointer, and those that help with checkpoints.</summary>
public sealed class BackgroundTests
{
    private const int Blocks = 1500;
    private static readonly byte[] s_key = SHA256.HashData("a test key"u8);
    private static readonly VolumeOptions s_deferred = new() { Deferred = true, HashLanes = 2, CacheBytes = 4 << 20 };

    private static RefusingDevice NewDevice()
    {
        var memory = new MemoryDevice(32 << 20);
        VolumeFormatter.Format(memory, s_key, new VolumeFormatOptions { JournalBytes = 4 << 20 });
        return new RefusingDevice(memory);
    }

    /// <summary>Every third block of a region of its own, so that hardly any are neighbours.</summary>
    private static BlockNumber[] Allocate(ProtectedVolume volume)
    {
        var blocks = new BlockNumber[Blocks];
        for (int i = 0; i < Blocks; i++)
        {
            Assert.Equal(Errno.OK, volume.Begin(4, 3, out IVolumeOperation operation));
            using (operation)
            {
                blocks[i] = operation.Allocate(3, default).First;
                operation.Complete();
            }
        }

        return blocks;
    }

    private static void Fill(ProtectedVolume volume, BlockNumber[] blocks, byte round)
    {
        byte[] content = new byte[volume.BlockSize];
        for (int i = 0; i < blocks.Length; i++)
        {
            Array.Fill(content, (byte)(i + round));
            Assert.Equal(Errno.OK, volume.Begin(2, 0, out IVolumeOperation operation));
            using (operation)
            {
                operation.WriteData(new BlockRun(blocks[i], 1), content);
                operation.Complete();
            }
        }
    }

    private static void Check(ProtectedVolume volume, BlockNumber[] blocks, byte round)
    {
        byte[] content = new byte[volume.BlockSize];
        using ReadScope scope = volume.EnterRead();
        for (int i = 0; i < blocks.Length; i++)
        {
            volume.ReadData(new BlockRun(blocks[i], 1), content, neighbours: i % 2 == 0);
            Assert.Equal(-1, content.AsSpan().IndexOfAnyExcept((byte)(i + round)));
        }
    }

    [Fact]
    public void What_was_synced_under_its_own_threads_is_there_after_a_crash()
    {
        using RefusingDevice device = NewDevice();
        BlockNumber[] blocks;
        using (ProtectedVolume volume = ProtectedVolume.Open(device, s_key, s_deferred))
        {
            using var stop = new CancellationTokenSource();
            Thread[] threads =
            [
                new(() => volume.RunBackground(BackgroundRole.Committer, stop.Token)),
                new(() => volume.RunBackground(BackgroundRole.Checkpointer, stop.Token)),
            ];
            Array.ForEach(threads, thread => thread.Start());
            blocks = Allocate(volume);
            for (byte round = 1; round <= 4; round++)
            {
                Fill(volume, blocks, round);
                Check(volume, blocks, round);
            }

            volume.Sync();
            Assert.NotEqual(0, volume.Status().Checkpoints);
            stop.Cancel();
            Array.ForEach(threads, thread => thread.Join());
            Assert.Null(volume.Fault);
        }

        using ProtectedVolume again = ProtectedVolume.Open(device, s_key, s_deferred);
        Assert.True(again.Recovery.WasInUse);
        Check(again, blocks, 4);
        again.Close();
    }

    [Fact]
    public void A_full_journal_is_brought_home_by_several_threads_when_the_volume_opens()
    {
        using RefusingDevice device = NewDevice();
        BlockNumber[] blocks;
        using (ProtectedVolume volume = ProtectedVolume.Open(device, s_key, s_deferred))
        {
            blocks = Allocate(volume);
            volume.Sync();
            volume.Checkpoint();
            Fill(volume, blocks[..800], 9);
            volume.Sync();
        }

        using ProtectedVolume again = ProtectedVolume.Open(device, s_key, s_deferred);
        Assert.InRange(again.Recovery.Blocks, 800, 1000);
        Assert.Equal(0, again.Status().Mismatches);
        Check(again, blocks[..800], 9);
    }

    [Fact]
    public void A_write_that_fails_on_a_helping_thread_faults_the_volume_and_loses_nothing()
    {
        using RefusingDevice device = NewDevice();
        BlockNumber[] blocks;
        using (ProtectedVolume volume = ProtectedVolume.Open(device, s_key, s_deferred))
        {
            using var stop = new CancellationTokenSource();
            var checkpointer = new Thread(() => volume.RunBackground(BackgroundRole.Checkpointer, stop.Token));
            checkpointer.Start();
            blocks = Allocate(volume);
            volume.Checkpoint();
            Fill(volume, blocks[..500], 3);
            volume.Sync();
            device.RefuseFrom = volume.Geometry.JournalEnd;

            // The checkpointer may be first; then the volume is faulted already, and says by what.
            Exception? failure = Record.Exception(volume.Checkpoint);
            Assert.IsType<DeviceException>(failure is VolumeFaultedException ? failure.InnerException : failure);
            Assert.NotNull(volume.Fault);
            Assert.Equal(Errno.EROFS, volume.Begin(1, 0, out _));
            stop.Cancel();
            checkpointer.Join();
        }

        device.RefuseFrom = long.MaxValue;
        using ProtectedVolume again = ProtectedVolume.Open(device, s_key, s_deferred);
        Check(again, blocks[..500], 3);
    }

    /// <summary>Refuses writes from an offset on.</summary>
    private sealed class RefusingDevice(MemoryDevice memory) : IDevice
    {
        public long RefuseFrom { get; set; } = long.MaxValue;

        public long Length => memory.Length;

        public int SectorSize => memory.SectorSize;

        public bool IsReadOnly => false;

        public string Name => "refusing";

        public void Read(long offset, Span<byte> buffer) => memory.Read(offset, buffer);

        public void Write(long offset, ReadOnlySpan<byte> data)
        {
            Refuse(offset);
            memory.Write(offset, data);
        }

        public void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
        {
            Refuse(offset);
            memory.WriteGather(offset, segments);
        }

        public void Flush() => memory.Flush();

        public void Dispose() => memory.Dispose();

        private void Refuse(long offset)
        {
            if (offset >= RefuseFrom)
            {
                throw new DeviceException(Errno.EIO, DeviceOperation.Write, offset, $"write at {offset} refused");
            }
        }
    }
}
