// Promise: attributes change in one operation. Only a new size is an operation of its own (freeing content may take several
// transactions), and it comes first and brings along what it can: times that are equal, and the loss of privileges.
// chmod keeps an access ACL and the mode in step, in the same operation.
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>chmod(2), chown(2), truncate(2), utimensat(2).</summary>
internal sealed class AttributeChanges(FileSystemContext context)
{
    private const uint NanosecondsPerSecond = 1_000_000_000;
    private const AttributeMask Owners = AttributeMask.Uid | AttributeMask.Gid;

    private readonly ICatalog _catalog = context.Catalog;

    public Errno Set(InodeNumber inode, in AttributeChange change, out Attributes attributes)
    {
        attributes = default;
        AttributeMask rest = change.Mask;
        Errno error = CheckTimes(change);
        if (error == Errno.OK && (rest & AttributeMask.Size) != 0)
        {
            error = SetSize(inode, change, ref rest);
        }

        if (error == Errno.OK && rest != AttributeMask.None)
        {
            return SetRest(inode, change, rest, out attributes);
        }

        return error == Errno.OK ? context.GetAttributes(inode, out attributes) : error;
    }

    /// <summary>truncate(2) on a regular file; EISDIR, EINVAL, EFBIG.</summary>
    public Errno Truncate(InodeNumber inode, long size, bool killPrivileges, Timestamp time)
    {
        InodeRecord record;
        using (_catalog.EnterRead())
        {
            if (!_catalog.TryGetInode(inode, out record))
            {
                return Errno.ENOENT;
            }
        }

        if (!ModeBits.IsRegular(record.Mode))
        {
            return ModeBits.IsDirectory(record.Mode) ? Errno.EISDIR : Errno.EINVAL;
        }

        if (size < 0)
        {
            return Errno.EINVAL;
        }

        if (size > _catalog.MaxFileSize)
        {
            return Errno.EFBIG;
        }

        uint clear = killPrivileges ? ModeBits.PrivilegesOf(record.Mode) : 0;
        return _catalog.Truncate(inode, size, new ContentChange(time, clear, killPrivileges));
    }

    private static Errno CheckTimes(in AttributeChange change)
    {
        bool bad = ((change.Mask & AttributeMask.Atime) != 0 && change.Atime.Nanoseconds >= NanosecondsPerSecond)
            || ((change.Mask & AttributeMask.Mtime) != 0 && change.Mtime.Nanoseconds >= NanosecondsPerSecond)
            || ((change.Mask & AttributeMask.Ctime) != 0 && change.Ctime.Nanoseconds >= NanosecondsPerSecond);
        return bad ? Errno.EINVAL : Errno.OK;
    }

    private Errno SetSize(InodeNumber inode, in AttributeChange change, ref AttributeMask rest)
    {
        Timestamp time = context.Now();
        rest &= ~(AttributeMask.Size | AttributeMask.MtimeNow);
        const AttributeMask Both = AttributeMask.Mtime | AttributeMask.Ctime;
        if ((rest & Both) == Both && change.Mtime == change.Ctime)
        {
            time = change.Mtime;
            rest &= ~Both;
        }

        bool kill = (rest & AttributeMask.KillPrivileges) != 0;
        rest &= ~AttributeMask.KillPrivileges;
        return Truncate(inode, change.Size, kill, time);
    }

    private Errno SetRest(InodeNumber inode, in AttributeChange change, AttributeMask mask, out Attributes attributes)
    {
        attributes = default;
        int aclLength = 0;
        while (true)
        {
            int changes = 3 + (aclLength == 0 ? 0 : XattrNames.ChangesFor(aclLength));
            Errno error = _catalog.BeginRemoval(changes, out CatalogOperation operation);
            if (error != Errno.OK)
            {
                return error;
            }

            using (operation)
            {
                error = Apply(operation, inode, change, mask, ref aclLength, out attributes);
            }

            if (error != Errno.EAGAIN)
            {
                return error;
            }
        }
    }

    private Errno Apply(CatalogOperation operation, InodeNumber inode, in AttributeChange change, AttributeMask mask, ref int aclLength, out Attributes attributes)
    {
        attributes = default;
        if (!_catalog.TryGetInode(inode, out InodeRecord record))
        {
            return Errno.ENOENT;
        }

        bool setsMode = (mask & AttributeMask.Mode) != 0;
        if (setsMode && ModeBits.IsSymbolicLink(record.Mode))
        {
            return Errno.EOPNOTSUPP;
        }

        bool kill = (mask & (AttributeMask.KillPrivileges | Owners)) != 0 && !ModeBits.IsDirectory(record.Mode);
        if (kill)
        {
            record.Mode &= ~ModeBits.PrivilegesOf(record.Mode);
            Errno error = operation.RemoveXattr(inode, XattrNames.Capability);
            if (error is not (Errno.OK or Errno.ENODATA))
            {
                return error;
            }
        }

        if (setsMode)
        {
            record.Mode = (record.Mode & ModeBits.TypeMask) | (change.Mode & ModeBits.PermissionMask);
            Errno error = FollowMode(operation, inode, record.Mode, ref aclLength);
            if (error != Errno.OK)
            {
                return error;
            }
        }

        record.Uid = (mask & AttributeMask.Uid) != 0 ? change.Uid : record.Uid;
        record.Gid = (mask & AttributeMask.Gid) != 0 ? change.Gid : record.Gid;
        SetTimes(ref record, change, mask);
        operation.PutInode(inode, record);
        operation.Complete();
        context.Fill(inode, record, out attributes);
        return Errno.OK;
    }

    /// <summary>Access and modification time as asked for; the change time is now, unless it is given.</summary>
    private void SetTimes(ref InodeRecord record, in AttributeChange change, AttributeMask mask)
    {
        Timestamp now = context.Now();
        if ((mask & (AttributeMask.Atime | AttributeMask.AtimeNow)) != 0)
        {
            record.Atime = (mask & AttributeMask.AtimeNow) != 0 ? now : change.Atime;
        }

        if ((mask & (AttributeMask.Mtime | AttributeMask.MtimeNow)) != 0)
        {
            record.Mtime = (mask & AttributeMask.MtimeNow) != 0 ? now : change.Mtime;
        }

        record.Ctime = (mask & AttributeMask.Ctime) != 0 ? change.Ctime : now;
    }

    /// <summary>The access ACL, where there is one, follows a new mode; EAGAIN where more must be reserved for it.</summary>
    private Errno FollowMode(CatalogOperation operation, InodeNumber inode, uint mode, ref int aclLength)
    {
        Errno error = _catalog.GetXattr(inode, AccessControlList.AccessName, default, out int length);
        if (error == Errno.ENODATA)
        {
            return Errno.OK;
        }

        if (error != Errno.OK)
        {
            return error;
        }

        if (length > aclLength)
        {
            aclLength = length;
            return Errno.EAGAIN;
        }

        Span<byte> buffer = stackalloc byte[AccessControlList.MaxLength];
        error = _catalog.GetXattr(inode, AccessControlList.AccessName, buffer, out length);
        Span<byte> acl = buffer[..(error == Errno.OK ? length : 0)];
        if (AccessControlList.IsEmpty(acl) || AccessControlList.Validate(acl) != Errno.OK)
        {
            throw new CorruptFormatException($"The access ACL of inode {inode} is malformed.");
        }

        AccessControlList.ApplyMode(acl, mode);
        return operation.PutXattr(inode, AccessControlList.AccessName, acl);
    }
}
