// Promise: everything that a check reports is a row of this table, and what a repair does to it is said here. The tables of
// fsck.integrityfs(8) and docs/OPERATIONS.md are this one (a test compares).
namespace IntegrityFs.Format;

/// <summary>A row of the table of problems.</summary>
/// <param name="Code">Stable number.</param>
/// <param name="Name">Stable name.</param>
/// <param name="Kind">What sort of thing is wrong.</param>
/// <param name="Repair">From which level on it is repaired; <see cref="RepairLevel.None"/>: by no repair.</param>
/// <param name="Meaning">What is wrong.</param>
/// <param name="Remedy">What a repair does.</param>
public sealed record ProblemRule(ProblemCode Code, string Name, ProblemKind Kind, RepairLevel Repair, string Meaning, string Remedy);

/// <summary>The table of problems.</summary>
public static class ProblemTable
{
    private const string Rebuild = "the tree is built anew from the leaves that can be read";

    /// <summary>All rows, by number.</summary>
    public static IReadOnlyList<ProblemRule> Rules { get; } =
    [
        new(ProblemCode.SuperblockCopy, "superblock-copy", ProblemKind.Copy, RepairLevel.Safe, "one superblock is damaged or older", "the good one is written over it"),
        new(ProblemCode.KeySlotCopy, "key-slot-copy", ProblemKind.Copy, RepairLevel.Safe, "one copy of the key slots is damaged or older", "the good one is written over it"),
        new(ProblemCode.JournalGap, "journal-gap", ProblemKind.Integrity, RepairLevel.All, "the journal is damaged before acknowledged transactions", "what lies behind the damage is given up"),
        new(ProblemCode.JournalImageLost, "journal-image-lost", ProblemKind.Integrity, RepairLevel.None, "a block's durable image in the journal is damaged", "none: the block reads as an error until it is overwritten"),
        new(ProblemCode.TagNodeCopy, "tag-node-copy", ProblemKind.Copy, RepairLevel.Safe, "one copy of a node of the tag tree is damaged", "the good one is written over it"),
        new(ProblemCode.TagNodeLost, "tag-node-lost", ProblemKind.Integrity, RepairLevel.None, "a node of the tag tree is damaged in every copy", "none: the blocks under it read as errors until they are overwritten"),
        new(ProblemCode.StateImpossible, "state-impossible", ProblemKind.Structure, RepairLevel.All, "the state block cannot be used in either copy", "it is written anew; what it held is found by going through the volume"),
        new(ProblemCode.StateCopy, "state-copy", ProblemKind.Copy, RepairLevel.Safe, "one copy of the state block is damaged or differs", "the good one, of two the first, is written over it"),
        new(ProblemCode.VolumeUnusable, "volume-unusable", ProblemKind.Integrity, RepairLevel.None, "what is needed to open the volume is damaged in every copy, or authentic but impossible", "none: nothing behind it can be checked; restore the volume"),
        new(ProblemCode.BitmapUnreadable, "bitmap-unreadable", ProblemKind.Integrity, RepairLevel.All, "an allocation bitmap cannot be read", "it is written anew from what is in use"),
        new(ProblemCode.UsedButFree, "used-but-free", ProblemKind.Structure, RepairLevel.Safe, "blocks are in use but marked free", "they are marked used"),
        new(ProblemCode.Leaked, "leaked", ProblemKind.Counter, RepairLevel.Safe, "blocks are marked used but nothing uses them", "they are freed"),
        new(ProblemCode.FreeCountWrong, "free-count-wrong", ProblemKind.Counter, RepairLevel.Safe, "the number of free blocks is wrong", "it is set"),
        new(ProblemCode.GroupCountWrong, "group-count-wrong", ProblemKind.Structure, RepairLevel.Safe, "a group in use is not counted among those that have a bitmap", "it is counted, and gets one where it has none"),
        new(ProblemCode.BitmapTail, "bitmap-tail", ProblemKind.Structure, RepairLevel.Safe, "a bitmap has bits behind the end of the volume", "they are cleared"),
        new(ProblemCode.RootImpossible, "root-impossible", ProblemKind.Structure, RepairLevel.All, "the catalog's root cannot be used", Rebuild),
        new(ProblemCode.NodeCopy, "node-copy", ProblemKind.Copy, RepairLevel.Safe, "one copy of a catalog node is damaged or differs", "the good one, of two the first, is written over it"),
        new(ProblemCode.NodeLost, "node-lost", ProblemKind.Integrity, RepairLevel.All, "a catalog node is not authentic in any copy", "what it held is given up; " + Rebuild),
        new(ProblemCode.NodeMalformed, "node-malformed", ProblemKind.Structure, RepairLevel.All, "a catalog node is authentic but malformed, or of the wrong level", Rebuild),
        new(ProblemCode.NodeOrder, "node-order", ProblemKind.Structure, RepairLevel.All, "keys of a catalog node do not ascend or lie outside its bounds", Rebuild),
        new(ProblemCode.NodeAddress, "node-address", ProblemKind.Structure, RepairLevel.All, "a catalog node names a child where none can be, or names its copies wrongly", Rebuild),
        new(ProblemCode.NodeClaimedTwice, "node-claimed-twice", ProblemKind.Structure, RepairLevel.All, "a block serves as two catalog nodes (a loop, or a shared subtree)", Rebuild),
        new(ProblemCode.NodeCountWrong, "node-count-wrong", ProblemKind.Counter, RepairLevel.Safe, "the numbers of catalog nodes are wrong", "they are set"),
        new(ProblemCode.InodeCountWrong, "inode-count-wrong", ProblemKind.Counter, RepairLevel.Safe, "the number of inodes is wrong", "it is set"),
        new(ProblemCode.NextInodeTooLow, "next-inode-too-low", ProblemKind.Counter, RepairLevel.Safe, "the next inode number is not above all in use", "it is set"),
        new(ProblemCode.TruncationNoteBad, "truncation-note-bad", ProblemKind.Structure, RepairLevel.All, "the note of an unfinished truncation is impossible or names no file", "it is cleared"),
        new(ProblemCode.ItemUnknown, "item-unknown", ProblemKind.Structure, RepairLevel.All, "an item has a key that no item can have", "it is dropped"),
        new(ProblemCode.ItemWithoutInode, "item-without-inode", ProblemKind.Structure, RepairLevel.All, "an item belongs to an inode that does not exist", "it is dropped"),
        new(ProblemCode.InodeMalformed, "inode-malformed", ProblemKind.Structure, RepairLevel.All, "an inode's fields are impossible", "they are reset; an inode of the wrong length is dropped"),
        new(ProblemCode.InodeTypeUnknown, "inode-type-unknown", ProblemKind.Structure, RepairLevel.All, "an inode has no type that exists, or another than its items speak for", "it gets the type that its items have"),
        new(ProblemCode.SizeWrong, "size-wrong", ProblemKind.Counter, RepairLevel.Safe, "the size of a symlink or special file is wrong", "it is set"),
        new(ProblemCode.DirectorySizeWrong, "directory-size-wrong", ProblemKind.Counter, RepairLevel.Safe, "a directory does not count its entries right", "the count is set"),
        new(ProblemCode.BlockCountWrong, "block-count-wrong", ProblemKind.Counter, RepairLevel.Safe, "an inode does not count its blocks right", "the count is set"),
        new(ProblemCode.SizeTooLarge, "size-too-large", ProblemKind.Structure, RepairLevel.All, "a file is larger than a file can be", "it is cut to its content"),
        new(ProblemCode.InlineBad, "inline-bad", ProblemKind.Structure, RepairLevel.All, "inline content is too long, or stands beside extents", "it is cut or dropped"),
        new(ProblemCode.SymlinkBad, "symlink-bad", ProblemKind.Structure, RepairLevel.All, "the target of a symlink is missing or in disorder", "the symlink is dropped"),
        new(ProblemCode.XattrBad, "xattr-bad", ProblemKind.Structure, RepairLevel.All, "an extended attribute is malformed, incomplete, doubled or in the wrong place", "it is dropped"),
        new(ProblemCode.DentryMalformed, "dentry-malformed", ProblemKind.Structure, RepairLevel.All, "a directory entry is malformed", "it is dropped"),
        new(ProblemCode.DentryMisplaced, "dentry-misplaced", ProblemKind.Structure, RepairLevel.Safe, "a directory entry is not where its name's hash says", "it is put there"),
        new(ProblemCode.DentryDuplicate, "dentry-duplicate", ProblemKind.Structure, RepairLevel.All, "a name stands twice in a directory", "the second is dropped"),
        new(ProblemCode.ItemOfOtherType, "item-of-other-type", ProblemKind.Structure, RepairLevel.All, "an item does not go with the type of its inode", "it is dropped"),
        new(ProblemCode.ExtentMalformed, "extent-malformed", ProblemKind.Structure, RepairLevel.All, "an extent is malformed or out of range", "what lies in range is kept"),
        new(ProblemCode.ExtentOverlap, "extent-overlap", ProblemKind.Structure, RepairLevel.All, "two extents of a file overlap", "the second is cut"),
        new(ProblemCode.ExtentBehindEnd, "extent-behind-end", ProblemKind.Structure, RepairLevel.All, "an extent behind the end of its file has content", "it becomes unwritten"),
        new(ProblemCode.ExtentOnMetadata, "extent-on-metadata", ProblemKind.Structure, RepairLevel.All, "an extent claims a block of the volume or the catalog", "it is cut"),
        new(ProblemCode.ExtentClaimedTwice, "extent-claimed-twice", ProblemKind.Structure, RepairLevel.All, "two extents claim a block", "the second is cut"),
        new(ProblemCode.ExtentNeverWritten, "extent-never-written", ProblemKind.Structure, RepairLevel.All, "an extent says it has content, but its block has never been written as data", "it becomes unwritten and reads as zeros"),
        new(ProblemCode.TailNotZero, "tail-not-zero", ProblemKind.Structure, RepairLevel.Safe, "bytes behind the end of a file in its last block are not zero", "they are zeroed"),
        new(ProblemCode.RootMissing, "root-missing", ProblemKind.Structure, RepairLevel.All, "there is no root directory", "an empty one is made"),
        new(ProblemCode.NameWithoutInode, "name-without-inode", ProblemKind.Structure, RepairLevel.All, "a name leads to an inode that does not exist", "it is dropped"),
        new(ProblemCode.NameTypeWrong, "name-type-wrong", ProblemKind.Counter, RepairLevel.Safe, "a name says another type than its inode", "it is set"),
        new(ProblemCode.DirectoryNamedTwice, "directory-named-twice", ProblemKind.Structure, RepairLevel.All, "a directory has a second name, or the root directory has one", "the name is dropped"),
        new(ProblemCode.LinkCountWrong, "link-count-wrong", ProblemKind.Counter, RepairLevel.Safe, "an inode does not count its names right", "the count is set"),
        new(ProblemCode.ParentWrong, "parent-wrong", ProblemKind.Counter, RepairLevel.Safe, "a directory names another parent than the one that holds it", "it is set"),
        new(ProblemCode.Unreachable, "unreachable", ProblemKind.Structure, RepairLevel.All, "an inode has no name and is no orphan", "it gets a name in /lost+found"),
        new(ProblemCode.DirectoryCycle, "directory-cycle", ProblemKind.Structure, RepairLevel.All, "a directory lies below itself", "it is moved to /lost+found"),
        new(ProblemCode.OrphanWithoutInode, "orphan-without-inode", ProblemKind.Structure, RepairLevel.Safe, "an orphan record names no inode", "it is dropped"),
        new(ProblemCode.OrphanNamed, "orphan-named", ProblemKind.Structure, RepairLevel.Safe, "an orphan has a name", "the orphan record is dropped"),
        new(ProblemCode.OrphanLinks, "orphan-links", ProblemKind.Counter, RepairLevel.Safe, "an orphan without a name counts links", "the count is set"),
        new(ProblemCode.OrphanLeft, "orphan-left", ProblemKind.Structure, RepairLevel.Safe, "an orphan is left where none may be", "it is destroyed"),
        new(ProblemCode.DataBlockBad, "data-block-bad", ProblemKind.Integrity, RepairLevel.None, "a block of a file's content is not authentic", "none: restore the file, or name the block to --zero-block or --accept-block"),
        new(ProblemCode.DeviceError, "device-error", ProblemKind.Device, RepairLevel.None, "the device could not read a block", "none"),
    ];

    /// <summary>The row of a code.</summary>
    public static ProblemRule Of(ProblemCode code)
    {
        foreach (ProblemRule rule in Rules)
        {
            if (rule.Code == code)
            {
                return rule;
            }
        }

        throw new ArgumentOutOfRangeException(nameof(code), code, "not in the table of problems");
    }
}
