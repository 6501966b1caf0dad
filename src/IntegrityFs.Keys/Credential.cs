// What opens a slot. A credential holds its secret in locked memory until it is disposed, and gives away nothing but the
// wrapping key that it makes for the salt and parameters of one slot.
using System.Security.Cryptography;
using IntegrityFs.Format;

namespace IntegrityFs.Keys;

/// <summary>A secret that opens key slots.</summary>
public abstract class Credential : IDisposable
{
    internal const int WrappingKeySize = 32;

    private readonly SecretMemory _secret;

    private protected Credential(SecretMemory secret) => _secret = secret;

    /// <summary>The slots that it can open.</summary>
    internal abstract KeySlotKind Kind { get; }

    private protected ReadOnlySpan<byte> Secret => _secret.Span;

    /// <summary>The fields of a new slot for this credential.</summary>
    internal abstract KeySlotFields FieldsOfNewSlot(string label, PassphraseCost cost);

    /// <summary>Why this credential must not be tried on the slot, or null: parameters that are weaker than any that
    /// were ever written, or that would exhaust the machine.</summary>
    internal abstract string? Objection(KeySlotView slot);

    /// <summary>Makes the key that wraps the master key in a slot with these fields and salt.</summary>
    internal abstract void DeriveWrappingKey(KeySlotView slot, Span<byte> destination);

    /// <summary>Zeroes the secret.</summary>
    public void Dispose()
    {
        _secret.Dispose();
        GC.SuppressFinalize(this);
    }
}

/// <summary>Key material of high entropy, 32 to 8192 bytes, from wherever it comes.</summary>
public abstract class KeyMaterialCredential : Credential
{
    /// <summary>Smallest amount of key material in bytes.</summary>
    public const int MinBytes = 32;

    /// <summary>Largest amount of key material in bytes.</summary>
    public const int MaxBytes = 8192;

    private protected KeyMaterialCredential(SecretMemory secret)
        : base(secret)
    {
    }

    internal sealed override KeySlotKind Kind => KeySlotKind.KeyMaterial;

    private const string KeyringPrefix = "keyring:";

    private static ReadOnlySpan<byte> Purpose => "integrityfs key material v1"u8;

    /// <summary>Reads what a key file option names: a path, "credential:NAME" for a credential of systemd, or
    /// "keyring:DESCRIPTION" for a key of type "user" in the kernel's keyrings.</summary>
    /// <param name="source">The option's value.</param>
    /// <param name="allowShared">Accept a file that group or others may read or write.</param>
    /// <exception cref="CredentialException">It cannot be had or is not acceptable.</exception>
    public static KeyMaterialCredential OpenSource(string source, bool allowShared = false)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (!source.StartsWith(KeyringPrefix, StringComparison.Ordinal))
        {
            return KeyFileCredential.Open(source, allowShared);
        }

        return source.Length > KeyringPrefix.Length
            ? new KeyringCredential(source[KeyringPrefix.Length..])
            : throw new CredentialException("key file: \"keyring:\" must be followed by the key's description");
    }

    private protected static void CheckSize(long length, string what)
    {
        if (length is < MinBytes or > MaxBytes)
        {
            string found = length > MaxBytes ? "more" : $"{length}";
            throw new CredentialException($"{what}: {MinBytes} to {MaxBytes} bytes are needed, there are {found}");
        }
    }

    internal sealed override KeySlotFields FieldsOfNewSlot(string label, PassphraseCost cost) =>
        new(KeySlotKind.KeyMaterial, KeySlotDerivation.HkdfSha256, 0, 0, 0, label);

    internal sealed override string? Objection(KeySlotView slot) => null;

    internal sealed override void DeriveWrappingKey(KeySlotView slot, Span<byte> destination) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, Secret, destination, slot.Salt, Purpose);
}
