// Names: creation, links, removal, rename.
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

internal sealed partial class ModelFileSystem
{
    private const int MaxName = 255;
    private const uint SetGroupId = 0x400;

    public Errno Symlink(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, IInitialXattrs? xattrs, out Attributes attributes)
    {
        var node = new ModelNode { Inode = 0, Mode = FileTypes.Symlink | 0x1FF, Links = 1, Target = target.ToArray(), Size = target.Length };
        return Add(caller, parent, name, node, xattrs, out attributes);
    }

    public Errno MakeNode(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, uint rdev, IInitialXattrs? xattrs, out Attributes attributes)
    {
        bool device = (mode & 0xF000) is FileTypes.Character or FileTypes.Block;
        var node = new ModelNode { Inode = 0, Mode = mode & ~(caller.Umask & 0x1FF), Links = 1, Rdev = device ? rdev : 0 };
        return Add(caller, parent, name, node, xattrs, out attributes);
    }

    public Errno MakeDirectory(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, IInitialXattrs? xattrs, out Attributes attributes)
    {
        var node = new ModelNode { Inode = 0, Mode = FileTypes.Directory | (mode & 0xFFF & ~caller.Umask), Links = 2 };
        return Add(caller, parent, name, node, xattrs, out attributes);
    }

    public Errno Create(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle)
    {
        handle = 0;
        if (Lookup(parent, name, out attributes) == Errno.OK && (open & OpenMode.Exclusive) == 0)
        {
            return Open(caller, attributes.Inode, open, out handle);
        }

        var node = new ModelNode { Inode = 0, Mode = FileTypes.Regular | (permissions & 0xFFF & ~caller.Umask), Links = 1 };
        Errno error = Add(caller, parent, name, node, xattrs, out attributes);
        handle = error == Errno.OK ? NewHandle(attributes.Inode, open) : 0;
        return error;
    }

    public Errno CreateTemporary(in Caller caller, InodeNumber parent, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle)
    {
        handle = 0;
        attributes = default;
        if (!_state.Nodes.TryGetValue(parent.Value, out ModelNode? directory))
        {
            return Errno.ENOENT;
        }

        if (!directory.IsDirectory)
        {
            return Errno.ENOTDIR;
        }

        var node = new ModelNode { Inode = 0, Mode = FileTypes.Regular | (permissions & 0xFFF & ~caller.Umask), Links = 0, Linkable = (open & OpenMode.Exclusive) == 0 };
        node = Born(caller, directory, node, xattrs);
        Put(node);
        handle = NewHandle(new InodeNumber(node.Inode), open);
        return GetAttributes(new InodeNumber(node.Inode), out attributes);
    }

    public Errno Link(InodeNumber inode, InodeNumber newParent, ReadOnlySpan<byte> newName, out Attributes attributes)
    {
        attributes = default;
        if (!_state.Nodes.TryGetValue(inode.Value, out ModelNode? node))
        {
            return Errno.ENOENT;
        }

        // The new name is looked at first: link(2) walks both paths before it looks at the inode.
        Errno error = NewName(newParent, newName, out ModelNode? directory);
        if (error != Errno.OK)
        {
            return error;
        }

        if (node.Links == 0 && !node.Linkable)
        {
            return Errno.ENOENT;
        }

        if (node.IsDirectory)
        {
            return Errno.EPERM;
        }

        Timestamp now = Timestamp.Now(_clock);
        Put(node with { Links = node.Links + 1, Linkable = false, Ctime = now, Parent = newParent.Value });
        Put(Touched(directory!, now) with { Entries = directory!.Entries.Add(Key(newName), inode.Value) });
        return GetAttributes(inode, out attributes);
    }

    public Errno Unlink(InodeNumber parent, ReadOnlySpan<byte> name)
    {
        Errno error = Find(parent, name, out ModelNode? directory, out ModelNode? node);
        if (error != Errno.OK)
        {
            return error;
        }

        if (node!.IsDirectory)
        {
            return Errno.EISDIR;
        }

        Timestamp now = Timestamp.Now(_clock);
        Put(node with { Links = node.Links - 1, Ctime = now });
        Put(Touched(directory!, now) with { Entries = directory!.Entries.Remove(Key(name)) });
        return Errno.OK;
    }

