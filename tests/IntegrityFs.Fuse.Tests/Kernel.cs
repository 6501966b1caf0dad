using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using IntegrityFs.FileSystem;
using IntegrityFs.Fuse.Protocol;
using IntegrityFs.Fuse.Serving;
using IntegrityFs.NullServer;
using Microsoft.Extensions.Logging.Abstractions;

namespace IntegrityFs.Fuse.Tests;

/// <summary>Plays the kernel: builds requests, hands them to a handler, takes its replies apart.</summary>
internal sealed class Kernel : IDisposable
{
    public const InitFlags EverythingOffered = (InitFlags)0x5fd73fffffbUL;

    private readonly RequestHandler _handler;
    private readonly SentReplies _later = new();
    private ulong _unique;

    /// <param name="fileSystem">Null for one in memory.</param>
    /// <param name="options">Null for what is usual.</param>
    /// <param name="initialize">Send INIT.</param>
    /// <param name="channel">Where replies go that are not ready at once; null keeps them for <see cref="Send"/>.</param>
    public Kernel(IFileSystem? fileSystem = null, FuseServerOptions? options = null, bool initialize = true, IRequestChannel? channel = null)
    {
        FileSystem = fileSystem ?? new MemoryFileSystem(keepContent: true).Initialize();
        Session = new SessionState(FileSystem, options ?? new FuseServerOptions(), NullLogger.Instance);
        _handler = new RequestHandler(Session, 0, channel ?? _later);
        if (initialize)
        {
            Assert.Equal(0, Init(45, EverythingOffered).Error);
        }
    }

    public IFileSystem FileSystem { get; }

    public SessionState Session { get; }

    public static byte[] Bytes<T>(in T value)
        where T : unmanaged
    {
        byte[] bytes = new byte[Unsafe.SizeOf<T>()];
        MemoryMarshal.Write(bytes, in value);
        return bytes;
    }

    public static byte[] Join(params byte[][] parts) => [.. parts.SelectMany(part => part)];

    public static byte[] Name(string name) => System.Text.Encoding.UTF8.GetBytes(name + "\0");

    public Reply Init(uint minor, InitFlags offered)
    {
        byte[] body = new byte[64];
        var request = new InitIn(7, minor, 131072, (uint)offered);
        MemoryMarshal.Write(body, in request);
        uint high = (uint)((ulong)offered >> 32);
        MemoryMarshal.Write(body.AsSpan(16), in high);
        return Ask(Opcode.Init, 0, minor >= 36 ? body : body[..16]);
    }

    public Reply Ask(Opcode operation, ulong node, params byte[][] body) => AskExtended(operation, node, Join(body), []);

    public Reply AskExtended(Opcode operation, ulong node, byte[] body, byte[] extension)
    {
        byte[] message = Message(operation, node, body, extension);
        return Send(message) ?? throw new InvalidOperationException("no reply");
    }

    public byte[] Message(Opcode operation, ulong node, byte[] body, byte[] extension)
    {
        int length = 40 + body.Length + extension.Length;
        var header = new RequestHeader((uint)length, operation, ++_unique * 2, node, 1000, 1000, 1, (ushort)(extension.Length / 8), 0);
        return Join(Bytes(header), body, extension);
    }

    /// <summary>Sends raw bytes; null where the handler stays silent.</summary>
    public Reply? Send(ReadOnlySpan<byte> message)
    {
        message.CopyTo(_handler.RequestBuffer);
        int size = _handler.Handle(message.Length);
        byte[]? sent = _later.Take();
        if (size == 0 && sent is null)
        {
            return null;
        }

        ReadOnlySpan<byte> reply = sent ?? _handler.Message(size);
        Assert.True(sent is null || size == 0, "answered twice");
        size = reply.Length;
        var header = MemoryMarshal.Read<ReplyHeader>(reply);
        Assert.Equal((uint)size, header.Length);
        Assert.InRange(header.Error, -511, 0);
        return new Reply(-header.Error, header.Unique, reply[16..].ToArray());
    }

    /// <summary>What serves.</summary>
    public RequestHandler Handler => _handler;

    /// <summary>Sends a request that may be left unanswered for now; the answer, 0 bytes where it was left.</summary>
    public ReadOnlySpan<byte> Post(ReadOnlySpan<byte> message)
    {
        message.CopyTo(_handler.RequestBuffer);
        return _handler.Message(_handler.Handle(message.Length, queues: true));
    }

    /// <summary>As <see cref="Send"/>, without looking at the reply; its size.</summary>
    public int SendOnly(ReadOnlySpan<byte> message)
    {
        message.CopyTo(_handler.RequestBuffer);
        int size = _handler.Handle(message.Length);
        return size + _later.Drop();
    }

    public ulong Create(string name, uint mode = 0x1a4)
    {
        Reply reply = Ask(Opcode.Create, 1, Bytes(new CreateIn(2, 0x8000 | mode, 0, 0)), Name(name));
        Assert.Equal(0, reply.Error);
        return reply.As<EntryOut>().Node;
    }

    public void Dispose() => _handler.Dispose();
}

/// <summary>A reply; <paramref name="Error"/> is positive.</summary>
internal sealed record Reply(int Error, ulong Unique, byte[] Payload)
{
    public T As<T>(int offset = 0)
        where T : unmanaged => MemoryMarshal.Read<T>(Payload.AsSpan(offset));
}
