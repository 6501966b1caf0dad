namespace IntegrityFs.Cli;

/// <summary>Why a command did not do what it was asked to: one cause, one number. These are the exit codes of the
/// sub-commands; mount(8) and fsck(8) prescribe bits of their own, into which <see cref="MountExit"/> and
/// <see cref="FsckExit"/> translate.</summary>
internal enum Cause
{
    None = 0,
    Usage = 1,
    System = 2,
    Internal = 4,
    Interrupted = 8,
    NotAVolume = 10,
    WrongKey = 11,
    Integrity = 12,
    InUse = 13,
    WouldOverwrite = 14,
    Unsupported = 15,
    Unsuitable = 16,
    KeySource = 17,
    NotMounted = 18,
    CorruptStructure = 19,
}

/// <summary>What mount(8) expects of a mount helper, as bits; 32 is set for every refused mount.</summary>
internal static class MountExit
{
    public const int Usage = 1;
    public const int System = 2;
    public const int Internal = 4;
    public const int Interrupted = 8;
    public const int Table = 16;
    public const int Failure = 32;

    public static int From(Cause cause) => cause switch
    {
        Cause.None => 0,
        Cause.Usage => Failure | Usage,
        Cause.System or Cause.KeySource => Failure | System,
        Cause.Internal => Failure | Internal,
        Cause.Interrupted => Failure | Interrupted,
        _ => Failure,
    };
}

/// <summary>What fsck(8) expects of a checker, as bits.</summary>
internal static class FsckExit
{
    public const int Corrected = 1;
    public const int Reboot = 2;
    public const int ErrorsLeft = 4;
    public const int Operational = 8;
    public const int Usage = 16;
    public const int Cancelled = 32;

    /// <summary>A volume that cannot be opened because it is damaged counts as errors left, so that a boot that waits
    /// for the check fails closed; one that could not be looked at counts as an operational error.</summary>
    public static int From(Cause cause) => cause switch
    {
        Cause.None => 0,
        Cause.Usage => Usage,
        Cause.Interrupted => Cancelled,
        Cause.Integrity or Cause.CorruptStructure => Operational | ErrorsLeft,
        _ => Operational,
    };
}

/// <summary>The tables for --help.</summary>
internal static class ExitCodeText
{
    public const string Commands = """
        Exit codes:
           0  done
           1  usage: the command line is wrong
           2  the operating system refused (no such file, permission, I/O error)
           4  internal error
           8  interrupted
          10  not an IntegrityFs volume
          11  wrong key or passphrase: no key slot opens with it
          12  integrity failure: something is not what the key holder wrote (damage or tampering)
          13  in use: mounted, or locked by another tool
          14  would overwrite a volume or a foreign file system (use -f)
          15  a format version or feature that this program does not know
          16  unsuitable: too small, or a size that cannot be
          17  no usable key source (key file missing, readable by others, no terminal to ask on)
          18  not mounted
          19  corrupt structure: authentic, but impossible
        """;

    public const string Mount = """
        Exit codes: one per cause, as integrityfs --help lists them (11 wrong key, 12 integrity failure, 13 in use ...).
        As the helper of mount(8) and umount(8) their bits; 32 is set whenever it was refused:
           0  done
          32  wrong key, integrity failure, in use, not an IntegrityFs volume (standard error says which)
          33  usage     34  operating system or key source     36  internal error     40  interrupted
        """;

    public const string Fsck = """
        Exit codes (bits, as fsck(8) has them):
           0  no problem
           1  problems were corrected
           4  problems are left
           8  could not check (wrong key, in use, not a volume, I/O error)
          16  usage
          32  cancelled
        """;
}
