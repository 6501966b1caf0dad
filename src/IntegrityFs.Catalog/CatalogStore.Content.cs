// The content members of the catalog: each enters its own scopes, in as many transactions as the volume's bounds ask for.

using IntegrityFs.Catalog.Content;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

public sealed partial class CatalogStore : ICatalog
{
    private FileContent _content = null!;

    /// <inheritdoc/>
    public long MaxFileSize => FileContent.MaxFileSize;

    /// <inheritdoc/>
    public int ReadContent(InodeNumber inode, in InodeRecord record, long offset, Span<byte> buffer) =>
        _content.Read(inode, record, offset, buffer);

    /// <inheritdoc/>
    public CatalogReadQueue? TryOpenReadQueue(int capacity) =>
        _volume.TryOpenReadQueue(capacity) is { } queue ? new CatalogReadQueue(_content, queue, capacity) : null;

    /// <inheritdoc/>
    public Errno SeekContent(InodeNumber inode, in InodeRecord record, long offset, bool hole, out long result) =>
        _content.Seek(inode, record, offset, hole, out result);

    /// <inheritdoc/>
    public Errno WriteContent(InodeNumber inode, long offset, ReadOnlySpan<byte> data, in ContentChange change, out int written) =>
        _content.Write(inode, offset, data, change, out written);

    /// <inheritdoc/>
    public Errno Truncate(InodeNumber inode, long size, in ContentChange change) => _content.Truncate(inode, size, change);

    /// <inheritdoc/>
    public Errno Allocate(InodeNumber inode, long offset, long length, AllocateMode mode, in ContentChange change) =>
        _content.Allocate(inode, offset, length, mode, change);

    /// <inheritdoc/>
    public void Destroy(InodeNumber inode)
    {
        if (_content.Destroy(inode) == Errno.OK)
        {
            using ReadScope scope = _volume.EnterRead();
            PublishCounters();
        }
    }

    /// <summary>Finishes the truncation that a crash interrupted, as opening for writing does.</summary>
    internal void FinishTruncation() => ResumeContent();

    partial void InitializeContent() => _content = new FileContent(_volume, _tree, new ContentInodes(this));

    partial void ResumeContent() => _content.ResumeTruncations();

    /// <summary>The inode items, as content sees them.</summary>
    private sealed class ContentInodes(CatalogStore store) : IContentInodes
    {
        private const int MaxCapabilityLength = 64;

        private static ReadOnlySpan<byte> Capability => "security.capability"u8;

        public int CapabilityChanges => 1;

        public int EraseChanges => 2;

        public bool TryGet(InodeNumber inode, out InodeRecord record) => store._inodes.TryGet(inode, out record);

        public void Replace(IVolumeOperation operation, InodeNumber inode, in InodeRecord record) =>
            store._inodes.Put(operation, inode, record);

        public void RemoveCapability(IVolumeOperation operation, InodeNumber inode)
        {
            // The kernel takes no longer value for a capability, so a longer one may stay; what is removed is one item.
            Errno found = store._xattrs.Get(inode, Capability, [], out int length);
            if (found == Errno.OK && length <= MaxCapabilityLength)
            {
                store._xattrs.Remove(operation, inode, Capability);
            }
        }

        public void Erase(IVolumeOperation operation, InodeNumber inode)
        {
            store._inodes.RemoveOrphan(operation, inode);
            store._inodes.Remove(operation, inode);
        }
    }
}
