// Passphrases are stretched by Argon2id. Its cost is stored in each slot, where an attacker can lower it: a slot below
// the lower bound is refused before the passphrase is touched, so that nobody gets a cheaply stretched passphrase to
// attack. The upper bound keeps a forged slot from exhausting the machine.
using IntegrityFs.Format;
using NSec.Cryptography;

namespace IntegrityFs.Keys;

/// <summary>What stretching a passphrase costs.</summary>
/// <param name="MemoryKib">Memory in KiB.</param>
/// <param name="Passes">Passes over the memory.</param>
public readonly record struct PassphraseCost(int MemoryKib, int Passes)
{
    /// <summary>64 MiB, 3 passes: about a quarter of a second.</summary>
    public static readonly PassphraseCost Default = new(64 * 1024, 3);

    /// <summary>The least that a slot may have: 19 MiB, 2 passes.</summary>
    public static readonly PassphraseCost Least = new(19 * 1024, 2);

    /// <summary>The most that a slot may have: 1 GiB, 32 passes.</summary>
    public static readonly PassphraseCost Most = new(1024 * 1024, 32);

    /// <summary>True between <see cref="Least"/> and <see cref="Most"/>.</summary>
    public bool IsAcceptable =>
        MemoryKib >= Least.MemoryKib && MemoryKib <= Most.MemoryKib && Passes >= Least.Passes && Passes <= Most.Passes;
}

/// <summary>A passphrase: bytes as typed, without the line end.</summary>
public sealed class PassphraseCredential : Credential
{
    /// <summary>Longest passphrase in bytes.</summary>
    public const int MaxBytes = 4096;

    // The library's implementation knows only one lane.
    private const uint Lanes = 1;
    private const int SaltBytes = 16;

    /// <summary>Takes a copy of the passphrase; the caller zeroes its own.</summary>
    /// <exception cref="CredentialException">It is empty or too long.</exception>
    public PassphraseCredential(ReadOnlySpan<byte> passphrase)
        : base(Copy(passphrase))
    {
    }

    internal override KeySlotKind Kind => KeySlotKind.Passphrase;

    internal override KeySlotFields FieldsOfNewSlot(string label, PassphraseCost cost) =>
        cost.IsAcceptable
            ? new(KeySlotKind.Passphrase, KeySlotDerivation.Argon2Id, (uint)cost.MemoryKib, (uint)cost.Passes, Lanes, label)
            : throw new CredentialException(
                $"passphrase: {cost.MemoryKib} KiB and {cost.Passes} passes are outside the bounds");

    internal override string? Objection(KeySlotView slot)
    {
        bool fits = slot.MemoryKib <= int.MaxValue && slot.Passes <= int.MaxValue && slot.Lanes == Lanes
            && new PassphraseCost((int)slot.MemoryKib, (int)slot.Passes).IsAcceptable;
        return fits ? null : "the cost of its passphrase is outside the bounds: changed by somebody without the key";
    }

    internal override void DeriveWrappingKey(KeySlotView slot, Span<byte> destination)
    {
        var parameters = new Argon2Parameters
        {
            DegreeOfParallelism = (int)slot.Lanes,
            MemorySize = slot.MemoryKib,
            NumberOfPasses = slot.Passes,
        };
        PasswordBasedKeyDerivationAlgorithm.Argon2id(parameters)
            .DeriveBytes(Secret, slot.Salt[..SaltBytes], destination);
    }

    private static SecretMemory Copy(ReadOnlySpan<byte> passphrase) =>
        passphrase.Length is > 0 and <= MaxBytes
            ? SecretMemory.CopyOf(passphrase)
            : throw new CredentialException($"passphrase: 1 to {MaxBytes} bytes are needed");
}