    public Errno RemoveDirectory(InodeNumber parent, ReadOnlySpan<byte> name)
    {
        Errno error = Find(parent, name, out ModelNode? directory, out ModelNode? node);
        if (error != Errno.OK)
        {
            return error;
        }

        if (!node!.IsDirectory)
        {
            return Errno.ENOTDIR;
        }

        if (!node.Entries.IsEmpty)
        {
            return Errno.ENOTEMPTY;
        }

        Timestamp now = Timestamp.Now(_clock);
        Put(node with { Links = 0, Ctime = now });
        Put(Touched(directory!, now) with { Entries = directory!.Entries.Remove(Key(name)), Links = directory.Links - 1 });
        return Errno.OK;
    }

    public Errno Rename(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, InodeNumber newParent, ReadOnlySpan<byte> newName, RenameMode mode)
    {
        if ((mode & RenameMode.Exchange) != 0 && mode != RenameMode.Exchange)
        {
            return Errno.EINVAL;
        }

        Errno error = Find(parent, name, out ModelNode? oldDirectory, out ModelNode? node);
        if (oldDirectory is null)
        {
            return error;
        }

        // rename(2) walks to both directories before it looks for the name.
        if (error == Errno.ENOENT && Find(newParent, newName, out ModelNode? other, out _) is var first && other is null)
        {
            return first;
        }

        if (error != Errno.OK)
        {
            return error;
        }

        error = Find(newParent, newName, out ModelNode? newDirectory, out ModelNode? target);
        if (newDirectory is null || (error != Errno.OK && error != Errno.ENOENT))
        {
            return error;
        }

        error = CheckRename(node!, target, parent.Value, newParent.Value, mode);
        if (error != Errno.OK || node!.Inode == target?.Inode)
        {
            return error;
        }

        Timestamp now = Timestamp.Now(_clock);
        if (mode == RenameMode.Exchange)
        {
            Place(parent.Value, name, target!, newParent.Value, now);
            Place(newParent.Value, newName, node, parent.Value, now);
            return Errno.OK;
        }

        Remove(parent.Value, name, node, now);
        if (target is not null)
        {
            Remove(newParent.Value, newName, target, now);
            Put(target with { Links = target.IsDirectory ? 0 : target.Links - 1, Ctime = now });
        }

        Place(newParent.Value, newName, node, 0, now);
        return (mode & RenameMode.Whiteout) == 0
            ? Errno.OK
            : MakeNode(caller with { Umask = 0 }, parent, name, FileTypes.Character, 0, null, out _);
    }

    private Errno CheckRename(ModelNode node, ModelNode? target, ulong parent, ulong newParent, RenameMode mode)
    {
        // The order of the objections is that of rename(2) in Linux: presence of the target by the flags, then loops.
        if (target is null ? mode == RenameMode.Exchange : (mode & RenameMode.NoReplace) != 0)
        {
            return target is null ? Errno.ENOENT : Errno.EEXIST;
        }

        if (node.IsDirectory && IsWithin(newParent, node.Inode))
        {
            return Errno.EINVAL;
        }

        if (mode == RenameMode.Exchange)
        {
            return target!.IsDirectory && IsWithin(parent, target.Inode) ? Errno.EINVAL : Errno.OK;
        }

        if (target is null)
        {
            return Errno.OK;
        }

        if (node.Inode == target.Inode)
        {
            return Errno.OK;
        }

        if (target.IsDirectory && IsWithin(parent, target.Inode))
        {
            return Errno.ENOTEMPTY;
        }

        if (node.IsDirectory != target.IsDirectory)
        {
            return target.IsDirectory ? Errno.EISDIR : Errno.ENOTDIR;
        }

        return target.Entries.IsEmpty ? Errno.OK : Errno.ENOTEMPTY;
    }

