namespace IntegrityFs.Format;

/// <summary>What a check can find. The numbers are stable: reports and scripts name them. Hundreds tell the part: 1 volume,
/// 2 allocation, 3 catalog tree, 4 items, 5 extents, 6 names, 7 content.</summary>
public enum ProblemCode
{
    /// <summary>Not a problem.</summary>
    None = 0,
    SuperblockCopy = 101,
    KeySlotCopy = 102,
    JournalGap = 103,
    JournalImageLost = 104,
    TagNodeCopy = 105,
    TagNodeLost = 106,
    StateImpossible = 107,
    StateCopy = 108,
    VolumeUnusable = 109,
    BitmapUnreadable = 201,
    UsedButFree = 202,
    Leaked = 203,
    FreeCountWrong = 204,
    GroupCountWrong = 205,
    BitmapTail = 206,
    RootImpossible = 301,
    NodeCopy = 302,
    NodeLost = 303,
    NodeMalformed = 304,
    NodeOrder = 305,
    NodeAddress = 306,
    NodeClaimedTwice = 307,
    NodeCountWrong = 308,
    InodeCountWrong = 309,
    NextInodeTooLow = 310,
    TruncationNoteBad = 311,
    ItemUnknown = 401,
    ItemWithoutInode = 402,
    InodeMalformed = 403,
    InodeTypeUnknown = 404,
    SizeWrong = 405,
    DirectorySizeWrong = 406,
    BlockCountWrong = 407,
    SizeTooLarge = 408,
    InlineBad = 409,
    SymlinkBad = 410,
    XattrBad = 411,
    DentryMalformed = 412,
    DentryMisplaced = 413,
    DentryDuplicate = 414,
    ItemOfOtherType = 415,
    ExtentMalformed = 501,
    ExtentOverlap = 502,
    ExtentBehindEnd = 504,
    ExtentOnMetadata = 505,
    ExtentClaimedTwice = 506,
    ExtentNeverWritten = 507,
    TailNotZero = 508,
    RootMissing = 601,
    NameWithoutInode = 602,
    NameTypeWrong = 603,
    DirectoryNamedTwice = 604,
    LinkCountWrong = 605,
    ParentWrong = 606,
    Unreachable = 607,
    DirectoryCycle = 608,
    OrphanWithoutInode = 609,
    OrphanNamed = 610,
    OrphanLinks = 611,
    OrphanLeft = 612,
    DataBlockBad = 701,
    DeviceError = 702,
}

/// <summary>What sort of thing is wrong.</summary>
public enum ProblemKind
{
    /// <summary>Something is not what the key holder wrote.</summary>
    Integrity,

    /// <summary>Authentic, but impossible.</summary>
    Structure,

    /// <summary>The device could not read it.</summary>
    Device,

    /// <summary>One of two copies is damaged or old; the other is good.</summary>
    Copy,

    /// <summary>A number that can be counted anew.</summary>
    Counter,
}

/// <summary>How much a repair may do.</summary>
public enum RepairLevel
{
    /// <summary>Nothing is written.</summary>
    None,

    /// <summary>What loses nothing.</summary>
    Safe,

    /// <summary>Also what gives something up.</summary>
    All,
}

/// <summary>The order of repairs: a stage is begun when the ones before it have nothing left.</summary>
public enum RepairStage
{
    /// <summary>Good copy over bad copy; blocks in use marked so, before anything is allocated.</summary>
    Space,

    /// <summary>The catalog's tree.</summary>
    Tree,

    /// <summary>Items of one inode.</summary>
    Items,

    /// <summary>Names, links, directories.</summary>
    Names,

    /// <summary>Leaked blocks and counters.</summary>
    Counters,

    /// <summary>Content of files.</summary>
    Content,
}
