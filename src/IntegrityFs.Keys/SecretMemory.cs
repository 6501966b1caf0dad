// Where secrets live: whole pages outside the garbage collector's heap, so that no copy is left behind by a compaction;
// locked, so that none is written to swap; left out of core dumps; zeroed before they are given back. Locking needs a
// limit (RLIMIT_MEMLOCK) that may be used up: the secret then works all the same and IsLocked says so.
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Keys;

/// <summary>Native memory for a secret.</summary>
internal sealed unsafe class SecretMemory : IDisposable
{
    private readonly nuint _mapped;
    private byte* _address;

    internal SecretMemory(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        nuint page = (nuint)Environment.SystemPageSize;
        _mapped = ((nuint)length + page - 1) / page * page;
        void* mapped = mmap(
            null, (size_t)(ulong)_mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, (off_t)0L);
        if (mapped == MAP_FAILED)
        {
            throw new InsufficientMemoryException("no memory for a secret");
        }

        _address = (byte*)mapped;
        Length = length;
        IsLocked = mlock(mapped, (size_t)(ulong)_mapped) == 0;
        _ = madvise(mapped, (size_t)(ulong)_mapped, MADV_DONTDUMP);
    }

    ~SecretMemory() => Free();

    /// <summary>Size in bytes; may be lowered once the secret's true size is known.</summary>
    internal int Length { get; private set; }

    /// <summary>True where the pages cannot be swapped out.</summary>
    internal bool IsLocked { get; }

    internal Span<byte> Span
    {
        get
        {
            ObjectDisposedException.ThrowIf(_address == null, this);
            return new Span<byte>(_address, Length);
        }
    }

    internal static SecretMemory CopyOf(ReadOnlySpan<byte> secret)
    {
        var memory = new SecretMemory(secret.Length);
        secret.CopyTo(memory.Span);
        return memory;
    }

    internal void Shorten(int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        CryptographicOperations.ZeroMemory(Span[length..]);
        Length = length;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        byte* address = _address;
        _address = null;
        if (address != null)
        {
            CryptographicOperations.ZeroMemory(new Span<byte>(address, (int)_mapped));
            _ = munlock(address, (size_t)(ulong)_mapped);
            _ = munmap(address, (size_t)(ulong)_mapped);
        }
    }
}
