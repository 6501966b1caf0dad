namespace IntegrityFs.Cli.Checking;

/// <summary>What is wrong.</summary>
internal enum ProblemKind
{
    /// <summary>Something is not what the key holder wrote.</summary>
    Integrity,

    /// <summary>Authentic, but impossible.</summary>
    Structure,

    /// <summary>The device could not read it.</summary>
    Device,

    /// <summary>One of two copies is damaged or old; the other is good.</summary>
    Copy,
}

/// <summary>One finding of a check.</summary>
/// <param name="Kind">What is wrong.</param>
/// <param name="Message">One line.</param>
/// <param name="Block">Protected block, or −1.</param>
/// <param name="Inode">Inode that it belongs to, or 0.</param>
/// <param name="Path">A path of that inode in the volume, or null.</param>
/// <param name="Offset">First lost byte of the file, or −1.</param>
/// <param name="Length">Lost bytes.</param>
/// <param name="Repaired">True where it is put right.</param>
internal sealed record ScanProblem(
    ProblemKind Kind, string Message, long Block = -1, ulong Inode = 0, string? Path = null, long Offset = -1, long Length = 0, bool Repaired = false);

/// <summary>Receives what a scan finds.</summary>
internal interface IScanSink
{
    void Found(ScanProblem problem);

    /// <summary>So many blocks have been gone through.</summary>
    void Progress(long blocks);
}
