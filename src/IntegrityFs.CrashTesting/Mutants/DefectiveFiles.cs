// Promise: the file system below, but for a synchronisation that does less than it says.
using IntegrityFs.Catalog;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>A file system whose fsync is defective.</summary>
internal sealed class DefectiveFiles : IFileSystem
{
    private readonly IFileSystem _inner;
    private readonly ICatalog _catalog;
    private readonly UpperDefect _defect;

    private DefectiveFiles(IFileSystem inner, ICatalog catalog, UpperDefect defect)
    {
        _inner = inner;
        _catalog = catalog;
        _defect = defect;
    }

    public static IFileSystem Wrap(IFileSystem files, ICatalog catalog, UpperDefect defect) =>
        defect is UpperDefect.DirectorySyncDoesNothing or UpperDefect.DataSyncDropsSize ? new DefectiveFiles(files, catalog, defect) : files;

    public Errno Sync(InodeNumber inode, bool dataOnly)
    {
        if (dataOnly && _defect == UpperDefect.DataSyncDropsSize && _catalog is DefectiveCatalog catalog)
        {
            catalog.SyncData();
            return Errno.OK;
        }

        return _inner.Sync(inode, dataOnly);
    }

    public Errno SyncDirectory(InodeNumber inode, bool dataOnly) =>
        _defect == UpperDefect.DirectorySyncDoesNothing ? Errno.OK : _inner.SyncDirectory(inode, dataOnly);

    public Errno SyncFileSystem() => _inner.SyncFileSystem();

    public Errno Lookup(InodeNumber parent, ReadOnlySpan<byte> name, out Attributes attributes) => _inner.Lookup(parent, name, out attributes);

    public void Forget(InodeNumber inode, ulong count) => _inner.Forget(inode, count);

    public Errno GetAttributes(InodeNumber inode, out Attributes attributes) => _inner.GetAttributes(inode, out attributes);

    public Errno SetAttributes(in Caller caller, InodeNumber inode, in AttributeChange change, out Attributes attributes) =>
        _inner.SetAttributes(caller, inode, change, out attributes);

    public Errno ReadLink(InodeNumber inode, Span<byte> target, out int length) => _inner.ReadLink(inode, target, out length);

    public Errno Symlink(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, IInitialXattrs? xattrs, out Attributes attributes) =>
        _inner.Symlink(caller, parent, name, target, xattrs, out attributes);

    public Errno MakeNode(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, uint rdev, IInitialXattrs? xattrs, out Attributes attributes) =>
        _inner.MakeNode(caller, parent, name, mode, rdev, xattrs, out attributes);

    public Errno MakeDirectory(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, IInitialXattrs? xattrs, out Attributes attributes) =>
        _inner.MakeDirectory(caller, parent, name, mode, xattrs, out attributes);

    public Errno Unlink(InodeNumber parent, ReadOnlySpan<byte> name) => _inner.Unlink(parent, name);

    public Errno RemoveDirectory(InodeNumber parent, ReadOnlySpan<byte> name) => _inner.RemoveDirectory(parent, name);

    public Errno Rename(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, InodeNumber newParent, ReadOnlySpan<byte> newName, RenameMode mode) =>
        _inner.Rename(caller, parent, name, newParent, newName, mode);

    public Errno Link(InodeNumber inode, InodeNumber newParent, ReadOnlySpan<byte> newName, out Attributes attributes) =>
        _inner.Link(inode, newParent, newName, out attributes);

    public Errno Open(in Caller caller, InodeNumber inode, OpenMode mode, out ulong handle) => _inner.Open(caller, inode, mode, out handle);

    public Errno Create(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle) =>
        _inner.Create(caller, parent, name, permissions, open, xattrs, out attributes, out handle);

    public Errno CreateTemporary(in Caller caller, InodeNumber parent, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle) =>
        _inner.CreateTemporary(caller, parent, permissions, open, xattrs, out attributes, out handle);

    public Errno Read(ulong handle, InodeNumber inode, long offset, Span<byte> buffer, out int read) =>
        _inner.Read(handle, inode, offset, buffer, out read);

    public Errno Write(ulong handle, InodeNumber inode, long offset, ReadOnlySpan<byte> data, bool killPrivileges, out int written) =>
        _inner.Write(handle, inode, offset, data, killPrivileges, out written);

    public Errno Flush(ulong handle, InodeNumber inode) => _inner.Flush(handle, inode);

    public Errno Release(ulong handle, InodeNumber inode) => _inner.Release(handle, inode);

    public Errno ReadDirectory(InodeNumber directory, ulong cookie, bool withAttributes, IDirectorySink sink) =>
        _inner.ReadDirectory(directory, cookie, withAttributes, sink);

    public Errno GetStatistics(out FileSystemStatistics statistics) => _inner.GetStatistics(out statistics);

    public Errno GetXattr(InodeNumber inode, ReadOnlySpan<byte> name, Span<byte> value, out int length) =>
        _inner.GetXattr(inode, name, value, out length);

    public Errno SetXattr(InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrMode mode, bool killSetGid) =>
        _inner.SetXattr(inode, name, value, mode, killSetGid);

    public Errno ListXattr(InodeNumber inode, Span<byte> names, out int length) => _inner.ListXattr(inode, names, out length);

    public Errno RemoveXattr(InodeNumber inode, ReadOnlySpan<byte> name) => _inner.RemoveXattr(inode, name);

    public Errno Fallocate(ulong handle, InodeNumber inode, long offset, long length, FallocateMode mode) =>
        _inner.Fallocate(handle, inode, offset, length, mode);

    public Errno Seek(InodeNumber inode, long offset, bool hole, out long result) => _inner.Seek(inode, offset, hole, out result);

    public Errno CopyRange(InodeNumber source, long sourceOffset, InodeNumber target, long targetOffset, long length, out long copied) =>
        _inner.CopyRange(source, sourceOffset, target, targetOffset, length, out copied);

    public void Destroy() => _inner.Destroy();
}
