// Promise: an inode without a name is destroyed when its last holder lets go, at the latest by the next writable mount.
// Destroying is done outside every scope and lock; where it fails, the orphan's record keeps it for the next mount.
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>Destroys what nobody holds.</summary>
internal sealed class Orphans(FileSystemContext context)
{
    private readonly ICatalog _catalog = context.Catalog;

    /// <summary>An inode that <see cref="OpenInodes"/> has doomed.</summary>
    public void Destroy(InodeNumber inode)
    {
        try
        {
            _catalog.Destroy(inode);
        }
        finally
        {
            context.Open.Remove(inode);
        }
    }

    /// <summary>All of them: at mount and at unmount, when nobody can hold one. A record of an inode that counts links is
    /// impossible: it may have names, so it is left to the checker.</summary>
    public void DestroyAll()
    {
        InodeNumber after = InodeNumber.None;
        while (TryNext(after, out InodeNumber orphan, out bool hasLinks))
        {
            if (!hasLinks)
            {
                Destroy(orphan);
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
