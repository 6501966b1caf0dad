// Promise: one key per purpose, all derived from the volume's master key and its UUID; a structure of one purpose or of
// another volume never verifies as this one. Keys are zeroed on dispose.
using System.Security.Cryptography;

namespace IntegrityFs.Integrity;

/// <summary>The derived keys of one volume (HKDF-SHA-256, RFC 5869; salt = UUID).</summary>
public sealed class SubKeys : IDisposable
{
    /// <summary>Bytes of the master key.</summary>
    public const int MasterKeySize = 32;

    private readonly byte[] _keys = GC.AllocateArray<byte>(4 * 32, pinned: true);

    /// <summary>Derives all keys.</summary>
    /// <exception cref="ArgumentException">The master key has not 32 bytes.</exception>
    public SubKeys(ReadOnlySpan<byte> masterKey, Guid volume)
    {
        if (masterKey.Length != MasterKeySize)
        {
            throw new ArgumentException($"a master key has {MasterKeySize} bytes", nameof(masterKey));
        }

        Span<byte> salt = stackalloc byte[16];
        volume.TryWriteBytes(salt, bigEndian: true, out _);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, masterKey, _keys.AsSpan(0, 32), salt, "integrityfs block v1"u8);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, masterKey, _keys.AsSpan(32, 32), salt, "integrityfs tag node v1"u8);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, masterKey, _keys.AsSpan(64, 32), salt, "integrityfs journal v1"u8);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, masterKey, _keys.AsSpan(96, 32), salt, "integrityfs superblock v1"u8);
    }

    internal ReadOnlySpan<byte> Block => _keys.AsSpan(0, 32);

    internal ReadOnlySpan<byte> Node => _keys.AsSpan(32, 32);

    internal ReadOnlySpan<byte> Journal => _keys.AsSpan(64, 32);

    internal ReadOnlySpan<byte> Superblock => _keys.AsSpan(96, 32);

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(_keys);
}
