using System.Security.Cryptography;
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Volume.Tests;

/// <summary>What a queue of reads says is good is what the ordinary way would have read when the read began, or later.</summary>
public sealed class ReadQueueTests : IDisposable
{
    private const int BlockSize = 4096;
    private const int Capacity = 8;
    private static readonly byte[] Key = SHA256.HashData("queue"u8);
    private readonly string _directory = Directory.CreateTempSubdirectory("integrityfs-volume-").FullName;
    private readonly AlignedMemory _memory = new(Capacity * VolumeReadQueue.Longest);
    private readonly EndedRead[] _ended = new EndedRead[Capacity];
    private FileDevice _device;
    private ProtectedVolume _volume;
    private VolumeReadQueue _queue;

    public ReadQueueTests()
    {
        FileDevice.CreateImage(Image, 32 << 20);
        _device = FileDevice.Open(Image, new FileDeviceOptions());
        Assert.SkipUnless(_device.IsDirect, "the file system of the temporary files refuses O_DIRECT");
        VolumeFormatter.Format(_device, Key, new VolumeFormatOptions { JournalBytes = 512 * BlockSize });
        (_volume, _queue) = Open();
    }

    private string Image => Path.Combine(_directory, "image");

    public void Dispose()
    {
        _queue?.Dispose();
        _volume?.Dispose();
        _device.Dispose();
        _memory.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void Random_reads_with_cold_and_warm_leaves_are_those_of_the_volume()
    {
        BlockRun run = Write(1000, 1);
        Reopen();
        var random = new Random(3);
        var wanted = new BlockRun[Capacity];
        for (int round = 0; round < 300; round++)
        {
            int begun = 0;
            for (int number = 0; number < Capacity; number++)
            {
                int count = random.Next(1, 17);
                wanted[number] = new BlockRun(run.First + random.Next((int)run.Count - count), count);
                begun += Begin(number, wanted[number]) ? 1 : 0;
            }

            // Only what lies under two leaves is refused.
            Assert.InRange(begun, Capacity / 2, Capacity);
            _queue.Submit();
            while (begun > 0)
            {
                foreach (EndedRead end in _ended.AsSpan(0, _queue.Take(_ended, wait: true)))
                {
                    begun--;
                    Assert.Equal(wanted[end.Number].Count * BlockSize, end.Bytes);
                    for (int i = 0; i < wanted[end.Number].Count; i++)
                    {
                        Assert.Equal(Content(wanted[end.Number].First.Value + i, 1), Memory(end.Number).Slice(i * BlockSize, BlockSize));
                    }
                }
            }
        }
    }

    [Fact]
    public void A_damaged_block_or_leaf_is_left_to_the_ordinary_way()
    {
        BlockRun run = Write(600, 1);
        long block = run.First.Value + 300;
        long other = (block / 128 * 128) + 200;
        Close();
        Flip(_volume.Geometry.BlockOffset(block) + 100);
        TagNode leaf = _volume.Geometry.LeafOf(other);
        Flip(_volume.Geometry.NodeOffset(leaf, 0, 0) + 100);
        Flip(_volume.Geometry.NodeOffset(leaf, 1, 0) + 100);
        Reopen(closed: true);
        Assert.Equal(-1, ReadOne(new BlockRun(new BlockNumber(block), 1)));
        Assert.Equal(BlockSize, ReadOne(new BlockRun(new BlockNumber(block + 1), 1)));
        Assert.Equal(-1, ReadOne(new BlockRun(new BlockNumber(block - 2), 4)));
        Assert.Equal(-1, ReadOne(new BlockRun(new BlockNumber(other), 1)));
        using ReadScope scope = _volume.EnterRead();
        Assert.Throws<IntegrityException>(() => _volume.ReadData(new BlockRun(new BlockNumber(block), 1), Memory(0)[..BlockSize]));
        Assert.Throws<IntegrityException>(() => _volume.ReadData(new BlockRun(new BlockNumber(other), 1), Memory(0)[..BlockSize]));
    }

    [Fact]
    public void What_is_pending_or_cached_is_not_queued()
    {
        BlockRun run = Write(100, 1);
        Assert.False(Begin(0, new BlockRun(run.First, 1)), "it is in no place of its own yet");
        Reopen();
        Assert.True(Begin(0, new BlockRun(run.First, 1)));
        _queue.Submit();
        Assert.Equal(1, _queue.Take(_ended, wait: true));
        using (ReadScope scope = _volume.EnterRead())
        {
            using BlockLease lease = _volume.Read(run.First, BlockPurpose.Data);
        }

        Assert.False(Begin(0, new BlockRun(run.First, 1)), "the cache has it");
        Assert.False(Begin(0, new BlockRun(run.First + 1, 17)), "it is too long");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_block_that_is_written_anew_or_freed_meanwhile_is_old_and_whole_or_left_to_the_ordinary_way(bool submitted)
    {
        BlockRun run = Write(100, 1);
        Reopen();
        var one = new BlockRun(run.First + 7, 1);
        var two = new BlockRun(run.First + 9, 1);
        Assert.True(Begin(0, one));
        Assert.True(Begin(1, two));
        if (submitted)
        {
            _queue.Submit();
            Thread.Sleep(50);
        }

        Overwrite(one, 2);
        Assert.Equal(Errno.OK, _volume.Begin(3, 0, out IVolumeOperation op));
        using (op)
        {
            op.Free(two);
            op.Complete();
        }

        _volume.Commit();
        _volume.Checkpoint();
        Flip(_volume.Geometry.BlockOffset(two.First.Value) + 5);
        _queue.Submit();
        int[] bytes = [0, 0];
        for (int taken = 0; taken < 2;)
        {
            foreach (EndedRead end in _ended.AsSpan(0, _queue.Take(_ended, wait: true)))
            {
                bytes[end.Number] = end.Bytes;
                taken++;
            }
        }

        Assert.All(bytes, b => Assert.Equal(submitted ? BlockSize : -1, b));
        if (submitted)
        {
            Assert.Equal(Content(one.First.Value, 1), Memory(0)[..BlockSize]);
            Assert.Equal(Content(two.First.Value, 1), Memory(1)[..BlockSize]);
        }

        Assert.Equal(-1, ReadOne(two));
        Reopen();
        Assert.Equal(BlockSize, ReadOne(one));
        Assert.Equal(Content(one.First.Value, 2), Memory(0)[..BlockSize]);
    }

    [Fact]
    public void Warm_reads_allocate_nothing()
    {
        BlockRun run = Write(100, 1);
        Reopen();
        int wrong = 0;
        long least = long.MaxValue;
        for (int sample = 0; sample < 12; sample++)
        {
            // The runtime allocates a little while it warms up; what allocates for each read never ends at nothing.
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++)
            {
                wrong += ReadOne(new BlockRun(run.First + i, 1)) == BlockSize ? 0 : 1;
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, wrong);
        Assert.Equal(0, least);
    }

    private static byte[] Content(long block, int version)
    {
        byte[] content = new byte[BlockSize];
        content.AsSpan().Fill((byte)(block + (31 * version)));
        return content;
    }

    private Span<byte> Memory(int number) => _memory.Span.Slice(number * VolumeReadQueue.Longest, VolumeReadQueue.Longest);

    private bool Begin(int number, BlockRun run)
    {
        using ReadScope scope = _volume.EnterRead();
        return _queue.TryBegin(number, run, _memory.Address + (number * VolumeReadQueue.Longest));
    }

    private int ReadOne(BlockRun run)
    {
        Assert.True(Begin(0, run));
        _queue.Submit();
        Assert.True(_queue.Take(_ended, wait: true) == 1 && _ended[0].Number == 0);
        return _ended[0].Bytes;
    }

    private BlockRun Write(int count, int version)
    {
        BlockRun all = WritePart(Math.Min(count, 200), new BlockNumber(100), version);
        while (all.Count < count)
        {
            BlockRun more = WritePart((int)Math.Min(count - all.Count, 200), all.End, version);
            Assert.Equal(all.End, more.First);
            all = new BlockRun(all.First, all.Count + more.Count);
        }

        return all;
    }

    private BlockRun WritePart(int count, BlockNumber goal, int version)
    {
        Assert.Equal(Errno.OK, _volume.Begin(count + 3, count, out IVolumeOperation op));
        using (op)
        {
            BlockRun run = op.Allocate(count, goal);
            Assert.Equal(count, run.Count);
            op.WriteData(run, Contents(run, version), fresh: true);
            op.Complete();
            return run;
        }
    }

    private void Overwrite(BlockRun run, int version)
    {
        Assert.Equal(Errno.OK, _volume.Begin((int)run.Count + 3, 0, out IVolumeOperation op));
        using (op)
        {
            op.WriteData(run, Contents(run, version), fresh: false);
            op.Complete();
        }
    }

    private static byte[] Contents(BlockRun run, int version) =>
        [.. Enumerable.Range(0, (int)run.Count).SelectMany(i => Content(run.First.Value + i, version))];

    private (ProtectedVolume Volume, VolumeReadQueue Queue) Open()
    {
        ProtectedVolume volume = ProtectedVolume.Open(_device, Key, new VolumeOptions());
        VolumeReadQueue? queue = volume.TryOpenReadQueue(Capacity);
        Assert.NotNull(queue);
        return (volume, queue);
    }

    private void Close()
    {
        _queue.Dispose();
        _volume.Close();
        _volume.Dispose();
    }

    private void Reopen(bool closed = false)
    {
        if (!closed)
        {
            Close();
        }

        (_volume, _queue) = Open();
    }

    private void Flip(long offset)
    {
        using var block = new AlignedMemory(BlockSize);
        long start = offset / BlockSize * BlockSize;
        _device.Read(start, block.Span);
        block.Span[(int)(offset - start)] ^= 1;
        _device.Write(start, block.Span);
    }
}
