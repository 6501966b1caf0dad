// Promise: a new inode appears whole or not at all: number, record, target, labels, inherited ACLs, name, and the parent's
// link count, size and times are one operation. A temporary file gets its orphan record in the place of a name. The answer's
// lookup is counted inside it, so nobody who finds the inode can take it away before the answer.
//
// The default ACL of the parent is of unknown length before the operation starts, but the operation must reserve for it:
// it starts with none and is repeated with more where one is found (Errno.EAGAIN inside, never outside).
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>What a new inode is to be.</summary>
internal readonly record struct NewNode(Caller Caller, uint Mode, uint Rdev);

/// <summary>create, mknod, mkdir, symlink and O_TMPFILE.</summary>
internal sealed class NodeCreation(FileSystemContext context)
{
    private const int MaxTargetLength = 4095;

    /// <summary>Inode, name, parent, orphan, and one for the number.</summary>
    private const int BasicChanges = 5;

    private readonly ICatalog _catalog = context.Catalog;

    public Errno MakeNode(in NewNode node, InodeNumber parent, ReadOnlySpan<byte> name, IInitialXattrs? xattrs, out Attributes attributes)
    {
        attributes = default;
        uint type = node.Mode & ModeBits.TypeMask;
        if (type == ModeBits.Directory)
        {
            return Errno.EPERM;
        }

        if (type is not (0 or ModeBits.Regular or ModeBits.CharacterDevice or ModeBits.BlockDevice or ModeBits.Fifo or ModeBits.Socket))
        {
            return Errno.EINVAL;
        }

        bool device = type is ModeBits.CharacterDevice or ModeBits.BlockDevice;
        NewNode made = node with
        {
            Mode = (node.Mode & ModeBits.PermissionMask) | (type == 0 ? ModeBits.Regular : type),
            Rdev = device ? node.Rdev : 0,
        };
        return MakeNamed(made, parent, name, default, xattrs, out attributes);
    }

    public Errno MakeRegular(in Caller caller, uint permissions, InodeNumber parent, ReadOnlySpan<byte> name, IInitialXattrs? xattrs, out Attributes attributes) =>
        MakeNamed(new NewNode(caller, ModeBits.Regular | (permissions & ModeBits.PermissionMask), 0), parent, name, default, xattrs, out attributes);

    public Errno MakeDirectory(in Caller caller, uint permissions, InodeNumber parent, ReadOnlySpan<byte> name, IInitialXattrs? xattrs, out Attributes attributes)
    {
        uint mode = ModeBits.Directory | (permissions & (ModeBits.AccessMask | ModeBits.Sticky));
        return MakeNamed(new NewNode(caller, mode, 0), parent, name, default, xattrs, out attributes);
    }

    public Errno MakeSymlink(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, IInitialXattrs? xattrs, out Attributes attributes)
    {
        attributes = default;
        if (target.IsEmpty)
        {
            return Errno.ENOENT;
        }

        if (target.Length > MaxTargetLength)
        {
            return Errno.ENAMETOOLONG;
        }

        if (target.Contains((byte)0))
        {
            return Errno.EINVAL;
        }

        NewNode node = new(caller, ModeBits.SymbolicLink | ModeBits.AccessMask, 0);
        return MakeNamed(node, parent, name, target, xattrs, out attributes);
    }

    /// <summary>A regular file without a name.</summary>
    public Errno MakeTemporary(in Caller caller, uint permissions, InodeNumber parent, IInitialXattrs? xattrs, out Attributes attributes) =>
        Make(new NewNode(caller, ModeBits.Regular | (permissions & ModeBits.PermissionMask), 0), parent, default, default, xattrs, out attributes);

    private Errno MakeNamed(in NewNode node, InodeNumber parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, IInitialXattrs? xattrs, out Attributes attributes)
    {
        Errno error = NameRules.CheckEntry(name, Errno.EEXIST, Errno.EEXIST);
        if (error != Errno.OK)
        {
            attributes = default;
            return error;
        }

        return Make(node, parent, name, target, xattrs, out attributes);
    }

    private Errno Make(in NewNode node, InodeNumber parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, IInitialXattrs? xattrs, out Attributes attributes)
    {
        attributes = default;
        Errno error = CheckXattrs(xattrs, node.Mode, out int xattrChanges);
        int aclLength = 0;
        while (error == Errno.OK)
        {
            int changes = BasicChanges + xattrChanges
                + (target.IsEmpty ? 0 : XattrNames.ChangesFor(target.Length))
                + (aclLength == 0 ? 0 : 1 + (2 * XattrNames.ChangesFor(aclLength)));
            error = _catalog.BeginWrite(changes, out CatalogOperation operation);
            if (error != Errno.OK)
            {
                break;
            }

            using (operation)
            {
                error = Apply(operation, node, parent, name, target, xattrs, ref aclLength, out attributes);
            }

            if (error != Errno.EAGAIN)
            {
                break;
            }

            error = Errno.OK;
        }

        return error;
    }

