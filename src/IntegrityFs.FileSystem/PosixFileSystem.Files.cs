// Promise: as PosixFileSystem.cs says; the requests about open files and content.
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <content>Requests about open files and content.</content>
public sealed partial class PosixFileSystem
{
    /// <inheritdoc/>
    public Errno Open(in Caller caller, InodeNumber inode, OpenMode mode, out ulong handle)
    {
        handle = 0;
        if (IsReadOnly && (mode & (OpenMode.Write | OpenMode.Truncate)) != 0)
        {
            return Errno.EROFS;
        }

        try
        {
            Errno answer = _content.Open(inode, mode, out FileHandle opened);
            handle = answer == Errno.OK ? opened.Value : 0;
            return answer;
        }
        catch (Exception error)
        {
            return _faults.Report(error, inode);
        }
    }

    /// <inheritdoc/>
    public Errno Create(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle)
    {
        handle = 0;
        attributes = default;
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _opening.Create(caller, parent, name, permissions, open, xattrs, out attributes, out handle);
        }
        catch (Exception error)
        {
            attributes = default;
            handle = 0;
            return _faults.ReportChange(error, parent);
        }
    }

    /// <inheritdoc/>
    public Errno CreateTemporary(in Caller caller, InodeNumber parent, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle)
    {
        handle = 0;
        attributes = default;
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _opening.CreateTemporary(caller, parent, permissions, open, xattrs, out attributes, out handle);
        }
        catch (Exception error)
        {
            attributes = default;
            handle = 0;
            return _faults.ReportChange(error, parent);
        }
    }

    /// <inheritdoc/>
    public Errno Read(ulong handle, InodeNumber inode, long offset, Span<byte> buffer, out int read)
    {
        read = default;
        try
        {
            return _content.Read(new FileHandle(handle), inode, offset, buffer, out read);
        }
        catch (Exception error)
        {
            read = default;
            return _faults.Report(error, inode, offset);
        }
    }

    /// <inheritdoc/>
    public IReadQueue? TryOpenReadQueue(int capacity) =>
        _catalog.TryOpenReadQueue(capacity) is { } queue ? new QueuedReads(_catalog, queue) : null;

    /// <inheritdoc/>
    public Errno Write(ulong handle, InodeNumber inode, long offset, ReadOnlySpan<byte> data, bool killPrivileges, out int written)
    {
        written = default;
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _content.Write(new FileHandle(handle), inode, offset, data, killPrivileges, out written);
        }
        catch (Exception error)
        {
            written = default;
            return _faults.ReportChange(error, inode, offset);
        }
    }

    /// <inheritdoc/>
    public Errno Flush(ulong handle, InodeNumber inode) => new FileHandle(handle).IsFor(inode) ? Errno.OK : Errno.EBADF;

    /// <inheritdoc/>
    public Errno Release(ulong handle, InodeNumber inode) =>
        new FileHandle(handle).IsFor(inode) && _orphans.Close(inode) ? Errno.OK : Errno.EBADF;

    /// <inheritdoc/>
    public Errno Fallocate(ulong handle, InodeNumber inode, long offset, long length, FallocateMode mode)
    {
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _content.Fallocate(new FileHandle(handle), inode, offset, length, mode);
        }
        catch (Exception error)
        {
            return _faults.ReportChange(error, inode, offset);
        }
    }

    /// <inheritdoc/>
    public Errno Seek(InodeNumber inode, long offset, bool hole, out long result)
    {
        result = default;
        try
        {
            return _content.Seek(inode, offset, hole, out result);
        }
        catch (Exception error)
        {
            result = default;
            return _faults.Report(error, inode, offset);
        }
    }

    /// <inheritdoc/>
    public Errno CopyRange(InodeNumber source, long sourceOffset, InodeNumber target, long targetOffset, long length, out long copied)
    {
        copied = default;
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _rangeCopy.Copy(source, sourceOffset, target, targetOffset, length, out copied);
        }
        catch (Exception error)
        {
            copied = default;
            return _faults.ReportChange(error, source, sourceOffset);
        }
    }
}
