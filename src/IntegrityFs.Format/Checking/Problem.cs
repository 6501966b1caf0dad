namespace IntegrityFs.Format;

/// <summary>One finding of a check.</summary>
/// <param name="Code">What is wrong.</param>
/// <param name="Message">One line: what and where.</param>
/// <param name="Block">Protected block, or −1.</param>
/// <param name="Inode">Inode that it belongs to, or 0.</param>
/// <param name="Path">A path of that inode in the volume, or null.</param>
/// <param name="Offset">First affected byte of the file, or −1.</param>
/// <param name="Length">Affected bytes.</param>
/// <param name="Repaired">True where it is put right.</param>
public sealed record Problem(
    ProblemCode Code, string Message, long Block = -1, ulong Inode = 0, string? Path = null, long Offset = -1, long Length = 0, bool Repaired = false)
{
    /// <summary>What the table says of it.</summary>
    public ProblemRule Rule => ProblemTable.Of(Code);
}

/// <summary>Receives what a check finds.</summary>
public interface ICheckSink
{
    /// <summary>A finding, repaired or not.</summary>
    void Found(Problem problem);

    /// <summary>How far the check is.</summary>
    /// <param name="phase">What is being checked.</param>
    /// <param name="done">Blocks gone through in this phase.</param>
    void Progress(string phase, long done);
}
