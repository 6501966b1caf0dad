using System.Runtime.InteropServices;
using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;
using IntegrityFs.Fuse.Serving;
using IntegrityFs.Volume;
using static IntegrityFs.Fuse.Tests.Kernel;

namespace IntegrityFs.Fuse.Tests;

/// <summary>Reads that a thread leaves to the device are answered as others are, each once.</summary>
public sealed class QueuedReadTests : IDisposable
{
    private const int Block = 4096;
    private const int Size = 4 << 20;
    private static readonly byte[] s_key = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];
    private readonly string _directory = Directory.CreateTempSubdirectory("integrityfs-fuse-").FullName;
    private readonly byte[] _content = new byte[Size - 1000];
    private readonly Replies _replies = new();
    private readonly FileDevice _device;
    private ProtectedVolume _volume;
    private Kernel _kernel;
    private ulong _node;
    private ulong _handle;

    public QueuedReadTests()
    {
        new Random(5).NextBytes(_content);
        string image = Path.Combine(_directory, "image");
        FileDevice.CreateImage(image, 64 << 20);
        _device = FileDevice.Open(image, new FileDeviceOptions());
        Assert.SkipUnless(_device.IsDirect, "the file system of the temporary files refuses O_DIRECT");
        VolumeFormatter.Format(_device, s_key, new VolumeFormatOptions { JournalBytes = 8 << 20 });
        _volume = ProtectedVolume.Open(_device, s_key, new VolumeOptions());
        CatalogStore.Format(_volume, default, 1);
        _kernel = Serve();
        Reply created = _kernel.Ask(Opcode.Create, 1, Bytes(new CreateIn(2, 0x81a4, 0, 0)), Name("file"));
        _node = created.As<EntryOut>().Node;
        _handle = created.As<OpenOut>(Marshal.SizeOf<EntryOut>()).Handle;
        for (int at = 0; at < _content.Length; at += 1 << 20)
        {
            Write(at, _content.AsSpan(at, Math.Min(1 << 20, _content.Length - at)).ToArray());
        }

        Remount();
    }

    public void Dispose()
    {
        _kernel?.Dispose();
        _volume?.Dispose();
        _device.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void Each_is_answered_once_with_its_bytes()
    {
        var random = new Random(6);
        var asked = new Dictionary<ulong, (long Offset, int Size)>();
        for (int round = 0; round < 400; round++)
        {
            int most = random.Next(1, ReadsUnderWay.Capacity + 1);
            while (Handler.UnansweredReads < most)
            {
                int blocks = random.Next(1, 17);
                long offset = random.Next((Size / Block) - 1) * (long)Block;
                asked[Post(offset, blocks * Block)] = (offset, blocks * Block);
            }

            _ = Handler.AnswerReads(wait: random.Next(2) == 0);
        }

        Handler.FinishReads();
        Assert.Equal(0, Handler.UnansweredReads);
        Assert.Equal(asked.Count, _replies.All.Count);
        foreach ((ulong unique, (long offset, int size)) in asked)
        {
            byte[] expected = _content.AsSpan((int)offset, (int)Math.Min(size, _content.Length - offset)).ToArray();
            (int error, byte[] payload) = _replies.All[unique];
            Assert.Equal(0, error);
            Assert.True(expected.AsSpan().SequenceEqual(payload), $"{size} bytes at {offset}");
        }
    }

    [Fact]
    public void A_damaged_block_is_the_same_error_and_its_neighbours_are_read()
    {
        Flip(Place(100));
        ulong bad = Post(100 * Block, Block);
        ulong good = Post(101 * Block, Block);
        Assert.Equal(2, Handler.UnansweredReads);
        Handler.FinishReads();
        Assert.Equal((int)Errno.EIO, _replies.All[bad].Error);
        Assert.Equal(0, _replies.All[good].Error);
        Assert.Equal(1UL, _volume.Status().MismatchCount);
    }

    [Fact]
    public void Whatever_else_is_asked_comes_after_them()
    {
        ulong read = Post(50 * Block, Block);
        Assert.Equal(1, Handler.UnansweredReads);
        Write(50 * Block, new byte[Block]);
        Assert.Equal(0, Handler.UnansweredReads);
        Assert.Equal(_content.AsSpan(50 * Block, Block).ToArray(), _replies.All[read].Payload);
        ulong after = Post(50 * Block, Block);
        Handler.FinishReads();
        Assert.Equal(new byte[Block], _replies.All[after].Payload);
    }

    [Fact]
    public void A_longestread_comes_after_them_and_a_short_one_after_those_that_have_ended()
    {
        ulong first = Post(50 * Block, Block);
        ulong second = Post(300 * Block, Block);
        ulong odd = Post(7, Block);
        Assert.Contains(odd, _replies.All.Keys);
        ulong longest = Post(100 * Block, 128 * Block);
        Assert.Equal(0, Handler.UnansweredReads);
        Assert.Equal(_content.AsSpan(7, Block).ToArray(), _replies.All[odd].Payload);
        Assert.Equal(_content.AsSpan(50 * Block, Block).ToArray(), _replies.All[first].Payload);
        Assert.Equal(_content.AsSpan(300 * Block, Block).ToArray(), _replies.All[second].Payload);
        Assert.Equal(_content.AsSpan(100 * Block, 128 * Block).ToArray(), _replies.All[longest].Payload);
    }

    [Fact]
    public void Nonsense_is_refused_as_ever()
    {
        Refused(Errno.EBADF, 0xffff, 0);
        Refused(Errno.EINVAL, _node, long.MinValue);
        Refused(Errno.OK, _node, Size);
        Refused(Errno.OK, _node, 3);
    }

    [Fact]
    public void Once_the_file_system_is_closed_they_are_dropped()
    {
        _ = Post(10 * Block, Block);
        Assert.Equal(1, Handler.UnansweredReads);
        _kernel.Session.Gate.Close(-1);
        Assert.Equal(-1, Handler.AnswerReads(wait: true));
        Handler.FinishReads();
        Assert.Equal(1, Handler.UnansweredReads);
    }

    private RequestHandler Handler => _kernel.Handler;

    private Kernel Serve() =>
        new(new PosixFileSystem(CatalogStore.Open(_volume), TimeProvider.System), channel: _replies);

    private void Remount()
    {
        _kernel.Dispose();
        _volume.Close();
        _volume.Dispose();
        _volume = ProtectedVolume.Open(_device, s_key, new VolumeOptions());
        _kernel = Serve();
        Assert.Equal(_node, _kernel.Ask(Opcode.Lookup, 1, Name("file")).As<EntryOut>().Node);
        _handle = _kernel.Ask(Opcode.Open, _node, Bytes(new OpenIn(2, 0))).As<OpenOut>().Handle;
    }

    private void Write(long offset, byte[] data) => Assert.Equal(
        0, _kernel.Ask(Opcode.Write, _node, Bytes(new WriteIn(_handle, (ulong)offset, (uint)data.Length, 0, 0, 0, 0)), data).Error);

    /// <summary>Where a block of the file is on the device: looked for by its content.</summary>
    private long Place(int block)
    {
        using var memory = new AlignedMemory(1 << 20);
        for (long at = 0; at < _device.Length; at += memory.Length)
        {
            _device.Read(at, memory.Span);
            int found = memory.Span.IndexOf(_content.AsSpan(block * Block, Block));
            if (found >= 0 && at + found > 9 << 20)
            {
                return at + found;
            }
        }

        throw new InvalidOperationException("the block is not on the device");
    }

    private void Flip(long offset)
    {
        using var memory = new AlignedMemory(Block);
        _device.Read(offset, memory.Span);
        memory.Span[17] ^= 1;
        _device.Write(offset, memory.Span);
    }

    /// <summary>Asks for a part of the file; the request's number.</summary>
    private ulong Post(long offset, int size)
    {
        byte[] message = _kernel.Message(Opcode.Read, _node, Bytes(new ReadIn(_handle, (ulong)offset, (uint)size, 0, 0, 0, 0)), []);
        ReadOnlySpan<byte> answer = _kernel.Post(message);
        if (!answer.IsEmpty)
        {
            _replies.Send(answer);
        }

        return MemoryMarshal.Read<RequestHeader>(message).Unique;
    }

    /// <summary>Asks for what is not left to the device, and is answered at once.</summary>
    private void Refused(Errno error, ulong node, long offset)
    {
        ReadOnlySpan<byte> answer = _kernel.Post(
            _kernel.Message(Opcode.Read, node, Bytes(new ReadIn(_handle, (ulong)offset, Block, 0, 0, 0, 0)), []));
        Assert.Equal(-(int)error, MemoryMarshal.Read<ReplyHeader>(answer).Error);
        Assert.Equal(0, Handler.UnansweredReads);
    }

    /// <summary>Keeps all replies.</summary>
    private sealed class Replies : IRequestChannel
    {
        public Dictionary<ulong, (int Error, byte[] Payload)> All { get; } = [];

        public int Receive(Span<byte> buffer) => throw new NotSupportedException("requests do not come this way");

        public int TryReceive(Span<byte> buffer) => Receive(buffer);

        public int Send(ReadOnlySpan<byte> reply)
        {
            var header = MemoryMarshal.Read<ReplyHeader>(reply);
            All.Add(header.Unique, (-header.Error, reply[16..].ToArray()));
            return 0;
        }

        public void Dispose()
        {
        }
    }
}
