// The one operation object of a catalog. There is one because the exclusive scope is one: it belongs to the thread that
// began the operation until that disposes it, and costs no memory per operation.

using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

public sealed partial class CatalogStore
{
    private sealed class Operation(CatalogStore store) : CatalogOperation
    {
        private IVolumeOperation? _volumeOperation;
        private int _thread;

        /// <summary>Takes over the exclusive scope.</summary>
        public void Start(IVolumeOperation operation)
        {
            _thread = Environment.CurrentManagedThreadId;
            _volumeOperation = operation;
        }

        public override InodeNumber NewInode() => store._inodes.NewNumber(Active);

        public override void PutInode(InodeNumber inode, in InodeRecord record) => store._inodes.Put(Active, inode, record);

        public override Errno AddDentry(InodeNumber directory, ReadOnlySpan<byte> name, Dentry entry) =>
            store._dentries.Add(Active, directory, name, entry);

        public override Errno ReplaceDentry(InodeNumber directory, ReadOnlySpan<byte> name, Dentry entry) =>
            store._dentries.Replace(Active, directory, name, entry);

        public override Errno RemoveDentry(InodeNumber directory, ReadOnlySpan<byte> name) =>
            store._dentries.Remove(Active, directory, name);

        public override void PutSymlink(InodeNumber inode, ReadOnlySpan<byte> target) =>
            store._symlinks.Put(Active, inode, target);

        public override Errno PutXattr(InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) =>
            store._xattrs.Put(Active, inode, name, value);

        public override Errno RemoveXattr(InodeNumber inode, ReadOnlySpan<byte> name) =>
            store._xattrs.Remove(Active, inode, name);

        public override void AddOrphan(InodeNumber inode) => store._inodes.AddOrphan(Active, inode);

        public override void RemoveOrphan(InodeNumber inode) => store._inodes.RemoveOrphan(Active, inode);

        public override void Complete()
        {
            IVolumeOperation operation = Active;
            store.PublishCounters();
            operation.Complete();
        }

        public override void Dispose()
        {
            // A second dispose must not end the operation that another thread has begun since.
            if (_volumeOperation is { } operation && _thread == Environment.CurrentManagedThreadId)
            {
                _volumeOperation = null;
                operation.Dispose();
            }
        }

        private IVolumeOperation Active => _volumeOperation ?? throw new InvalidOperationException("the operation has ended");
    }
}
