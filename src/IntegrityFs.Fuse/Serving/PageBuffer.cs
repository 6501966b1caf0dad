using System.Runtime.InteropServices;

namespace IntegrityFs.Fuse.Serving;

/// <summary>Page-aligned native memory of one serving thread; pages cost nothing until they are used.</summary>
internal sealed unsafe class PageBuffer : IDisposable
{
    /// <summary>Alignment in bytes: what O_DIRECT below and the kernel's page copies above like best.</summary>
    public const int PageSize = 4096;

    private readonly int _length;
    private byte* _address;

    public PageBuffer(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        _length = length;
        _address = (byte*)NativeMemory.AlignedAlloc((nuint)length, PageSize);
    }

    /// <summary>All of it.</summary>
    public Span<byte> Span
    {
        get
        {
            ObjectDisposedException.ThrowIf(_address == null, this);
            return new Span<byte>(_address, _length);
        }
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_address);
        _address = null;
    }
}
