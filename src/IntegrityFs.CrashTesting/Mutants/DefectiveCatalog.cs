// Promise: the catalog below, but for the one planted defect. Without one it is not there at all.
using IntegrityFs.Catalog;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.CrashTesting;

/// <summary>A catalog with a planted defect.</summary>
internal sealed class DefectiveCatalog : ICatalog
{
    private readonly ICatalog _inner;
    private readonly ProtectedVolume _volume;
    private readonly UpperDefect _defect;
    private readonly Dictionary<InodeNumber, long> _sizes = [];

    private DefectiveCatalog(ICatalog inner, ProtectedVolume volume, UpperDefect defect)
    {
        _inner = inner;
        _volume = volume;
        _defect = defect;
    }

    public int BlockSize => _inner.BlockSize;

    public bool IsReadOnly => _inner.IsReadOnly;

    public Guid Uuid => _inner.Uuid;

    public long MaxFileSize => _inner.MaxFileSize;

    public CatalogStatistics Statistics => _inner.Statistics;

    public static ICatalog Wrap(ICatalog catalog, ProtectedVolume volume, UpperDefect defect) =>
        defect == UpperDefect.None ? catalog : new DefectiveCatalog(catalog, volume, defect);

    public CatalogReadScope EnterRead() => _inner.EnterRead();

    public Errno BeginWrite(int changes, out CatalogOperation operation) =>
        Wrapped(_inner.BeginWrite(changes, out operation), ref operation);

    public Errno BeginRemoval(int changes, out CatalogOperation operation) =>
        Wrapped(_inner.BeginRemoval(changes, out operation), ref operation);

    public bool TryGetInode(InodeNumber inode, out InodeRecord record) => _inner.TryGetInode(inode, out record);

    public bool TryLookup(InodeNumber directory, ReadOnlySpan<byte> name, out Dentry entry) => _inner.TryLookup(directory, name, out entry);

    public void ReadDirectory(InodeNumber directory, ulong cookie, IDentryVisitor visitor) => _inner.ReadDirectory(directory, cookie, visitor);

    public bool IsEmptyDirectory(InodeNumber directory) => _inner.IsEmptyDirectory(directory);

    public bool TryFindName(InodeNumber directory, InodeNumber child, Span<byte> name, out int length) =>
        _inner.TryFindName(directory, child, name, out length);

    public Errno GetXattr(InodeNumber inode, ReadOnlySpan<byte> name, Span<byte> value, out int length) =>
        _inner.GetXattr(inode, name, value, out length);

    public Errno ListXattr(InodeNumber inode, Span<byte> names, out int length) => _inner.ListXattr(inode, names, out length);

    public Errno ReadSymlink(InodeNumber inode, Span<byte> target, out int length) => _inner.ReadSymlink(inode, target, out length);

    public int ReadContent(InodeNumber inode, in InodeRecord record, long offset, Span<byte> buffer) =>
        _inner.ReadContent(inode, record, offset, buffer);

    public Errno SeekContent(InodeNumber inode, in InodeRecord record, long offset, bool hole, out long result) =>
        _inner.SeekContent(inode, record, offset, hole, out result);

    public bool TryNextOrphan(InodeNumber after, out InodeNumber orphan)
    {
        orphan = default;
        return _defect != UpperDefect.OrphansNotReplayed && _inner.TryNextOrphan(after, out orphan);
    }

    public Errno WriteContent(InodeNumber inode, long offset, ReadOnlySpan<byte> data, in ContentChange change, out int written)
    {
        if (_defect == UpperDefect.DataSyncDropsSize)
        {
            _sizes.TryAdd(inode, SizeOf(inode));
        }

        Errno error = _inner.WriteContent(inode, offset, data, change, out written);
        if (error == Errno.ENOSPC && written == 0 && _defect == UpperDefect.NoSpaceHalfApplied)
        {
            SetSize(inode, Math.Max(SizeOf(inode), offset + data.Length), null);
        }

        return error;
    }

    public Errno Truncate(InodeNumber inode, long size, in ContentChange change)
    {
        if (_defect != UpperDefect.TruncateKeepsTail || size >= SizeOf(inode) || size % BlockSize == 0)
        {
            return _inner.Truncate(inode, size, change);
        }

        long block = (size + BlockSize - 1) / BlockSize * BlockSize;
        Errno error = block < SizeOf(inode) ? _inner.Truncate(inode, block, change) : Errno.OK;
        if (error == Errno.OK)
        {
            SetSize(inode, size, change.Time);
        }

        return error;
    }

    public Errno Allocate(InodeNumber inode, long offset, long length, AllocateMode mode, in ContentChange change) =>
        _inner.Allocate(inode, offset, length, mode, change);

    public void Destroy(InodeNumber inode) => _inner.Destroy(inode);

    public void Sync()
    {
        _inner.Sync();
        _sizes.Clear();
    }

    /// <summary>fdatasync without the sizes that writes have changed since the last full sync.</summary>
    public void SyncData()
    {
        var now = new Dictionary<InodeNumber, long>();
        foreach ((InodeNumber inode, long old) in _sizes)
        {
            long size = SizeOf(inode);
            if (size > old)
            {
                now.Add(inode, size);
                SetSize(inode, old, null);
            }
        }

        _inner.Sync();
        foreach ((InodeNumber inode, long size) in now)
        {
            SetSize(inode, size, null);
        }
    }

    /// <summary>Ends a transaction in the middle of an operation, durably, and goes on in another.</summary>
    internal CatalogOperation Split(CatalogOperation operation)
    {
        operation.Complete();
        operation.Dispose();
        _volume.Commit();
        Errno error = _inner.BeginRemoval(8, out CatalogOperation next);
        return error == Errno.OK ? next : throw new InvalidOperationException($"the second transaction was refused: {error}");
    }

    private Errno Wrapped(Errno error, ref CatalogOperation operation)
    {
        if (error == Errno.OK && _defect is UpperDefect.RenameInTwoTransactions or UpperDefect.LinkCountInNextTransaction)
        {
            operation = new DefectiveOperation(operation, this, _defect);
        }

        return error;
    }

    private long SizeOf(InodeNumber inode)
    {
        using CatalogReadScope scope = _inner.EnterRead();
        return _inner.TryGetInode(inode, out InodeRecord record) ? record.Size : 0;
    }

    private void SetSize(InodeNumber inode, long size, Timestamp? time)
    {
        if (_inner.BeginRemoval(1, out CatalogOperation operation) != Errno.OK)
        {
            return;
        }

        using (operation)
        {
            if (_inner.TryGetInode(inode, out InodeRecord record))
            {
                record.Size = size;
                record.Mtime = time ?? record.Mtime;
                record.Ctime = time ?? record.Ctime;
                operation.PutInode(inode, record);
                operation.Complete();
            }
        }
    }
}
