// Promise: reading and writing allocate nothing. A read does not change the inode: access times are kept as with noatime
// (utimensat(2) sets them), because a policy volume must not be written by being read. A write that fails after some of it
// was done reports the part that was done, as write(2) does.
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>open(2), read(2), write(2), fallocate(2), lseek(2).</summary>
internal sealed class FileContent(FileSystemContext context, AttributeChanges attributeChanges, Orphans orphans)
{
    private readonly ICatalog _catalog = context.Catalog;

    public Errno Open(InodeNumber inode, OpenMode mode, out FileHandle handle)
    {
        handle = default;
        Errno error = CheckRegular(inode, Errno.EINVAL, out _);
        if (error != Errno.OK)
        {
            return error;
        }

        if (!context.Holds.TryOpen(inode))
        {
            return Errno.ENOENT;
        }

        handle = FileHandle.Of(inode, mode);
        if ((mode & OpenMode.Truncate) == 0)
        {
            return Errno.OK;
        }

        bool done = false;
        try
        {
            error = attributeChanges.Truncate(inode, 0, (mode & OpenMode.KillPrivileges) != 0, context.Now());
            done = error == Errno.OK;
        }
        finally
        {
            if (!done)
            {
                orphans.Close(inode);
            }
        }

        return error;
    }

    public Errno Read(FileHandle handle, InodeNumber inode, long offset, Span<byte> buffer, out int read)
    {
        read = 0;
        if (!handle.IsFor(inode))
        {
            return Errno.EBADF;
        }

        if (offset < 0)
        {
            return Errno.EINVAL;
        }

        using CatalogReadScope scope = _catalog.EnterRead();
        if (!_catalog.TryGetInode(inode, out InodeRecord record))
        {
            return Errno.ENOENT;
        }

        if (offset < record.Size && !buffer.IsEmpty)
        {
            read = _catalog.ReadContent(inode, record, offset, buffer);
        }

        return Errno.OK;
    }

    public Errno Write(FileHandle handle, InodeNumber inode, long offset, ReadOnlySpan<byte> data, bool killPrivileges, out int written)
    {
        written = 0;
        Errno error = CheckWrite(handle, inode, offset, ref data);
        if (error != Errno.OK || data.IsEmpty)
        {
            return error;
        }

        uint clear = 0;
        if (killPrivileges)
        {
            error = CheckRegular(inode, Errno.EINVAL, out InodeRecord record);
            if (error != Errno.OK)
            {
                return error;
            }

            clear = ModeBits.PrivilegesOf(record.Mode);
        }

        error = _catalog.WriteContent(inode, offset, data, new ContentChange(context.Now(), clear, killPrivileges), out written);
        if (written == 0 && error != Errno.OK)
        {
            return error;
        }

        if (handle.Has(OpenMode.Synchronous))
        {
            _catalog.Sync();
        }

        return Errno.OK;
    }

    public Errno Fallocate(FileHandle handle, InodeNumber inode, long offset, long length, FallocateMode mode)
    {
        if (!TryTranslate(mode, out AllocateMode allocate))
        {
            return Errno.EOPNOTSUPP;
        }

        if (offset < 0 || length <= 0)
        {
            return Errno.EINVAL;
        }

        if (!handle.IsFor(inode) || !handle.Has(OpenMode.Write))
        {
            return Errno.EBADF;
        }

        if (length > _catalog.MaxFileSize - offset)
        {
            return Errno.EFBIG;
        }

        Errno error = CheckRegular(inode, Errno.ENODEV, out _);
        return error == Errno.OK
            ? _catalog.Allocate(inode, offset, length, allocate, new ContentChange(context.Now(), 0, false))
            : error;
    }

    public Errno Seek(InodeNumber inode, long offset, bool hole, out long result)
    {
        result = 0;
        using CatalogReadScope scope = _catalog.EnterRead();
        if (!_catalog.TryGetInode(inode, out InodeRecord record))
        {
            return Errno.ENOENT;
        }

        if (!ModeBits.IsRegular(record.Mode))
        {
            return Errno.EINVAL;
        }

        return offset < 0 || offset >= record.Size ? Errno.ENXIO : _catalog.SeekContent(inode, record, offset, hole, out result);
    }

    /// <summary>In a scope of its own: a regular file; EISDIR, or <paramref name="otherType"/>.</summary>
    public Errno CheckRegular(InodeNumber inode, Errno otherType, out InodeRecord record)
    {
        using CatalogReadScope scope = _catalog.EnterRead();
        if (!_catalog.TryGetInode(inode, out record))
        {
            return Errno.ENOENT;
        }

        return ModeBits.IsRegular(record.Mode) ? Errno.OK
            : ModeBits.IsDirectory(record.Mode) ? Errno.EISDIR : otherType;
    }

    private static bool TryTranslate(FallocateMode mode, out AllocateMode allocate)
    {
        AllocateMode? known = mode switch
        {
            FallocateMode.None => AllocateMode.Extend,
            FallocateMode.KeepSize => AllocateMode.KeepSize,
            FallocateMode.PunchHole | FallocateMode.KeepSize => AllocateMode.PunchHole,
            FallocateMode.ZeroRange => AllocateMode.ZeroRange,
            FallocateMode.ZeroRange | FallocateMode.KeepSize => AllocateMode.ZeroRangeKeepSize,
            _ => null,
        };
        allocate = known.GetValueOrDefault();
        return known.HasValue;
    }

    /// <summary>Cuts the data at the greatest file size; EFBIG where nothing is left.</summary>
    private Errno CheckWrite(FileHandle handle, InodeNumber inode, long offset, ref ReadOnlySpan<byte> data)
    {
        if (!handle.IsFor(inode) || !handle.Has(OpenMode.Write))
        {
            return Errno.EBADF;
        }

        if (offset < 0)
        {
            return Errno.EINVAL;
        }

        long room = _catalog.MaxFileSize - offset;
        if (data.Length <= room)
        {
            return Errno.OK;
        }

        if (room <= 0)
        {
            return Errno.EFBIG;
        }

        data = data[..(int)room];
        return Errno.OK;
    }
}
