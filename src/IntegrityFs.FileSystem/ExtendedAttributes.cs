// Promise: an attribute and the inode's change time, and for an access ACL also its mode, change in one operation. An ACL
// that says no more than the mode is not kept, so that mode and ACL cannot disagree.
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>getxattr(2), setxattr(2), listxattr(2), removexattr(2).</summary>
internal sealed class ExtendedAttributes(FileSystemContext context)
{
    private readonly ICatalog _catalog = context.Catalog;

    public Errno Get(InodeNumber inode, ReadOnlySpan<byte> name, Span<byte> value, out int length)
    {
        length = 0;
        Errno error = XattrNames.Check(name);
        if (error != Errno.OK)
        {
            return error;
        }

        using CatalogReadScope scope = _catalog.EnterRead();
        return _catalog.GetXattr(inode, name, value, out length);
    }

    public Errno List(InodeNumber inode, Span<byte> names, out int length)
    {
        using CatalogReadScope scope = _catalog.EnterRead();
        return _catalog.ListXattr(inode, names, out length);
    }

    public Errno Set(InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrMode mode, bool killSetGid)
    {
        Errno error = XattrNames.Check(name);
        if (error != Errno.OK)
        {
            return error;
        }

        if (mode is not (XattrMode.Any or XattrMode.Create or XattrMode.Replace))
        {
            return Errno.EINVAL;
        }

        if (value.Length > XattrNames.MaxValueLength)
        {
            return Errno.E2BIG;
        }

        bool isAcl = XattrNames.IsAccessAcl(name) || XattrNames.IsDefaultAcl(name);
        error = isAcl ? AccessControlList.Validate(value) : Errno.OK;
        return error == Errno.OK ? Change(new Request(mode, killSetGid, isAcl, Removes: false), inode, name, value) : error;
    }

    public Errno Remove(InodeNumber inode, ReadOnlySpan<byte> name)
    {
        Errno error = XattrNames.Check(name);
        bool isAcl = XattrNames.IsAccessAcl(name) || XattrNames.IsDefaultAcl(name);
        return error == Errno.OK ? Change(new Request(XattrMode.Any, false, isAcl, Removes: true), inode, name, default) : error;
    }

    /// <summary>Reserves for the new and, once it is known, for the old value.</summary>
    private Errno Change(in Request request, InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        int reserved = value.Length;
        while (true)
        {
            int changes = 1 + XattrNames.ChangesFor(reserved);
            Errno error = request.Removes
                ? _catalog.BeginRemoval(changes, out CatalogOperation operation)
                : _catalog.BeginWrite(changes, out operation);
            if (error != Errno.OK)
            {
                return error;
            }

            using (operation)
            {
                error = Apply(operation, request, inode, name, value, ref reserved);
            }

            if (error != Errno.EAGAIN)
            {
                return error;
            }
        }
    }

    private Errno Apply(CatalogOperation operation, in Request request, InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, ref int reserved)
    {
        if (!_catalog.TryGetInode(inode, out InodeRecord record))
        {
            return Errno.ENOENT;
        }

        Errno error = _catalog.GetXattr(inode, name, default, out int length);
        bool exists = error == Errno.OK;
        if (error is not (Errno.OK or Errno.ENODATA))
        {
            return error;
        }

        if (exists && length > reserved)
        {
            reserved = length;
            return Errno.EAGAIN;
        }

        error = request.Removes && exists ? Errno.OK : XattrNames.CheckCarrier(name, record.Mode);
        if (error != Errno.OK)
        {
            return error;
        }

        error = request.IsAcl
            ? ChangeAcl(operation, request, inode, ref record, name, value, exists)
            : ChangePlain(operation, request, inode, name, value, exists);
        if (error == Errno.OK)
        {
            record.Ctime = context.Now();
            operation.PutInode(inode, record);
            operation.Complete();
        }

        return error;
    }

    private static Errno ChangePlain(CatalogOperation operation, in Request request, InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, bool exists)
    {
        if (request.Removes)
        {
            return operation.RemoveXattr(inode, name);
        }

        if (request.Mode == XattrMode.Create && exists)
        {
            return Errno.EEXIST;
        }

        return request.Mode == XattrMode.Replace && !exists ? Errno.ENODATA : operation.PutXattr(inode, name, value);
    }

    /// <summary>Removing an ACL that is not there succeeds, as it does on the kernel's own file systems.</summary>
    private static Errno ChangeAcl(CatalogOperation operation, in Request request, InodeNumber inode, ref InodeRecord record, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, bool exists)
    {
        bool keep = !request.Removes && !AccessControlList.IsEmpty(value);
        if (keep && XattrNames.IsAccessAcl(name))
        {
            record.Mode = (record.Mode & ~ModeBits.AccessMask) | AccessControlList.ModeOf(value, out bool equivalent);
            record.Mode &= request.KillSetGid ? ~ModeBits.SetGroupId : uint.MaxValue;
            keep = !equivalent;
        }

        if (keep)
        {
            return operation.PutXattr(inode, name, value);
        }

        return exists ? operation.RemoveXattr(inode, name) : Errno.OK;
    }

    /// <summary>What is to be done to the value.</summary>
    private readonly record struct Request(XattrMode Mode, bool KillSetGid, bool IsAcl, bool Removes);
}
