using System.Security.Cryptography;
using IntegrityFs.Format;

namespace IntegrityFs.Device.Tests;

/// <summary>Reads that one thread has under way at once give what other reads give.</summary>
public sealed class ReadQueueTests : IDisposable
{
    private const int Block = 4096;
    private const int Blocks = 512;
    private const int Capacity = 8;
    private readonly TemporaryDirectory _directory = new();
    private readonly byte[] _content = RandomNumberGenerator.GetBytes(Blocks * Block);
    private readonly string _path;

    public ReadQueueTests()
    {
        _path = _directory.Image(_content.Length);
        File.WriteAllBytes(_path, _content);
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Every_read_ends_once_with_its_own_bytes()
    {
        using FileDevice device = Open();
        using ReadQueue queue = OpenQueue(device);
        using var memory = new AlignedMemory(Capacity * 4 * Block);
        var random = new Random(1);
        var free = new Stack<int>(Enumerable.Range(0, Capacity));
        var places = new (int Block, int Count)[Capacity];
        int begun = 0;
        int ended = 0;
        while (ended < 2000)
        {
            while (begun < 2000 && free.Count > 0 && random.Next(4) > 0)
            {
                int number = free.Pop();
                int count = random.Next(1, 5);
                places[number] = (random.Next(Blocks - count), count);
                queue.Add((long)places[number].Block * Block, Memory(memory, number, count), number);
                begun++;
            }

            queue.Submit();
            Assert.Equal(begun - ended, queue.Count);
            if (queue.TryTake(wait: queue.Count > 0 && random.Next(2) == 0, out int taken, out bool complete))
            {
                Assert.True(complete);
                (int block, int count) = places[taken];
                Assert.True(memory.Span.Slice(taken * 4 * Block, count * Block).SequenceEqual(_content.AsSpan(block * Block, count * Block)));
                Assert.DoesNotContain(taken, free);
                free.Push(taken);
                ended++;
            }
        }

        Assert.Equal(0, queue.Count);
        Assert.False(queue.TryTake(wait: false, out _, out _));
    }

    [Fact]
    public void What_the_file_no_longer_has_ends_incomplete()
    {
        using FileDevice device = Open();
        using ReadQueue queue = OpenQueue(device);
        using var memory = new AlignedMemory(Capacity * 4 * Block);
        using (var file = new FileStream(_path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.SetLength(10 * Block);
        }

        queue.Add(9 * Block, Memory(memory, 0, 1), 0);
        queue.Add(9 * Block, Memory(memory, 1, 2), 1);
        queue.Add(20 * Block, Memory(memory, 2, 1), 2);
        queue.Submit();
        var complete = new bool[3];
        for (int i = 0; i < 3; i++)
        {
            Assert.True(queue.TryTake(wait: true, out int number, out complete[i]));
            complete[i] = complete[i] == (number == 0);
        }

        Assert.All(complete, Assert.True);
        Assert.Throws<DeviceException>(() => queue.Add((long)Blocks * Block, Memory(memory, 0, 1), 0));
    }

    [Fact]
    public void After_its_device_reads_end_incomplete()
    {
        FileDevice device = Open();
        using ReadQueue queue = OpenQueue(device);
        using var memory = new AlignedMemory(Capacity * 4 * Block);
        queue.Add(0, Memory(memory, 3, 1), 3);
        device.Dispose();
        queue.Submit();
        Assert.True(queue.TryTake(wait: true, out int number, out bool complete));
        Assert.Equal((3, false), (number, complete));
    }

    [Fact]
    public void It_closes_with_reads_under_way_and_more_than_once()
    {
        using FileDevice device = Open();
        using var memory = new AlignedMemory(Capacity * 4 * Block);
        for (int round = 0; round < 50; round++)
        {
            using ReadQueue queue = OpenQueue(device);
            for (int number = 0; number < Capacity; number++)
            {
                queue.Add(number * 40L * Block, Memory(memory, number, 4), number);
            }

            queue.Submit();
            queue.Dispose();
        }
    }

    [Fact]
    public void It_allocates_nothing()
    {
        using FileDevice device = Open();
        using ReadQueue queue = OpenQueue(device);
        using var memory = new AlignedMemory(Capacity * 4 * Block);
        long before = 0;
        for (int i = 0; i < 200; i++)
        {
            before = i == 100 ? GC.GetAllocatedBytesForCurrentThread() : before;
            queue.Add(i * (long)Block, Memory(memory, 0, 1), 0);
            queue.Submit();
            Assert.True(queue.TryTake(wait: true, out _, out _));
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Through_the_page_cache_there_is_none()
    {
        using FileDevice device = FileDevice.Open(_path, new FileDeviceOptions { ReadOnly = true, Direct = false });
        Assert.Null(device.TryOpenReadQueue(Capacity));
    }

    private static IoSegment Memory(AlignedMemory memory, int number, int count) =>
        new(memory.Address + (number * 4 * Block), count * Block);

    private static ReadQueue OpenQueue(FileDevice device)
    {
        Assert.SkipUnless(device.IsDirect, "the file system of the temporary files refuses O_DIRECT");
        ReadQueue? queue = device.TryOpenReadQueue(Capacity);
        Assert.NotNull(queue);
        return queue;
    }

    private FileDevice Open() => FileDevice.Open(_path, new FileDeviceOptions { ReadOnly = true });
}
