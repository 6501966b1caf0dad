// Promise: the operation below, cut in two at the place that the defect names.
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>An operation of the catalog that is not atomic.</summary>
internal sealed class DefectiveOperation(CatalogOperation inner, DefectiveCatalog catalog, UpperDefect defect) : CatalogOperation
{
    private readonly List<(InodeNumber Inode, InodeRecord Record)> _later = [];
    private readonly List<InodeNumber> _orphans = [];
    private readonly HashSet<InodeNumber> _born = [];
    private CatalogOperation _inner = inner;
    private bool _named;

    private bool PutsCountsLater => defect == UpperDefect.LinkCountInNextTransaction;

    public override InodeNumber NewInode()
    {
        InodeNumber inode = _inner.NewInode();
        _born.Add(inode);
        return inode;
    }

    public override void PutInode(InodeNumber inode, in InodeRecord record)
    {
        bool isDirectory = (record.Mode & 0xF000) == FileTypes.Directory;
        if (PutsCountsLater && _named && !isDirectory && !_born.Contains(inode))
        {
            _later.Add((inode, record));
        }
        else
        {
            _inner.PutInode(inode, record);
        }
    }

    public override Errno AddDentry(InodeNumber directory, ReadOnlySpan<byte> name, Dentry entry)
    {
        _named = true;
        return _inner.AddDentry(directory, name, entry);
    }

    public override Errno ReplaceDentry(InodeNumber directory, ReadOnlySpan<byte> name, Dentry entry)
    {
        _named = true;
        return _inner.ReplaceDentry(directory, name, entry);
    }

    public override Errno RemoveDentry(InodeNumber directory, ReadOnlySpan<byte> name)
    {
        if (_named && defect == UpperDefect.RenameInTwoTransactions)
        {
            _inner = catalog.Split(_inner);
        }

        _named = true;
        return _inner.RemoveDentry(directory, name);
    }

    public override void PutSymlink(InodeNumber inode, ReadOnlySpan<byte> target) => _inner.PutSymlink(inode, target);

    public override Errno PutXattr(InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) => _inner.PutXattr(inode, name, value);

    public override Errno RemoveXattr(InodeNumber inode, ReadOnlySpan<byte> name) => _inner.RemoveXattr(inode, name);

    public override void AddOrphan(InodeNumber inode)
    {
        if (PutsCountsLater && _named)
        {
            _orphans.Add(inode);
        }
        else
        {
            _inner.AddOrphan(inode);
        }
    }

    public override void RemoveOrphan(InodeNumber inode) => _inner.RemoveOrphan(inode);

    public override void Complete()
    {
        if (_later.Count > 0 || _orphans.Count > 0)
        {
            _inner = catalog.Split(_inner);
            _later.ForEach(item => _inner.PutInode(item.Inode, item.Record));
            _orphans.ForEach(_inner.AddOrphan);
        }

        _inner.Complete();
    }

    public override void Dispose() => _inner.Dispose();
}
