// The one secret of a volume. It exists in the clear only here, in locked memory, and in the sub-keys derived from it.
using System.Security.Cryptography;

namespace IntegrityFs.Keys;

/// <summary>Fills a buffer with random bytes. The default is the operating system's generator.</summary>
public delegate void RandomFill(Span<byte> destination);

/// <summary>A volume's 256-bit master key: in locked memory, zeroed on dispose.</summary>
public sealed class MasterKey : IDisposable
{
    /// <summary>Bytes of a master key.</summary>
    public const int Size = 32;

    private readonly SecretMemory _memory;

    private MasterKey(SecretMemory memory) => _memory = memory;

    /// <summary>The key. Do not use after <see cref="Dispose"/>; keep the object alive while using the span.</summary>
    public ReadOnlySpan<byte> Bytes => _memory.Span;

    /// <summary>True where the memory cannot be swapped out (it may not be where RLIMIT_MEMLOCK is used up).</summary>
    public bool IsLocked => _memory.IsLocked;

    /// <summary>A new random key.</summary>
    public static MasterKey Generate(RandomFill? random = null)
    {
        var memory = new SecretMemory(Size);
        (random ?? RandomNumberGenerator.Fill)(memory.Span);
        return new MasterKey(memory);
    }

    /// <summary>A key of given bytes; the caller zeroes its own copy.</summary>
    public static MasterKey FromBytes(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(bytes.Length, Size);
        return new MasterKey(SecretMemory.CopyOf(bytes));
    }

    /// <summary>Zeroes the key and gives the memory back.</summary>
    public void Dispose() => _memory.Dispose();
}
