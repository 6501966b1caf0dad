namespace IntegrityFs.Integrity;

/// <summary>Deliberate defects, one each, that the crash harness switches on to show that it would notice them. No option
/// or file outside the harness reaches this; a mount always runs with <see cref="None"/>.</summary>
[Flags]
internal enum Mutation
{
    None = 0,

    /// <summary>A commit is acknowledged without a flush.</summary>
    SkipCommitFlush = 1 << 0,

    /// <summary>The superblock is written before the tree and the home blocks are durable.</summary>
    SkipCheckpointFlush = 1 << 1,

    /// <summary>Journal space is reused before the superblock that releases it is durable.</summary>
    ReleaseTailEarly = 1 << 2,

    /// <summary>Tags and MACs are computed but not compared.</summary>
    VerifyNothing = 1 << 3,

    /// <summary>A journal record is accepted whatever it follows.</summary>
    IgnoreChain = 1 << 4,

    /// <summary>A torn last transaction is replayed.</summary>
    ReplayTorn = 1 << 5,

    /// <summary>Freed blocks are not recorded, and older images of them survive.</summary>
    SkipRevoke = 1 << 6,

    /// <summary>A checkpoint leaves out the last changed tag.</summary>
    DropTagUpdate = 1 << 7,

    /// <summary>A checkpoint overwrites the live slot of tree nodes.</summary>
    WrongSlot = 1 << 8,

    /// <summary>A checkpoint leaves out the last home block.</summary>
    DropHomeWrite = 1 << 9,

    /// <summary>Sequence numbers of dropped transactions are used again.</summary>
    ReuseSequence = 1 << 10,

    /// <summary>A commit writes blocks home before its record is durable.</summary>
    CheckpointBeforeCommit = 1 << 11,

    /// <summary>Blocks freed by an uncommitted transaction are reused for in-place writes.</summary>
    ReuseFreedEarly = 1 << 12,

    /// <summary>An interrupted operation keeps what it had done.</summary>
    SkipUndo = 1 << 13,

    /// <summary>fsync returns without a commit.</summary>
    SyncDoesNothing = 1 << 14,

    /// <summary>Tags are computed for the version before.</summary>
    StaleTag = 1 << 15,

    /// <summary>The second superblock is never written.</summary>
    SingleSuperblock = 1 << 16,

    /// <summary>Blocks written in place follow the commit that holds their tags.</summary>
    TagsBeforeData = 1 << 17,

    /// <summary>The last image of a transaction is journalled without its tag.</summary>
    UnjournalledTag = 1 << 18,

    /// <summary>A commit record is accepted whatever its MAC.</summary>
    IgnoreCommitMac = 1 << 19,

    /// <summary>Recovery gives the journal up before it has brought it home.</summary>
    RecoveryForgetsJournal = 1 << 20,
}
