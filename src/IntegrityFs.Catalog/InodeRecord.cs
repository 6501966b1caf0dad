using IntegrityFs.Format;

namespace IntegrityFs.Catalog;

/// <summary>The attributes of an inode, as kept in the catalog. A plain mutable value: read, change, put back.</summary>
public struct InodeRecord
{
    /// <summary>Type and permission bits, as st_mode (inode(7)).</summary>
    public uint Mode;

    /// <summary>Owner.</summary>
    public uint Uid;

    /// <summary>Group.</summary>
    public uint Gid;

    /// <summary>Link count; 0 for an orphan. A directory counts itself, its name and each subdirectory.</summary>
    public uint Links;

    /// <summary>Device number of a device node, in the kernel's new_encode_dev form; else 0.</summary>
    public uint Rdev;

    /// <summary>Inode flags (FS_*_FL, ioctl_iflags(2)).</summary>
    public uint Flags;

    /// <summary>Size in bytes, 0 .. 2^63 − 1. For a directory, the number of its entries, which
    /// the floor above keeps, as it keeps links and times.</summary>
    public long Size;

    /// <summary>Data blocks allocated to the file (volume blocks, not 512-byte units). Kept by the catalog.</summary>
    public long Blocks;

    /// <summary>Last access.</summary>
    public Timestamp Atime;

    /// <summary>Last change of content.</summary>
    public Timestamp Mtime;

    /// <summary>Last change of the inode.</summary>
    public Timestamp Ctime;

    /// <summary>Birth.</summary>
    public Timestamp Btime;

    /// <summary>A directory that held a name of this inode when last linked or renamed; for a directory, its parent.
    /// Serves ".." and the path in messages.</summary>
    public InodeNumber Parent;
}

/// <summary>What a change of content does to the inode in the same transaction.</summary>
/// <param name="Time">New mtime and ctime.</param>
/// <param name="ClearMode">Mode bits to clear (set-user-id, set-group-id).</param>
/// <param name="RemoveCapability">True to drop the xattr security.capability.</param>
public readonly record struct ContentChange(Timestamp Time, uint ClearMode, bool RemoveCapability);

/// <summary>A name in a directory.</summary>
/// <param name="Inode">What it names.</param>
/// <param name="Type">d_type: file type bits of the mode, shifted right by 12 (readdir(3) DT_*).</param>
public readonly record struct Dentry(InodeNumber Inode, byte Type);

/// <summary>Counters for statfs and status.</summary>
public readonly record struct CatalogStatistics(int BlockSize, long TotalBlocks, long FreeBlocks, long Inodes);
