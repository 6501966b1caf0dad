using System.Collections.Concurrent;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.NullServer;

/// <summary>
/// A file system in memory. Without <paramref name="keepContent"/> written bytes are thrown away and files read as
/// zeros: then it measures what FUSE itself costs. With it, it is complete enough to test the protocol.
/// </summary>
internal sealed partial class MemoryFileSystem(bool keepContent) : IFileSystem
{
    private const uint RegularFile = 0x8000;
    private const uint SymbolicLink = 0xa000;
    private const uint DirectoryType = 0x4000;
    private const long Capacity = 1L << 40;
    private const long LargestFile = 1L << 30;

    private readonly ConcurrentDictionary<ulong, Node> _nodes = new();
    private readonly Lock _tree = new();
    private ulong _lastInode = 1;
    private long _syncs;

    /// <summary>Creates the root directory.</summary>
    public MemoryFileSystem Initialize()
    {
        Node root = NewNode(InodeNumber.Root, default, DirectoryType | 0x1ed);
        root.Links = 2;
        _nodes[1] = root;
        return this;
    }

    /// <summary>Puts a file of a given size into the root directory.</summary>
    public void AddFile(string name, long size)
    {
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(name);
        _ = MakeNode(default, InodeNumber.Root, bytes, RegularFile | 0x1a4, 0, null, out Attributes attributes);
        _nodes[attributes.Inode.Value].Size = size;
    }

    public Errno Lookup(InodeNumber parent, ReadOnlySpan<byte> name, out Attributes attributes)
    {
        lock (_tree)
        {
            attributes = default;
            if (name.SequenceEqual("."u8))
            {
                return GetAttributes(parent, out attributes);
            }

            if (!TryDirectory(parent, out Directory? directory))
            {
                return Errno.ENOTDIR;
            }

            Node? found = name.SequenceEqual(".."u8) ? directory.Parent : directory.Find(name);
            if (found == null)
            {
                return Errno.ENOENT;
            }

            found.Describe(out attributes);
            return Errno.OK;
        }
    }

    public void Forget(InodeNumber inode, ulong count)
    {
        if (_nodes.TryGetValue(inode.Value, out Node? node) && node.Links == 0)
        {
            _nodes.TryRemove(inode.Value, out _);
        }
    }

    public Errno Symlink(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, IInitialXattrs? xattrs, out Attributes attributes) =>
        Add(caller, parent, name, SymbolicLink | 0x1ff, 0, target, xattrs, out attributes);

    public Errno MakeNode(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, uint rdev, IInitialXattrs? xattrs, out Attributes attributes) =>
        Add(caller, parent, name, mode & ~caller.Umask, rdev, default, xattrs, out attributes);

    public Errno MakeDirectory(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, IInitialXattrs? xattrs, out Attributes attributes) =>
        Add(caller, parent, name, DirectoryType | (mode & ~caller.Umask), 0, default, xattrs, out attributes);

    public Errno Create(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle)
    {
        Errno error = Add(caller, parent, name, RegularFile | (permissions & ~caller.Umask), 0, default, xattrs, out attributes);
        handle = attributes.Inode.Value;
        return error;
    }

    public Errno CreateTemporary(in Caller caller, InodeNumber parent, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle)
    {
        lock (_tree)
        {
            Node node = NewNode(new InodeNumber(++_lastInode), caller, RegularFile | (permissions & ~caller.Umask));
            _nodes[node.Number.Value] = node;
            node.Describe(out attributes);
            handle = node.Number.Value;
            return Errno.OK;
        }
    }

    public Errno Unlink(InodeNumber parent, ReadOnlySpan<byte> name)
    {
        lock (_tree)
        {
            if (!TryDirectory(parent, out Directory? directory))
            {
                return Errno.ENOTDIR;
            }

            Node? node = directory.Find(name);
            if (node == null || node.IsDirectory)
            {
                return node == null ? Errno.ENOENT : Errno.EISDIR;
            }

            directory.Remove(name);
            node.Links--;
            return Errno.OK;
        }
    }

    public Errno RemoveDirectory(InodeNumber parent, ReadOnlySpan<byte> name)
    {
        lock (_tree)
        {
            if (!TryDirectory(parent, out Directory? directory))
            {
                return Errno.ENOTDIR;
            }

            Node? node = directory.Find(name);
            if (node?.Entries == null)
            {
                return node == null ? Errno.ENOENT : Errno.ENOTDIR;
            }

            if (node.Entries.Count > 0)
            {
                return Errno.ENOTEMPTY;
            }

            directory.Remove(name);
            node.Links = 0;
            _nodes[parent.Value].Links--;
            return Errno.OK;
        }
    }

    public Errno Rename(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, InodeNumber newParent, ReadOnlySpan<byte> newName, RenameMode mode)
    {
        lock (_tree)
        {
            if (!TryDirectory(parent, out Directory? from) || !TryDirectory(newParent, out Directory? to))
            {
                return Errno.ENOTDIR;
            }

            Node? moved = from.Find(name);
            Node? replaced = to.Find(newName);
            Errno error = CheckRename(moved, replaced, mode);
            if (error != Errno.OK || moved == replaced)
            {
                return error;
            }

            if (mode == RenameMode.Exchange)
            {
                from.Put(name, replaced!);
                to.Put(newName, moved!);
                Reparent(replaced!, newParent, parent);
            }
            else
            {
                from.Remove(name);
                to.Put(newName, moved!);
                DropReplaced(replaced, newParent);
            }

            Reparent(moved!, parent, newParent);
            return Errno.OK;
        }
    }

