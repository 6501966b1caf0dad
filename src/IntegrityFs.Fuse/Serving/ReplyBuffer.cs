using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using IntegrityFs.Fuse.Protocol;

namespace IntegrityFs.Fuse.Serving;

/// <summary>A reply under construction: the header ends where a page begins, so that the payload is page aligned and
/// both leave in one write.</summary>
internal sealed class ReplyBuffer : IDisposable
{
    private const int PayloadStart = PageBuffer.PageSize;
    private const int HeaderSize = 16;
    private const int HeaderStart = PayloadStart - HeaderSize;

    private readonly PageBuffer _memory;
    private readonly int _capacity;

    public ReplyBuffer(int capacity)
    {
        _capacity = capacity;
        _memory = new PageBuffer(PayloadStart + capacity, huge: true);
    }

    /// <summary>Where the payload goes.</summary>
    public Span<byte> Payload => _memory.Span.Slice(PayloadStart, _capacity);

    /// <summary>Where the payload begins; it does not move.</summary>
    public nint PayloadAddress => _memory.Address + PayloadStart;

    /// <summary>Puts a structure at <paramref name="offset"/> of the payload; gives the offset behind it.</summary>
    public int Put<T>(int offset, in T value)
        where T : unmanaged
    {
        MemoryMarshal.Write(Payload[offset..], in value);
        return offset + Unsafe.SizeOf<T>();
    }

    /// <summary>Completes a reply with a payload of <paramref name="length"/> bytes; its total size.</summary>
    public int Succeed(ulong unique, int length) => Finish(unique, 0, length);

    /// <summary>Completes a reply that reports a positive error number; its total size.</summary>
    public int Fail(ulong unique, int error) => Finish(unique, error is > 0 and < 512 ? -error : -5, 0);

    /// <summary>The first <paramref name="size"/> bytes to send.</summary>
    public ReadOnlySpan<byte> Message(int size) => _memory.Span.Slice(HeaderStart, size);

    public void Dispose() => _memory.Dispose();

    private int Finish(ulong unique, int error, int length)
    {
        int size = HeaderSize + length;
        var header = new ReplyHeader((uint)size, error, unique);
        MemoryMarshal.Write(_memory.Span[HeaderStart..], in header);
        return size;
    }
}
