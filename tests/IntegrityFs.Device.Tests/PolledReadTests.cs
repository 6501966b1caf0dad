using System.Security.Cryptography;
using IntegrityFs.Format;

namespace IntegrityFs.Device.Tests;

/// <summary>Reads that watch for their end give what other reads give.</summary>
public sealed class PolledReadTests : IDisposable
{
    private const int Block = 4096;
    private const int Blocks = 512;
    private readonly TemporaryDirectory _directory = new();
    private readonly byte[] _content = RandomNumberGenerator.GetBytes(Blocks * Block);
    private readonly string _path;

    public PolledReadTests()
    {
        _path = _directory.Image(_content.Length);
        File.WriteAllBytes(_path, _content);
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_single_read_is_watched_and_right()
    {
        using FileDevice device = Open();
        using var memory = new AlignedMemory(Block);
        for (int i = 0; i < Blocks; i++)
        {
            int block = i * 37 % Blocks;
            device.Read(block * Block, memory.Span);
            Assert.True(memory.Span.SequenceEqual(Expected(block, 1)), $"block {block}");
        }

        Assert.True(!device.IsDirect || device.PolledReads > 0, "no read was watched");
    }

    [Fact]
    public void Without_the_option_nothing_is_watched()
    {
        using FileDevice device = FileDevice.Open(_path, new FileDeviceOptions { ReadOnly = true });
        using var memory = new AlignedMemory(Block);
        device.Read(0, memory.Span);
        Assert.Equal(0, device.PolledReads);
    }

    [Theory]
    [InlineData(PolledRead.Longest / Block)]
    [InlineData((PolledRead.Longest / Block) + 1)]
    [InlineData(Blocks)]
    public void Every_length_and_any_memory_is_right(int blocks)
    {
        using FileDevice device = Open();
        using var memory = new AlignedMemory((blocks * Block) + 8);
        device.Read(0, memory.Span[..(blocks * Block)]);
        Assert.True(memory.Span[..(blocks * Block)].SequenceEqual(Expected(0, blocks)));
        device.Read(0, memory.Span[8..]);
        Assert.True(memory.Span[8..].SequenceEqual(Expected(0, blocks)));
    }

    [Fact]
    public void Many_readers_at_once_get_their_own_bytes()
    {
        using FileDevice device = Open();
        int wrong = 0;
        Thread[] readers = [.. Enumerable.Range(1, 6).Select(seed => new Thread(() =>
        {
            var random = new Random(seed);
            using var memory = new AlignedMemory(4 * Block);
            for (int i = 0; i < 400; i++)
            {
                int count = random.Next(1, 5);
                int block = random.Next(Blocks - count);
                device.Read((long)block * Block, memory.Span[..(count * Block)]);
                Interlocked.Add(ref wrong, memory.Span[..(count * Block)].SequenceEqual(Expected(block, count)) ? 0 : 1);
            }
        }))];
        Array.ForEach(readers, reader => reader.Start());
        Array.ForEach(readers, reader => reader.Join());
        Assert.Equal(0, wrong);
    }

    [Fact]
    public void A_file_cut_behind_its_back_is_the_same_error()
    {
        using FileDevice device = Open();
        using var memory = new AlignedMemory(Block);
        using (FileStream file = new FileStream(_path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.SetLength(10 * Block);
        }

        device.Read(9 * Block, memory.Span);
        DeviceException failure = Assert.Throws<DeviceException>(() => device.Read(10 * Block, memory.Span));
        Assert.Equal(Errno.EIO, failure.Errno);
        Assert.Equal(10 * Block, failure.Offset);
    }

    [Fact]
    public void It_closes_more_than_once_also_beside_readers()
    {
        FileDevice device = Open();
        var reader = new Thread(() =>
        {
            using var memory = new AlignedMemory(Block);
            try
            {
                for (int block = 0; ; block = (block + 1) % Blocks)
                {
                    device.Read(block * Block, memory.Span);
                }
            }
            catch (ObjectDisposedException)
            {
                // What a read of a closed device gets.
            }
        });
        reader.Start();
        Thread.Sleep(50);
        device.Dispose();
        device.Dispose();
        Assert.True(reader.Join(TimeSpan.FromSeconds(30)));
    }

    private FileDevice Open() => FileDevice.Open(_path, new FileDeviceOptions { ReadOnly = true, BusyPoll = true });

    private ReadOnlySpan<byte> Expected(int block, int count) => _content.AsSpan(block * Block, count * Block);
}
