// Promise: an inode without a name is destroyed when its last holder lets go, at the latest by the next writable mount.
// Destroying is done outside every scope and lock; where it fails, or where nothing may be written any more, the orphan's
// record keeps it for the next mount.
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>Destroys what nobody holds.</summary>
internal sealed class Orphans(FileSystemContext context, FaultReporter faults)
{
    private readonly ICatalog _catalog = context.Catalog;

    /// <summary>An inode that <see cref="InodeHolds"/> has doomed. A failure is reported, not thrown.</summary>
    public void Destroy(InodeNumber inode)
    {
        try
        {
            if (!_catalog.IsReadOnly && !faults.RefusesChanges)
            {
                _catalog.Destroy(inode);
            }
        }
        catch (Exception error)
        {
            faults.ReportChange(error, inode);
        }
        finally
        {
            context.Holds.Remove(inode);
        }
    }

    /// <summary>The kernel takes lookups back.</summary>
    public void Forget(InodeNumber inode, ulong count)
    {
        if (context.Holds.Forget(inode, count))
        {
            Destroy(inode);
        }
    }

    /// <summary>A handle is given back; false where there was none.</summary>
    public bool Close(InodeNumber inode)
    {
        bool closed = context.Holds.TryClose(inode, out bool destroy);
        if (destroy)
        {
            Destroy(inode);
        }

        return closed;
    }

    /// <summary>All of them, whoever holds them: at mount and at unmount. A record of an inode that counts links is
    /// impossible: it may have names, so it is left to the checker. The first failure is thrown and ends it.</summary>
    public void DestroyAll()
    {
        InodeNumber after = InodeNumber.None;
        while (TryNext(after, out InodeNumber orphan, out bool hasLinks))
        {
            if (!hasLinks)
            {
                _catalog.Destroy(orphan);
                context.Holds.Remove(orphan);
            }

            after = orphan;
        }
    }

    private bool TryNext(InodeNumber after, out InodeNumber orphan, out bool hasLinks)
    {
        using CatalogReadScope scope = _catalog.EnterRead();
        bool found = _catalog.TryNextOrphan(after, out orphan);
        hasLinks = found && _catalog.TryGetInode(orphan, out InodeRecord record) && record.Links != 0;
        return found;
    }
}
