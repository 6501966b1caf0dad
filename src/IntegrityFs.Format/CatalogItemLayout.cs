// Where the fields of the catalog's items lie, other than file content (ContentLayout). An orphan item is empty; a
// symlink's items are the bytes of the target, cut into pieces of MaxValueLength.

namespace IntegrityFs.Format;

/// <summary>An inode item. Key: (inode, Inode, 0).</summary>
public static class CatalogInodeLayout
{
    /// <summary>u8, <see cref="Version"/>.</summary>
    public const int VersionOffset = 0;

    /// <summary>3 bytes, zero.</summary>
    public const int ReservedOffset = VersionOffset + 1;

    /// <summary>u32, st_mode.</summary>
    public const int ModeOffset = ReservedOffset + 3;

    /// <summary>u32, owner.</summary>
    public const int UidOffset = ModeOffset + 4;

    /// <summary>u32, group.</summary>
    public const int GidOffset = UidOffset + 4;

    /// <summary>u32, link count.</summary>
    public const int LinksOffset = GidOffset + 4;

    /// <summary>u32, device number.</summary>
    public const int RdevOffset = LinksOffset + 4;

    /// <summary>u32, FS_*_FL.</summary>
    public const int FlagsOffset = RdevOffset + 4;

    /// <summary>i64, size in bytes, or number of entries; not negative.</summary>
    public const int SizeOffset = FlagsOffset + 4;

    /// <summary>i64, data blocks; not negative.</summary>
    public const int BlocksOffset = SizeOffset + 8;

    /// <summary>i64 seconds, u32 nanoseconds below 10^9: last access.</summary>
    public const int AtimeOffset = BlocksOffset + 8;

    /// <summary>Likewise: last change of content.</summary>
    public const int MtimeOffset = AtimeOffset + TimeSize;

    /// <summary>Likewise: last change of the inode.</summary>
    public const int CtimeOffset = MtimeOffset + TimeSize;

    /// <summary>Likewise: birth.</summary>
    public const int BtimeOffset = CtimeOffset + TimeSize;

    /// <summary>u64, a directory that held a name of the inode; a directory's parent.</summary>
    public const int ParentOffset = BtimeOffset + TimeSize;

    /// <summary>Bytes of the item.</summary>
    public const int Size = ParentOffset + 8;

    /// <summary>Bytes of a time.</summary>
    public const int TimeSize = 12;

    /// <summary>The only version.</summary>
    public const byte Version = 1;
}

/// <summary>A directory entry. Key: (directory, Dentry, hash of the name × 256 + ordinal). The hash has 54 bits and is
/// not 0, the ordinal is 1 .. 255 and tells names of one hash apart. So the key's offset is also the entry's position in
/// readdir, below 2^62.</summary>
public static class CatalogDentryLayout
{
    /// <summary>u64, what the name means.</summary>
    public const int InodeOffset = 0;

    /// <summary>u8, file type bits of the mode, shifted right by 12.</summary>
    public const int TypeOffset = InodeOffset + 8;

    /// <summary>1 to <see cref="MaxNameLength"/> bytes, the name, to the end of the item.</summary>
    public const int NameOffset = TypeOffset + 1;

    /// <summary>Longest name in bytes.</summary>
    public const int MaxNameLength = 255;

    /// <summary>Bits of the hash.</summary>
    public const int HashBits = 54;
}

/// <summary>An extended attribute. Key: (inode, Xattr, hash of the name × 2^24 + ordinal × 2^16 + piece). The hash has 40
/// bits, the ordinal tells names of one hash apart. Piece 0 begins with this header; the value follows the name and goes
/// on in pieces 1, 2, ..., each as long as an item can be but the last.</summary>
public static class CatalogXattrLayout
{
    /// <summary>u32, bytes of the whole value, at most <see cref="MaxValue"/>.</summary>
    public const int LengthOffset = 0;

    /// <summary>u8, bytes of the name, 1 .. 255.</summary>
    public const int NameLengthOffset = LengthOffset + 4;

    /// <summary>The name, then the value's first piece.</summary>
    public const int NameOffset = NameLengthOffset + 1;

    /// <summary>Longest value in bytes (XATTR_SIZE_MAX).</summary>
    public const int MaxValue = 65536;

    /// <summary>Bits of the hash.</summary>
    public const int HashBits = 40;
}
