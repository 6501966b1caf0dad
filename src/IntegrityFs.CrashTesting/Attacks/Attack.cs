namespace IntegrityFs.CrashTesting;

/// <summary>What became of an attack.</summary>
public enum AttackOutcome
{
    /// <summary>The volume is not opened; a clear cause is said.</summary>
    Refused,

    /// <summary>It opens; what was damaged reads as an error that names the block; everything else is right.</summary>
    Error,

    /// <summary>It opens and everything is right: the good copy was used, and the damage said.</summary>
    Repaired,

    /// <summary>It opens and everything is right: nobody needs what was changed.</summary>
    Unreferenced,

    /// <summary>It shows an earlier state of itself, whole: what no volume can know without an anchor outside.</summary>
    RolledBack,

    /// <summary>Something false was shown, or the program failed.</summary>
    Broken,
}

/// <summary>One offline modification.</summary>
/// <param name="Id">Names it for ever within its victim.</param>
/// <param name="Kind">Column of the table.</param>
/// <param name="Zone">Row of the table.</param>
/// <param name="Apply">Does it.</param>
/// <param name="RollsBack">It puts the whole root of trust back in time, or cuts a crashed volume's journal: an earlier
/// state, whole, is then an allowed answer.</param>
/// <param name="Length">New length of the device; 0 keeps it.</param>
/// <param name="WithPassphrase">Unlocked with the passphrase instead of the key file.</param>
internal sealed record Attack(
    string Id, string Kind, AttackZone Zone, Action<PageImage> Apply, bool RollsBack = false, long Length = 0, bool WithPassphrase = false)
{
    /// <summary>One copy of what is kept twice was changed: refusing the volume would make small damage big.</summary>
    public bool MustOpen => Zone is AttackZone.Superblock or AttackZone.KeySlots && Kind is "flip" or "zero" or "older version" or "other volume" or "copy";
}
