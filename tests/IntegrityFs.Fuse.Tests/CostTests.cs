using IntegrityFs.Catalog;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;
using IntegrityFs.Volume;
using static IntegrityFs.Fuse.Tests.Kernel;

namespace IntegrityFs.Fuse.Tests;

/// <summary>What requests cost from the kernel's message down to the device, in counts: they do not depend on the machine,
/// so a change that makes one dearer fails here and not in somebody's benchmark.</summary>
public sealed class CostTests : IDisposable
{
    private const int Block = 4096;
    private const int Mebibyte = 1 << 20;
    private static readonly byte[] s_key = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];

    private readonly CountingDevice _device = new(256 << 20);
    private readonly byte[] _pattern = new byte[Mebibyte];
    private ProtectedVolume _volume;
    private Kernel _kernel;

    public CostTests()
    {
        new Random(1).NextBytes(_pattern);
        VolumeFormatter.Format(_device, s_key, new VolumeFormatOptions { JournalBytes = 64 << 20 });
        _volume = ProtectedVolume.Open(_device, s_key, new VolumeOptions());
        CatalogStore.Format(_volume, default, 1);
        _kernel = Serve();
    }

    public void Dispose()
    {
        _kernel.Dispose();
        _volume.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void Requests_allocate_nothing_down_to_the_device_commits_included()
    {
        (ulong node, ulong handle) = Create("file", 16 * Mebibyte);
        byte[][] messages =
        [
            Write(node, handle, 5 * Block, Block),
            _kernel.Message(Opcode.Fsync, node, Bytes(default(FsyncIn)), []),
            Write(node, handle, 100, 300),
            Write(node, handle, 2 * Mebibyte, Mebibyte),
            Read(node, handle, 3 * Block, Block),
            Read(node, handle, 4 * Mebibyte, Mebibyte),
            _kernel.Message(Opcode.Lookup, 1, Name("file"), []),
            _kernel.Message(Opcode.Lookup, 1, Name("absent"), []),
            _kernel.Message(Opcode.GetAttr, node, Bytes(default(GetAttrIn)), []),
            _kernel.Message(Opcode.SetAttr, node, Bytes(default(SetAttrIn)), []),
            _kernel.Message(Opcode.ReadDirPlus, 1, Bytes(new ReadIn(0, 0, 4096, 0, 0, 0, 0)), []),
            _kernel.Message(Opcode.StatFs, 1, [], []),
        ];

        // Buffers and lists grow while they are new, and the runtime allocates a little while it warms up; what allocates
        // for each request never ends at nothing.
        _ = AllocatedBy(messages, rounds: 100);
        foreach (byte[] message in messages)
        {
            long[] samples = [.. Enumerable.Range(0, 8).Select(_ => AllocatedBy([message], rounds: 8))];
            Assert.True(samples.Contains(0), $"operation {BitConverter.ToUInt32(message, 4)} of {message.Length} bytes allocates {samples.Min()} bytes in 8 requests");
        }

        long checkpoints = _volume.Status().Checkpoints;
        long allocated = AllocatedBy(messages, rounds: 100);
        checkpoints = _volume.Status().Checkpoints - checkpoints;
        Assert.InRange(checkpoints, 1, 100);
        Assert.InRange(allocated, 0, checkpoints * 2048);
    }

    [Fact]
    public void An_fsync_of_one_block_is_one_write_and_one_flush()
    {
        (ulong node, ulong handle) = Create("file", Mebibyte);
        byte[] write = Write(node, handle, 5 * Block, Block);
        byte[] sync = _kernel.Message(Opcode.Fsync, node, Bytes(default(FsyncIn)), []);
        Send(write);
        Send(sync);
        _device.Reset();
        for (int i = 0; i < 10; i++)
        {
            Send(write);
            Send(sync);
        }

        // The data, the leaf with the inode in its two copies, and the descriptor before and behind them.
        Assert.Equal((10, 10, 0), (_device.Flushes, _device.Writes, _device.Reads));
        Assert.Equal(10 * 5 * Block, _device.BytesWritten);
    }

    [Fact]
    public void New_data_is_written_twice_and_hardly_more_in_large_pieces()
    {
        const int Size = 24 * Mebibyte;
        _device.Reset();
        (ulong _, ulong _) = Create("file", Size);
        double journalled = (double)_device.BytesWritten / Size;
        long commits = _device.Flushes;
        Assert.InRange(journalled, 1, 1.03);
        Assert.InRange(commits, 1, 4);
        Assert.InRange(_device.Writes, 1, 40);
        _device.Reset();
        _volume.Checkpoint();
        Assert.InRange((double)_device.BytesWritten / Size, 1, 1.03);
        Assert.InRange(_device.Writes, Size / (512 << 10), 3 * Size / (512 << 10));
        Assert.InRange(_device.Flushes, 1, 3);
    }

    [Fact]
    public void A_cold_sequential_read_reads_every_byte_once_and_a_tag_block_for_each_half_mebibyte()
    {
        const int Size = 16 * Mebibyte;
        (ulong node, ulong handle) = Create("file", Size);
        Remount();
        Send(_kernel.Message(Opcode.Lookup, 1, Name("file"), []));
        _device.Reset();
        for (int i = 0; i < 16; i++)
        {
            Send(Read(node, handle, (long)i * Mebibyte, Mebibyte));
        }

        Assert.InRange((double)_device.BytesRead / Size, 1, 1.02);
        Assert.InRange(_device.Reads, 32, 3 * 32);
        Assert.Equal(0, _device.Writes);
    }

    [Fact]
    public void A_cold_random_read_reads_its_block_and_at_most_a_tag_block()
    {
        (ulong node, ulong handle) = Create("file", 16 * Mebibyte);
        Remount();
        Send(_kernel.Message(Opcode.Lookup, 1, Name("file"), []));
        Send(Read(node, handle, 0, Block));
        _device.Reset();
        var random = new Random(2);
        for (int i = 0; i < 100; i++)
        {
            Send(Read(node, handle, random.Next(4096) * (long)Block, Block));
        }

        Assert.InRange(_device.Reads, 100, 100 + 33);
    }

    [Fact]
    public void A_cold_walk_over_a_directory_reads_neighbouring_nodes_together()
    {
        const int Files = 2000;
        for (int i = 0; i < Files; i++)
        {
            _kernel.Create($"file-{i}");
        }

        Remount();
        _device.Reset();
        ulong cookie = 0;
        int seen = 0;
        while (true)
        {
            Reply reply = _kernel.Ask(Opcode.ReadDirPlus, 1, Bytes(new ReadIn(0, cookie, 32768, 0, 0, 0, 0)));
            Assert.Equal(0, reply.Error);
            if (reply.Payload.Length == 0)
            {
                break;
            }

            for (int at = 0; at < reply.Payload.Length; seen++)
            {
                DirectoryEntryOut entry = reply.As<DirectoryEntryOut>(at + 128);
                cookie = entry.Cookie;
                at += (128 + 24 + (int)entry.NameLength + 7) & ~7;
            }
        }

        // "." and ".." as well. About 250 bytes of the catalog for each file: some 120 nodes, that is 9 reads of 16, some
        // of them cut short by an interior node or a bitmap; and the tag blocks.
        Assert.Equal(Files + 2, seen);
        Assert.InRange(_device.Reads, 1, 40);
    }

    private Kernel Serve() => new(new PosixFileSystem(CatalogStore.Open(_volume), TimeProvider.System));

    private void Remount()
    {
        _kernel.Dispose();
        _volume.Close();
        _volume.Dispose();
        _volume = ProtectedVolume.Open(_device, s_key, new VolumeOptions());
        _kernel = Serve();
    }

    /// <summary>A file of <paramref name="size"/> bytes, synced.</summary>
    private (ulong Node, ulong Handle) Create(string name, int size)
    {
        Reply reply = _kernel.Ask(Opcode.Create, 1, Bytes(new CreateIn(2, 0x81a4, 0, 0)), Name(name));
        Assert.Equal(0, reply.Error);
        ulong node = reply.As<EntryOut>().Node;
        ulong handle = reply.As<OpenOut>(128).Handle;
        for (int at = 0; at < size; at += Mebibyte)
        {
            Send(Write(node, handle, at, Mebibyte));
        }

        Send(_kernel.Message(Opcode.Fsync, node, Bytes(default(FsyncIn)), []));
        return (node, handle);
    }

    private byte[] Write(ulong node, ulong handle, long offset, int length) => _kernel.Message(
        Opcode.Write, node, Join(Bytes(new WriteIn(handle, (ulong)offset, (uint)length, 0, 0, 0, 0)), _pattern[..length]), []);

    private byte[] Read(ulong node, ulong handle, long offset, int length) => _kernel.Message(
        Opcode.Read, node, Bytes(new ReadIn(handle, (ulong)offset, (uint)length, 0, 0, 0, 0)), []);

    private void Send(byte[] message)
    {
        Reply? reply = _kernel.Send(message);
        Assert.NotNull(reply);
        Assert.Equal(0, reply.Error);
    }

    private long AllocatedBy(byte[][] messages, int rounds)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < rounds; round++)
        {
            foreach (byte[] message in messages)
            {
                if (_kernel.SendOnly(message) < 16)
                {
                    throw new InvalidOperationException("a request was not answered");
                }
            }
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