    /// <summary>Takes a name away; a directory's ".." with it.</summary>
    private void Remove(ulong parent, ReadOnlySpan<byte> name, ModelNode node, Timestamp now)
    {
        ModelNode directory = _state.Nodes[parent];
        Put(Touched(directory, now) with
        {
            Entries = directory.Entries.Remove(Key(name)),
            Links = directory.Links - (node.IsDirectory ? 1u : 0),
        });
    }

    /// <summary>Makes a name mean <paramref name="node"/>; in an exchange a directory's ".." moves from
    /// <paramref name="from"/>.</summary>
    private void Place(ulong parent, ReadOnlySpan<byte> name, ModelNode node, ulong from, Timestamp now)
    {
        ModelNode directory = _state.Nodes[parent];
        Put(Touched(directory, now) with
        {
            Entries = directory.Entries.SetItem(Key(name), node.Inode),
            Links = directory.Links + (node.IsDirectory ? 1u : 0),
        });
        if (from != 0 && node.IsDirectory)
        {
            Put(_state.Nodes[from] with { Links = _state.Nodes[from].Links - 1 });
        }

        Put(_state.Nodes[node.Inode] with { Ctime = now, Parent = parent });
    }

    private bool IsWithin(ulong directory, ulong ancestor)
    {
        while (directory != ancestor)
        {
            if (directory == 1)
            {
                return false;
            }

            directory = _state.Nodes[directory].Parent;
        }

        return true;
    }

    private Errno Find(InodeNumber parent, ReadOnlySpan<byte> name, out ModelNode? directory, out ModelNode? node)
    {
        node = null;
        if (!_state.Nodes.TryGetValue(parent.Value, out directory))
        {
            return Errno.ENOENT;
        }

        if (!directory.IsDirectory)
        {
            directory = null;
            return Errno.ENOTDIR;
        }

        if (name.Length > MaxName)
        {
            directory = null;
            return Errno.ENAMETOOLONG;
        }

        return directory.Entries.TryGetValue(Key(name), out ulong inode) && _state.Nodes.TryGetValue(inode, out node)
            ? Errno.OK
            : directory.Links == 0 ? Missing(out directory) : Errno.ENOENT;
    }

    private static Errno Missing(out ModelNode? directory)
    {
        directory = null;
        return Errno.ENOENT;
    }

    private Errno NewName(InodeNumber parent, ReadOnlySpan<byte> name, out ModelNode? directory)
    {
        Errno error = Find(parent, name, out directory, out _);
        return error == Errno.OK ? Errno.EEXIST : error == Errno.ENOENT && directory is not null ? Errno.OK : error;
    }

    private Errno Add(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, ModelNode node, IInitialXattrs? xattrs, out Attributes attributes)
    {
        attributes = default;
        Errno error = NewName(parent, name, out ModelNode? directory);
        if (error != Errno.OK)
        {
            return error;
        }

        node = Born(caller, directory!, node, xattrs);
        Put(node);
        Put(Touched(directory!, node.Btime) with
        {
            Entries = directory!.Entries.Add(Key(name), node.Inode),
            Links = directory.Links + (node.IsDirectory ? 1u : 0),
        });
        return GetAttributes(new InodeNumber(node.Inode), out attributes);
    }

    private ModelNode Born(in Caller caller, ModelNode directory, ModelNode node, IInitialXattrs? xattrs)
    {
        Timestamp now = Timestamp.Now(_clock);
        bool inherits = (directory.Mode & SetGroupId) != 0;
        ulong inode = _state.NextInode;
        _state = _state with { NextInode = inode + 1 };
        node = node with
        {
            Inode = inode,
            Uid = caller.Uid,
            Gid = inherits ? directory.Gid : caller.Gid,
            Mode = node.Mode | (inherits && node.IsDirectory ? SetGroupId : 0),
            Parent = directory.Inode,
            Atime = now,
            Mtime = now,
            Ctime = now,
            Btime = now,
        };
        for (int i = 0; i < (xattrs?.Count ?? 0); i++)
        {
            node = node with { Xattrs = node.Xattrs.SetItem(Key(xattrs!.Name(i)), xattrs.Value(i).ToArray()) };
        }

        return node;
    }

    private static ModelNode Touched(ModelNode directory, Timestamp now) => directory with { Mtime = now, Ctime = now };
}
