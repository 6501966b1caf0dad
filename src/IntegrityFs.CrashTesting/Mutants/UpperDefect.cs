namespace IntegrityFs.CrashTesting;

/// <summary>Deliberate defects of the floors above the volume. They live between the floors, in wrappers that only the
/// harness puts there, so the product's code has no switch for them.</summary>
internal enum UpperDefect
{
    None,

    /// <summary>fsync of a directory returns without a commit.</summary>
    DirectorySyncDoesNothing,

    /// <summary>fdatasync makes content durable, but not the size that it needs.</summary>
    DataSyncDropsSize,

    /// <summary>rename adds the new name in one transaction and removes the old one in the next.</summary>
    RenameInTwoTransactions,

    /// <summary>Link counts and orphan records follow in the transaction after that of the name.</summary>
    LinkCountInNextTransaction,

    /// <summary>A mount does not destroy what an earlier one left without a name.</summary>
    OrphansNotReplayed,

    /// <summary>Making a file shorter leaves old bytes behind the end in its last block.</summary>
    TruncateKeepsTail,

    /// <summary>A write that finds no space has grown the file all the same.</summary>
    NoSpaceHalfApplied,
}
