using System.Runtime.InteropServices;
using Tmds.Linux;

namespace IntegrityFs.Fuse.Serving;

/// <summary>Page-aligned native memory of one serving thread; pages cost nothing until they are used.</summary>
internal sealed unsafe class PageBuffer : IDisposable
{
    /// <summary>Alignment in bytes: what O_DIRECT below and the kernel's page copies above like best.</summary>
    public const int PageSize = 4096;

    private const int HugePage = 2 << 20;

    private readonly int _length;
    private byte* _address;

    /// <param name="length">Bytes, at least 1.</param>
    /// <param name="huge">For a buffer that large transfers fill: in one huge page, where the kernel has one to give, so
    /// that device and FUSE pin one page instead of hundreds.</param>
    public PageBuffer(int length, bool huge = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        _length = length;
        huge &= length > HugePage / 2 && length <= HugePage;
        _address = (byte*)NativeMemory.AlignedAlloc(huge ? HugePage : (nuint)length, huge ? HugePage : (nuint)PageSize);
        if (huge)
        {
            _ = LibC.madvise(_address, HugePage, LibC.MADV_HUGEPAGE);
        }
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

    /// <summary>Where it begins; it does not move.</summary>
    public nint Address => (nint)_address;

    public void Dispose()
    {
        NativeMemory.AlignedFree(_address);
        _address = null;
    }
}
