// Promise: what every family of operations shares, and nothing that one of them could do alone: the catalog, the clock, the
// table of who holds which inode, and how a record becomes attributes.
//
// Order of locks: a scope of the catalog, then a lock of InodeHolds. Reports about failures are made outside both.
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>The ground that the families of operations stand on.</summary>
internal sealed class FileSystemContext(ICatalog catalog, TimeProvider clock, bool applyUmask)
{
    /// <summary>Greatest link count: EMLINK above. What fits a signed st_nlink everywhere.</summary>
    public const uint MaxLinks = int.MaxValue;

    /// <summary>Inode numbers are never reused, so one generation does for all.</summary>
    public const ulong Generation = 1;

    public ICatalog Catalog { get; } = catalog;

    public InodeHolds Holds { get; } = new();

    public bool ApplyUmask { get; } = applyUmask;

    /// <summary>st_blocks counts units of this many bytes.</summary>
    private readonly long _unitsPerBlock = catalog.BlockSize / 512;

    public Timestamp Now() => Timestamp.Now(clock);

    /// <summary>Inside a scope: a directory; ENOENT, ENOTDIR.</summary>
    public Errno GetDirectory(InodeNumber inode, out InodeRecord record)
    {
        if (!Catalog.TryGetInode(inode, out record))
        {
            return Errno.ENOENT;
        }

        return ModeBits.IsDirectory(record.Mode) ? Errno.OK : Errno.ENOTDIR;
    }

    /// <summary>Inside a scope: a directory that may get new names (it has not been removed itself).</summary>
    public Errno GetLiveDirectory(InodeNumber inode, out InodeRecord record)
    {
        Errno error = GetDirectory(inode, out record);
        return error == Errno.OK && record.Links == 0 ? Errno.ENOENT : error;
    }

    /// <summary>Inside a scope: the inode that an entry names.</summary>
    public InodeRecord GetNamed(InodeNumber directory, Dentry entry)
    {
        if (!Catalog.TryGetInode(entry.Inode, out InodeRecord record))
        {
            throw new CorruptFormatException($"An entry of directory {directory} names inode {entry.Inode}, which does not exist.");
        }

        return record;
    }

    public void Fill(InodeNumber inode, in InodeRecord record, out Attributes attributes)
    {
        attributes = new Attributes
        {
            Inode = inode,
            Generation = Generation,
            Mode = record.Mode,
            Links = record.Links,
            Uid = record.Uid,
            Gid = record.Gid,
            Rdev = record.Rdev,
            Flags = record.Flags,
            Size = record.Size,
            Blocks = record.Blocks * _unitsPerBlock,
            BlockSize = Catalog.BlockSize,
            Atime = record.Atime,
            Mtime = record.Mtime,
            Ctime = record.Ctime,
            Btime = record.Btime,
        };
    }

    /// <summary>In a scope of its own: the attributes as they are now; ENOENT.</summary>
    public Errno GetAttributes(InodeNumber inode, out Attributes attributes)
    {
        using CatalogReadScope scope = Catalog.EnterRead();
        if (!Catalog.TryGetInode(inode, out InodeRecord record))
        {
            attributes = default;
            return Errno.ENOENT;
        }

        Fill(inode, record, out attributes);
        return Errno.OK;
    }
}
