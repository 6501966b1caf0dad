using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace IntegrityFs.Fuse.Protocol;

/// <summary>Takes the parts of a request's body one after the other. Every step checks what is left; a false result
/// means a malformed request (EINVAL).</summary>
internal ref struct BodyReader(ReadOnlySpan<byte> body)
{
    private ReadOnlySpan<byte> _rest = body;

    /// <summary>Bytes not yet taken.</summary>
    public readonly ReadOnlySpan<byte> Rest => _rest;

    /// <summary>Takes one structure.</summary>
    public bool TryRead<T>(out T value)
        where T : unmanaged
    {
        if (!MemoryMarshal.TryRead(_rest, out value))
        {
            return false;
        }

        _rest = _rest[Unsafe.SizeOf<T>()..];
        return true;
    }

    /// <summary>Takes exactly <paramref name="length"/> bytes.</summary>
    public bool TryReadBytes(uint length, out ReadOnlySpan<byte> bytes)
    {
        if (length > (uint)_rest.Length)
        {
            bytes = default;
            return false;
        }

        bytes = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return true;
    }

    /// <summary>Takes a string up to its terminating zero; it may be empty and hold any other byte.</summary>
    public bool TryReadString(out ReadOnlySpan<byte> text)
    {
        int end = _rest.IndexOf((byte)0);
        if (end < 0)
        {
            text = default;
            return false;
        }

        text = _rest[..end];
        _rest = _rest[(end + 1)..];
        return true;
    }

    /// <summary>Takes the name of a directory entry: not empty, without a slash.</summary>
    public bool TryReadName(out ReadOnlySpan<byte> name) =>
        TryReadString(out name) && !name.IsEmpty && !name.Contains((byte)'/');

    /// <summary>Takes the name of an extended attribute: not empty.</summary>
    public bool TryReadXattrName(out ReadOnlySpan<byte> name) => TryReadString(out name) && !name.IsEmpty;
}
