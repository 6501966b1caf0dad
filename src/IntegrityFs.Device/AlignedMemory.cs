using System.Runtime.InteropServices;

namespace IntegrityFs.Device;

/// <summary>Native memory aligned to 4096 bytes, as O_DIRECT wants it; zeroed at first, freed on dispose.</summary>
public sealed unsafe class AlignedMemory : IDisposable
{
    /// <summary>Alignment in bytes of every <see cref="AlignedMemory"/>.</summary>
    public const int Alignment = 4096;

    private byte* _address;

    /// <summary>Allocates <paramref name="length"/> bytes (1 .. 2^31 − 4096).</summary>
    public AlignedMemory(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        Length = length;
        _address = (byte*)NativeMemory.AlignedAlloc((nuint)length, Alignment);
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