    public Errno Link(InodeNumber inode, InodeNumber newParent, ReadOnlySpan<byte> newName, out Attributes attributes)
    {
        lock (_tree)
        {
            attributes = default;
            if (!TryDirectory(newParent, out Directory? directory) || !_nodes.TryGetValue(inode.Value, out Node? node))
            {
                return Errno.ENOENT;
            }

            if (directory.Find(newName) != null)
            {
                return Errno.EEXIST;
            }

            directory.Put(newName, node);
            node.Links++;
            node.Describe(out attributes);
            return Errno.OK;
        }
    }

    public Errno ReadDirectory(InodeNumber directory, ulong cookie, bool withAttributes, IDirectorySink sink)
    {
        lock (_tree)
        {
            if (!TryDirectory(directory, out Directory? entries))
            {
                return Errno.ENOTDIR;
            }

            Node self = _nodes[directory.Value];
            self.Describe(out Attributes attributes);
            if ((cookie < 1 && !sink.Add("."u8, directory, 4, 1, attributes))
                || (cookie < 2 && !sink.Add(".."u8, entries.Parent?.Number ?? directory, 4, 2, attributes)))
            {
                return Errno.OK;
            }

            for (int place = (int)Math.Max(cookie, 2) - 2; place < entries.Places; place++)
            {
                if (entries.At(place) is not { } entry)
                {
                    continue;
                }

                entry.Node.Describe(out attributes);
                if (!sink.Add(entry.Name, entry.Node.Number, entry.Node.EntryType, (ulong)place + 3, attributes))
                {
                    break;
                }
            }

            return Errno.OK;
        }
    }

    private static Errno CheckRename(Node? moved, Node? replaced, RenameMode mode)
    {
        if (moved == null || (mode == RenameMode.Exchange && replaced == null))
        {
            return Errno.ENOENT;
        }

        if (mode == RenameMode.NoReplace && replaced != null)
        {
            return Errno.EEXIST;
        }

        return mode != RenameMode.Exchange && replaced?.Entries is { Count: > 0 } ? Errno.ENOTEMPTY
            : (mode & RenameMode.Whiteout) != 0 ? Errno.EINVAL
            : Errno.OK;
    }

    private static Timestamp Now() => Timestamp.Now(TimeProvider.System);

    private void DropReplaced(Node? replaced, InodeNumber parent)
    {
        if (replaced == null)
        {
            return;
        }

        replaced.Links = replaced.IsDirectory ? 0 : replaced.Links - 1;
        if (replaced.IsDirectory)
        {
            _nodes[parent.Value].Links--;
        }
    }

    private void Reparent(Node moved, InodeNumber oldParent, InodeNumber newParent)
    {
        if (moved.Entries == null || oldParent == newParent)
        {
            return;
        }

        _nodes[oldParent.Value].Links--;
        _nodes[newParent.Value].Links++;
        moved.Entries.Parent = _nodes[newParent.Value];
    }

    private bool TryDirectory(InodeNumber inode, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Directory? directory)
    {
        directory = _nodes.TryGetValue(inode.Value, out Node? node) ? node.Entries : null;
        return directory != null;
    }

    private Node NewNode(InodeNumber number, in Caller caller, uint mode, uint rdev = 0, byte[]? target = null, Node? parent = null)
    {
        Timestamp now = Now();
        return new Node(number, mode)
        {
            Uid = caller.Uid,
            Gid = caller.Gid,
            Rdev = rdev,
            Atime = now,
            Mtime = now,
            Ctime = now,
            Btime = now,
            Target = target ?? [],
            Size = target?.Length ?? 0,
            Entries = (mode & 0xf000) == DirectoryType ? new Directory(parent!) : null,
        };
    }

    private Errno Add(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, uint rdev, ReadOnlySpan<byte> target, IInitialXattrs? xattrs, out Attributes attributes)
    {
        lock (_tree)
        {
            attributes = default;
            if (!TryDirectory(parent, out Directory? directory))
            {
                return Errno.ENOENT;
            }

            if (name.Length > 255 || directory.Find(name) != null)
            {
                return name.Length > 255 ? Errno.ENAMETOOLONG : Errno.EEXIST;
            }

            Node owner = _nodes[parent.Value];
            Node node = NewNode(new InodeNumber(++_lastInode), caller, mode, rdev, target.ToArray(), owner);
            node.Links = node.IsDirectory ? 2u : 1u;
            owner.Links += node.IsDirectory ? 1u : 0;
            owner.Mtime = owner.Ctime = node.Ctime;
            for (int i = 0; i < (xattrs?.Count ?? 0); i++)
            {
                node.Xattrs ??= [];
                node.Xattrs[System.Text.Encoding.UTF8.GetString(xattrs!.Name(i))] = xattrs.Value(i).ToArray();
            }

            _nodes[node.Number.Value] = node;
            directory.Put(name, node);
            node.Describe(out attributes);
            return Errno.OK;
        }
    }
}
