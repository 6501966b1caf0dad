// Promise: as PosixFileSystem.cs says; the requests about names and attributes.
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <content>Requests about names and attributes.</content>
public sealed partial class PosixFileSystem
{
    /// <inheritdoc/>
    public Errno Lookup(InodeNumber parent, ReadOnlySpan<byte> name, out Attributes attributes)
    {
        attributes = default;
        try
        {
            return _lookups.Lookup(parent, name, out attributes);
        }
        catch (Exception error)
        {
            attributes = default;
            return _faults.Report(error, parent);
        }
    }

    /// <inheritdoc/>
    public Errno GetAttributes(InodeNumber inode, out Attributes attributes)
    {
        attributes = default;
        try
        {
            return _context.GetAttributes(inode, out attributes);
        }
        catch (Exception error)
        {
            attributes = default;
            return _faults.Report(error, inode);
        }
    }

    /// <inheritdoc/>
    public Errno SetAttributes(in Caller caller, InodeNumber inode, in AttributeChange change, out Attributes attributes)
    {
        attributes = default;
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _attributeChanges.Set(inode, change, out attributes);
        }
        catch (Exception error)
        {
            attributes = default;
            return _faults.ReportChange(error, inode);
        }
    }

    /// <inheritdoc/>
    public Errno ReadLink(InodeNumber inode, Span<byte> target, out int length)
    {
        length = default;
        try
        {
            return _lookups.ReadLink(inode, target, out length);
        }
        catch (Exception error)
        {
            length = default;
            return _faults.Report(error, inode);
        }
    }

    /// <inheritdoc/>
    public Errno Symlink(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, IInitialXattrs? xattrs, out Attributes attributes)
    {
        attributes = default;
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _creation.MakeSymlink(caller, parent, name, target, xattrs, out attributes);
        }
        catch (Exception error)
        {
            attributes = default;
            return _faults.ReportChange(error, parent);
        }
    }

    /// <inheritdoc/>
    public Errno MakeNode(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, uint rdev, IInitialXattrs? xattrs, out Attributes attributes)
    {
        attributes = default;
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _creation.MakeNode(new NewNode(caller, mode, rdev), parent, name, xattrs, out attributes);
        }
        catch (Exception error)
        {
            attributes = default;
            return _faults.ReportChange(error, parent);
        }
    }

    /// <inheritdoc/>
    public Errno MakeDirectory(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, IInitialXattrs? xattrs, out Attributes attributes)
    {
        attributes = default;
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _creation.MakeDirectory(caller, mode, parent, name, xattrs, out attributes);
        }
        catch (Exception error)
        {
            attributes = default;
            return _faults.ReportChange(error, parent);
        }
    }

    /// <inheritdoc/>
    public Errno Unlink(InodeNumber parent, ReadOnlySpan<byte> name)
    {
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _linking.Unlink(parent, name);
        }
        catch (Exception error)
        {
            return _faults.ReportChange(error, parent);
        }
    }

    /// <inheritdoc/>
    public Errno RemoveDirectory(InodeNumber parent, ReadOnlySpan<byte> name)
    {
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _linking.RemoveDirectory(parent, name);
        }
        catch (Exception error)
        {
            return _faults.ReportChange(error, parent);
        }
    }

    /// <inheritdoc/>
    public Errno Rename(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, InodeNumber newParent, ReadOnlySpan<byte> newName, RenameMode mode)
    {
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _renaming.Rename(caller, parent, name, newParent, newName, mode);
        }
        catch (Exception error)
        {
            return _faults.ReportChange(error, parent);
        }
    }

    /// <inheritdoc/>
    public Errno Link(InodeNumber inode, InodeNumber newParent, ReadOnlySpan<byte> newName, out Attributes attributes)
    {
        attributes = default;
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _linking.Link(inode, newParent, newName, out attributes);
        }
        catch (Exception error)
        {
            attributes = default;
            return _faults.ReportChange(error, inode);
        }
    }

    /// <inheritdoc/>
    public Errno ReadDirectory(InodeNumber directory, ulong cookie, bool withAttributes, IDirectorySink sink)
    {
        try
        {
            Errno answer = _listing.List(directory, cookie, withAttributes, sink, out Exception? failure, out InodeNumber failed);
            if (failure is not null)
            {
                _faults.Report(failure, failed);
            }

            return answer;
        }
        catch (Exception error)
        {
            return _faults.Report(error, directory);
        }
    }

    /// <inheritdoc/>
    public Errno GetXattr(InodeNumber inode, ReadOnlySpan<byte> name, Span<byte> value, out int length)
    {
        length = default;
        try
        {
            return _xattrs.Get(inode, name, value, out length);
        }
        catch (Exception error)
        {
            length = default;
            return _faults.Report(error, inode);
        }
    }

    /// <inheritdoc/>
    public Errno SetXattr(InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrMode mode, bool killSetGid)
    {
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _xattrs.Set(inode, name, value, mode, killSetGid);
        }
        catch (Exception error)
        {
            return _faults.ReportChange(error, inode);
        }
    }

    /// <inheritdoc/>
    public Errno ListXattr(InodeNumber inode, Span<byte> names, out int length)
    {
        length = default;
        try
        {
            return _xattrs.List(inode, names, out length);
        }
        catch (Exception error)
        {
            length = default;
            return _faults.Report(error, inode);
        }
    }

    /// <inheritdoc/>
    public Errno RemoveXattr(InodeNumber inode, ReadOnlySpan<byte> name)
    {
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        try
        {
            return _xattrs.Remove(inode, name);
        }
        catch (Exception error)
        {
            return _faults.ReportChange(error, inode);
        }
    }
}
