// Promise: nothing but a result leaves here. An exception means that nothing has begun; the ordinary way, which is then taken,
// meets and reports the same fault.
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>Reads of file content by the catalog's queue.</summary>
internal sealed class QueuedReads(ICatalog catalog, CatalogReadQueue queue) : IReadQueue
{
    /// <inheritdoc/>
    public bool TryBegin(int number, ulong handle, InodeNumber inode, long offset, nint memory, int length)
    {
        if (!new FileHandle(handle).IsFor(inode) || offset < 0 || length > CatalogReadQueue.Longest)
        {
            return false;
        }

        try
        {
            using CatalogReadScope scope = catalog.EnterRead();
            return catalog.TryGetInode(inode, out InodeRecord record) && offset < record.Size
                && queue.TryBegin(number, inode, record, offset, memory, length);
        }
#pragma warning disable CA1031 // see above
        catch (Exception)
#pragma warning restore CA1031
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public void Submit() => queue.Submit();

    /// <inheritdoc/>
    public int Take(Span<EndedRead> ended, bool wait) => queue.Take(ended, wait);

    /// <inheritdoc/>
    public void Dispose() => queue.Dispose();
}
