// Promise: a name comes and goes together with its count: the entry, the parent's size, links and times, the inode's link count,
// and, with the last link, its orphan record are one operation. So after a crash an inode without a name is always recorded
// as such, and what a program still holds open stays whole until it lets go. Removing works on a full volume too.
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>unlink(2), rmdir(2), link(2).</summary>
internal sealed class Linking(FileSystemContext context, Orphans orphans)
{
    private readonly ICatalog _catalog = context.Catalog;

    public Errno Unlink(InodeNumber parent, ReadOnlySpan<byte> name)
    {
        Errno error = NameRules.CheckEntry(name, Errno.EISDIR, Errno.EISDIR);
        return error == Errno.OK ? Remove(parent, name, wantsDirectory: false) : error;
    }

    public Errno RemoveDirectory(InodeNumber parent, ReadOnlySpan<byte> name)
    {
        Errno error = NameRules.CheckEntry(name, Errno.EINVAL, Errno.ENOTEMPTY);
        return error == Errno.OK ? Remove(parent, name, wantsDirectory: true) : error;
    }

    public Errno Link(InodeNumber inode, InodeNumber newParent, ReadOnlySpan<byte> newName, out Attributes attributes)
    {
        attributes = default;
        Errno error = NameRules.CheckEntry(newName, Errno.EEXIST, Errno.EEXIST);
        if (error != Errno.OK)
        {
            return error;
        }

        // The answer's lookup is counted first: so nobody can take a nameless inode away while it gets its name.
        if (!context.Holds.TryKnow(inode))
        {
            return Errno.ENOENT;
        }

        bool done = false;
        try
        {
            error = _catalog.BeginWrite(4, out CatalogOperation operation);
            if (error == Errno.OK)
            {
                using (operation)
                {
                    error = AddLink(operation, inode, newParent, newName, out attributes);
                }
            }

            done = error == Errno.OK;
        }
        finally
        {
            if (!done)
            {
                orphans.Forget(inode, 1);
            }
        }

        return error;
    }

    /// <summary>Inside an operation: one name less for an inode; with the last it becomes an orphan. The caller tells
    /// <see cref="InodeHolds"/> after Complete where the result is true.</summary>
    public static bool DropLink(CatalogOperation operation, InodeNumber inode, ref InodeRecord record, Timestamp now)
    {
        bool isDirectory = ModeBits.IsDirectory(record.Mode);
        if (record.Links == 0)
        {
            throw new CorruptFormatException($"Inode {inode} has a name but no link.");
        }

        record.Links = isDirectory ? 0 : record.Links - 1;
        record.Ctime = now;
        operation.PutInode(inode, record);
        if (record.Links == 0)
        {
            operation.AddOrphan(inode);
        }

        return record.Links == 0;
    }

    private Errno Remove(InodeNumber parent, ReadOnlySpan<byte> name, bool wantsDirectory)
    {
        Errno error = _catalog.BeginRemoval(4, out CatalogOperation operation);
        if (error != Errno.OK)
        {
            return error;
        }

        InodeNumber unheld;
        using (operation)
        {
            error = RemoveWithin(operation, parent, name, wantsDirectory, out unheld);
        }

        if (unheld != InodeNumber.None)
        {
            orphans.Destroy(unheld);
        }

        return error;
    }

    /// <summary><paramref name="unheld"/>: lost its last name, and nobody holds it.</summary>
    private Errno RemoveWithin(CatalogOperation operation, InodeNumber parent, ReadOnlySpan<byte> name, bool wantsDirectory, out InodeNumber unheld)
    {
        unheld = InodeNumber.None;
        Errno error = context.GetDirectory(parent, out InodeRecord directory);
        if (error != Errno.OK)
        {
            return error;
        }

        if (!_catalog.TryLookup(parent, name, out Dentry entry))
        {
            return Errno.ENOENT;
        }

        InodeRecord record = context.GetNamed(parent, entry);
        bool isDirectory = ModeBits.IsDirectory(record.Mode);
        if (isDirectory != wantsDirectory)
        {
            return isDirectory ? Errno.EISDIR : Errno.ENOTDIR;
        }

        if (entry.Inode == InodeNumber.Root)
        {
            return Errno.EBUSY;
        }

        if (isDirectory && !_catalog.IsEmptyDirectory(entry.Inode))
        {
            return Errno.ENOTEMPTY;
        }

        error = operation.RemoveDentry(parent, name);
        if (error != Errno.OK)
        {
            return error;
        }

        Timestamp now = context.Now();
        directory.Size--;
        directory.Links -= isDirectory ? 1u : 0u;
        directory.Mtime = directory.Ctime = now;
        operation.PutInode(parent, directory);
        bool orphaned = DropLink(operation, entry.Inode, ref record, now);
        operation.Complete();
        if (orphaned && context.Holds.Orphaned(entry.Inode, linkable: false))
        {
            unheld = entry.Inode;
        }

        return Errno.OK;
    }

    private Errno AddLink(CatalogOperation operation, InodeNumber inode, InodeNumber newParent, ReadOnlySpan<byte> newName, out Attributes attributes)
    {
        attributes = default;
        Errno error = context.GetLiveDirectory(newParent, out InodeRecord directory);
        if (error != Errno.OK)
        {
            return error;
        }

        if (!_catalog.TryGetInode(inode, out InodeRecord record))
        {
            return Errno.ENOENT;
        }

        // A name that is there is the first objection, as in link(2) on the kernel's own file systems.
        bool wasNameless = record.Links == 0;
        if (ModeBits.IsDirectory(record.Mode) || (wasNameless && !context.Holds.IsLinkable(inode)))
        {
            return _catalog.TryLookup(newParent, newName, out _) ? Errno.EEXIST : wasNameless ? Errno.ENOENT : Errno.EPERM;
        }

        if (record.Links >= FileSystemContext.MaxLinks)
        {
            return Errno.EMLINK;
        }

        error = operation.AddDentry(newParent, newName, new Dentry(inode, ModeBits.DirectoryType(record.Mode)));
        if (error != Errno.OK)
        {
            return error;
        }

        Timestamp now = context.Now();
        directory.Size++;
        directory.Mtime = directory.Ctime = now;
        record.Links++;
        record.Ctime = now;
        record.Parent = newParent;
        operation.PutInode(newParent, directory);
        operation.PutInode(inode, record);
        if (wasNameless)
        {
            operation.RemoveOrphan(inode);
        }

        operation.Complete();
        if (wasNameless)
        {
            context.Holds.Named(inode);
        }

        context.Fill(inode, record, out attributes);
        return Errno.OK;
    }
}