    private Errno Apply(
        CatalogOperation operation, in NewNode node, InodeNumber parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target,
        IInitialXattrs? xattrs, ref int aclLength, out Attributes attributes)
    {
        attributes = default;
        bool isDirectory = ModeBits.IsDirectory(node.Mode);
        Errno error = context.GetLiveDirectory(parent, out InodeRecord directory);
        if (error != Errno.OK)
        {
            return error;
        }

        if (isDirectory && directory.Links >= FileSystemContext.MaxLinks)
        {
            return Errno.EMLINK;
        }

        InodeNumber inode = operation.NewInode();
        Timestamp now = context.Now();
        InodeRecord record = NewRecord(node, parent, directory, now);
        record.Size = target.Length;
        error = Inherit(operation, node, parent, inode, ref record, ref aclLength);
        if (error != Errno.OK)
        {
            return error;
        }

        if (name.IsEmpty)
        {
            record.Links = 0;
            operation.AddOrphan(inode);
        }
        else
        {
            error = operation.AddDentry(parent, name, new Dentry(inode, ModeBits.DirectoryType(record.Mode)));
            if (error != Errno.OK)
            {
                return error;
            }

            directory.Size++;
            directory.Links += isDirectory ? 1u : 0u;
            directory.Mtime = directory.Ctime = now;
            operation.PutInode(parent, directory);
        }

        operation.PutInode(inode, record);
        if (!target.IsEmpty)
        {
            operation.PutSymlink(inode, target);
        }

        error = PutXattrs(operation, inode, xattrs);
        if (error == Errno.OK)
        {
            operation.Complete();
            context.Holds.TryKnow(inode);
            context.Fill(inode, record, out attributes);
        }

        return error;
    }

    /// <summary>Owner, group and set-group-id by the rules of inode(7): a set-group-id directory passes on its group, and
    /// to directories the bit.</summary>
    private static InodeRecord NewRecord(in NewNode node, InodeNumber parent, in InodeRecord directory, Timestamp now)
    {
        bool isDirectory = ModeBits.IsDirectory(node.Mode);
        bool passesGroup = (directory.Mode & ModeBits.SetGroupId) != 0;
        return new InodeRecord
        {
            Mode = node.Mode | (passesGroup && isDirectory ? ModeBits.SetGroupId : 0),
            Uid = node.Caller.Uid,
            Gid = passesGroup ? directory.Gid : node.Caller.Gid,
            Links = isDirectory ? 2u : 1u,
            Rdev = node.Rdev,
            Atime = now,
            Mtime = now,
            Ctime = now,
            Btime = now,
            Parent = parent,
        };
    }

    /// <summary>The default ACL of the parent, or else the umask; EAGAIN where more must be reserved for the ACL.</summary>
    private Errno Inherit(CatalogOperation operation, in NewNode node, InodeNumber parent, InodeNumber inode, ref InodeRecord record, ref int aclLength)
    {
        if (ModeBits.IsSymbolicLink(node.Mode))
        {
            return Errno.OK;
        }

        Errno error = _catalog.GetXattr(parent, AccessControlList.DefaultName, default, out int length);
        if (error == Errno.ENODATA)
        {
            record.Mode &= context.ApplyUmask ? ~(node.Caller.Umask & ModeBits.AccessMask) : uint.MaxValue;
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

        return InheritAcl(operation, parent, inode, ref record);
    }

    private Errno InheritAcl(CatalogOperation operation, InodeNumber parent, InodeNumber inode, ref InodeRecord record)
    {
        Span<byte> buffer = stackalloc byte[AccessControlList.MaxLength];
        Errno error = _catalog.GetXattr(parent, AccessControlList.DefaultName, buffer, out int length);
        Span<byte> acl = buffer[..(error == Errno.OK ? length : 0)];
        if (error != Errno.OK || AccessControlList.IsEmpty(acl) || AccessControlList.Validate(acl) != Errno.OK)
        {
            throw new CorruptFormatException($"The default ACL of directory {parent} is malformed.");
        }

        // An attribute needs its inode; the mode that the ACL leaves is put later.
        operation.PutInode(inode, record);
        if (ModeBits.IsDirectory(record.Mode))
        {
            error = operation.PutXattr(inode, AccessControlList.DefaultName, acl);
        }

        if (error == Errno.OK && AccessControlList.Inherit(acl, ref record.Mode))
        {
            error = operation.PutXattr(inode, AccessControlList.AccessName, acl);
        }

        return error;
    }

    private static Errno CheckXattrs(IInitialXattrs? xattrs, uint mode, out int changes)
    {
        changes = 0;
        for (int i = 0; xattrs is not null && i < xattrs.Count; i++)
        {
            ReadOnlySpan<byte> name = xattrs.Name(i);
            Errno error = XattrNames.Check(name);
            error = error == Errno.OK ? XattrNames.CheckCarrier(name, mode) : error;
            if (error != Errno.OK)
            {
                return error;
            }

            if (XattrNames.IsAccessAcl(name) || XattrNames.IsDefaultAcl(name))
            {
                return Errno.EOPNOTSUPP;
            }

            if (xattrs.Value(i).Length > XattrNames.MaxValueLength)
            {
                return Errno.E2BIG;
            }

            changes += XattrNames.ChangesFor(xattrs.Value(i).Length);
        }

        return Errno.OK;
    }

    private static Errno PutXattrs(CatalogOperation operation, InodeNumber inode, IInitialXattrs? xattrs)
    {
        Errno error = Errno.OK;
        for (int i = 0; xattrs is not null && i < xattrs.Count && error == Errno.OK; i++)
        {
            error = operation.PutXattr(inode, xattrs.Name(i), xattrs.Value(i));
        }

        return error;
    }
}
