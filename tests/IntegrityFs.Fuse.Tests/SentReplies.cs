using IntegrityFs.Fuse.Serving;

namespace IntegrityFs.Fuse.Tests;

/// <summary>Keeps replies that a handler does not give back at once, in the order they were sent. Sending allocates
/// nothing.</summary>
internal sealed class SentReplies : IRequestChannel
{
    private const int Most = 64;
    private readonly byte[] _bytes = new byte[Most * ReplySize];
    private int _first;
    private int _count;

    /// <summary>Bytes of a reply without payload, the only ones that come this way.</summary>
    public const int ReplySize = 16;

    /// <summary>Drops the oldest reply; its size, 0 where there is none.</summary>
    public int Drop()
    {
        if (_count == 0)
        {
            return 0;
        }

        _first = (_first + 1) % Most;
        _count--;
        return ReplySize;
    }

    /// <summary>The oldest reply not yet taken; null where there is none.</summary>
    public byte[]? Take()
    {
        byte[] reply = _bytes.AsSpan(_first * ReplySize, ReplySize).ToArray();
        return Drop() == 0 ? null : reply;
    }

    public int Receive(Span<byte> buffer) => throw new NotSupportedException("requests do not come this way");

    public int TryReceive(Span<byte> buffer) => Receive(buffer);

    public int Send(ReadOnlySpan<byte> reply)
    {
        if (reply.Length != ReplySize || _count == Most)
        {
            throw new InvalidOperationException($"a reply of {reply.Length} bytes, {_count} before it");
        }

        reply.CopyTo(_bytes.AsSpan((_first + _count++) % Most * ReplySize));
        return 0;
    }

    public void Dispose()
    {
    }
}
