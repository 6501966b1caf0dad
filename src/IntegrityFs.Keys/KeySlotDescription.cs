using IntegrityFs.Format;

namespace IntegrityFs.Keys;

/// <summary>One slot, for listings. Authentic only after the table was unlocked.</summary>
/// <param name="Index">0 to 7.</param>
/// <param name="Kind">What opens it; a number beyond the named kinds was written by a newer version.</param>
/// <param name="Derivation">How its wrapping key is made.</param>
/// <param name="MemoryKib">Argon2id: memory in KiB; else 0.</param>
/// <param name="Passes">Argon2id: passes; else 0.</param>
/// <param name="Label">Its name.</param>
public sealed record KeySlotDescription(
    int Index, KeySlotKind Kind, KeySlotDerivation Derivation, long MemoryKib, long Passes, string Label);

/// <summary>What is known of one of the two copies on the device.</summary>
public enum KeySlotCopyState
{
    /// <summary>Well-formed; its MAC has not been checked, because the table has not been unlocked.</summary>
    Unchecked,

    /// <summary>Authentic and current.</summary>
    Good,

    /// <summary>Authentic but older than the other copy: a write was interrupted.</summary>
    Outdated,

    /// <summary>Not well-formed, not authentic, or not readable.</summary>
    Damaged,

    /// <summary>Nothing is on the device yet: the table is new.</summary>
    Absent,
}
