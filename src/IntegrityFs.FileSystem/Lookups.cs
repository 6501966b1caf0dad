// Promise: these requests change nothing and, except for a symlink's text, copy nothing; they allocate nothing for each request.
// A lookup is counted inside the scope that found the inode. "." names the inode that is asked, whatever it is: so a program
// that kept a file handle (NFS) finds an inode again that the kernel has forgotten. A removed directory has no "..".
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>lookup, readlink(2), statfs(2).</summary>
internal sealed class Lookups(FileSystemContext context)
{
    /// <summary>What an inode with its name takes of the catalog, for the estimate of free inodes.</summary>
    private const int BytesPerInode = 512;

    private readonly ICatalog _catalog = context.Catalog;

    public Errno Lookup(InodeNumber parent, ReadOnlySpan<byte> name, out Attributes attributes)
    {
        attributes = default;
        Errno error = NameRules.Check(name);
        if (error != Errno.OK)
        {
            return error;
        }

        using CatalogReadScope scope = _catalog.EnterRead();
        if (NameRules.IsDot(name))
        {
            return _catalog.TryGetInode(parent, out InodeRecord self) ? Answer(parent, self, out attributes) : Errno.ENOENT;
        }

        error = context.GetDirectory(parent, out InodeRecord directory);
        if (error != Errno.OK)
        {
            return error;
        }

        bool up = NameRules.IsDotDot(name);
        if (up && directory.Links == 0)
        {
            return Errno.ENOENT;
        }

        Dentry entry;
        if (up)
        {
            entry = new Dentry(DirectoryListing.ParentOf(parent, directory), 0);
        }
        else if (!_catalog.TryLookup(parent, name, out entry))
        {
            return Errno.ENOENT;
        }

        return Answer(entry.Inode, context.GetNamed(parent, entry), out attributes);
    }

    /// <summary>ENOENT where the inode is being destroyed.</summary>
    private Errno Answer(InodeNumber inode, in InodeRecord record, out Attributes attributes)
    {
        context.Fill(inode, record, out attributes);
        return context.Holds.TryKnow(inode) ? Errno.OK : Errno.ENOENT;
    }

    public Errno ReadLink(InodeNumber inode, Span<byte> target, out int length)
    {
        length = 0;
        using CatalogReadScope scope = _catalog.EnterRead();
        if (!_catalog.TryGetInode(inode, out InodeRecord record))
        {
            return Errno.ENOENT;
        }

        return ModeBits.IsSymbolicLink(record.Mode) ? _catalog.ReadSymlink(inode, target, out length) : Errno.EINVAL;
    }

    /// <summary>There is no fixed number of inodes: the free ones are what the free blocks could hold.</summary>
    public Errno GetStatistics(out FileSystemStatistics statistics)
    {
        CatalogStatistics counts = _catalog.Statistics;
        long freeFiles = counts.FreeBlocks * (counts.BlockSize / BytesPerInode);
        statistics = new FileSystemStatistics(
            counts.BlockSize, counts.TotalBlocks, counts.FreeBlocks, counts.Inodes + freeFiles, freeFiles, NameRules.MaxLength);
        return Errno.OK;
    }
}
