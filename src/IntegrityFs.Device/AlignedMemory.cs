using System.Runtime.InteropServices;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Device;

/// <summary>Native memory aligned to 4096 bytes, as O_DIRECT wants it; zeroed at first, freed on dispose. From
/// <see cref="HugePage"/> on it is aligned to that, and the kernel is asked for huge pages: first use costs one fault for
/// 2 MiB instead of 512, and device and FUSE pin one page instead of 512.</summary>
public sealed unsafe class AlignedMemory : IDisposable
{
    /// <summary>Alignment in bytes of every <see cref="AlignedMemory"/>.</summary>
    public const int Alignment = 4096;

    /// <summary>Bytes of a transparent huge page of x86-64, and of ARM64 with pages of 4 KiB.</summary>
    public const int HugePage = 2 << 20;

    private byte* _address;

    /// <summary>Allocates <paramref name="length"/> bytes (1 .. 2^31 − 4096).</summary>
    public AlignedMemory(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        Length = length;
        bool huge = length >= HugePage;
        _address = (byte*)NativeMemory.AlignedAlloc((nuint)length, huge ? HugePage : (nuint)Alignment);
        if (huge)
        {
            // Best effort: without huge pages everything is as before.
            _ = madvise(_address, length, MADV_HUGEPAGE);
        }

        NativeMemory.Clear(_address, (nuint)length);
    }

    /// <summary>Size in bytes.</summary>
    public int Length { get; }

    /// <summary>First byte.</summary>
    public nint Address => (nint)_address;

    /// <summary>The memory. Not valid after <see cref="Dispose"/>.</summary>
    public Span<byte> Span => new(_address, Length);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_address != null)
        {
            NativeMemory.AlignedFree(_address);
            _address = null;
        }
    }
}
