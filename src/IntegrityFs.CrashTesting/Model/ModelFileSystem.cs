// Promise: what POSIX and Linux say a file system does, in the simplest form: dictionaries, no disk, one lock. It shares
// no code with the product; where both agree on every operation, the product's history can be judged by it.
// This file: attributes, lookups, handles. Names: ModelFileSystem.Names.cs; content: ModelFileSystem.Content.cs.
using System.Text;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>The model that the oracle compares with.</summary>
internal sealed partial class ModelFileSystem : IFileSystem
{
    private const int BlockSize = 4096;

    private readonly TimeProvider _clock;
    private readonly Dictionary<ulong, ModelHandle> _handles = [];
    private ulong _nextHandle = 1;
    private ModelState _state;

    public ModelFileSystem(TimeProvider clock, ModelState? state = null)
    {
        _clock = clock;
        _state = state ?? ModelState.Empty(Timestamp.Now(clock));
    }

    /// <summary>The present state; setting it forgets nothing about open handles.</summary>
    public ModelState State
    {
        get => _state;
        set => _state = value;
    }

    /// <summary>Called by every synchronisation (true: of data only), for a store that keeps its content in this model.</summary>
    public Func<bool, Errno>? OnSync { get; set; }

    /// <summary>The root's own times and owner come from the formatter of the store: the model takes them over.</summary>
    public void AdoptRoot(in Attributes root) => _state = _state with
    {
        Nodes = _state.Nodes.SetItem(1, _state.Nodes[1] with
        {
            Mode = root.Mode,
            Uid = root.Uid,
            Gid = root.Gid,
            Atime = root.Atime,
            Mtime = root.Mtime,
            Ctime = root.Ctime,
            Btime = root.Btime,
        }),
    };

    /// <summary>The number that the next created inode gets, to follow the numbering of the store under test.</summary>
    public void NumberNext(InodeNumber inode) => _state = _state with { NextInode = inode.Value };

    public Errno Lookup(InodeNumber parent, ReadOnlySpan<byte> name, out Attributes attributes)
    {
        attributes = default;
        if (!_state.Nodes.TryGetValue(parent.Value, out ModelNode? directory))
        {
            return Errno.ENOENT;
        }

        if (!directory.IsDirectory)
        {
            return Errno.ENOTDIR;
        }

        return !directory.Entries.TryGetValue(Key(name), out ulong inode)
            ? Errno.ENOENT
            : GetAttributes(new InodeNumber(inode), out attributes);
    }

    /// <summary>Lookups are not counted: who drives the model forgets all of them at once.</summary>
    public void Forget(InodeNumber inode, ulong count)
    {
        if (_state.Nodes.TryGetValue(inode.Value, out ModelNode? node) && node.Links == 0
            && !_handles.Values.Any(handle => handle.Inode == inode.Value))
        {
            _state = _state with { Nodes = _state.Nodes.Remove(inode.Value) };
        }
    }

    public Errno GetAttributes(InodeNumber inode, out Attributes attributes)
    {
        attributes = default;
        if (!_state.Nodes.TryGetValue(inode.Value, out ModelNode? node))
        {
            return Errno.ENOENT;
        }

        attributes = new Attributes
        {
            Inode = inode,
            Mode = node.Mode,
            Links = node.Links,
            Uid = node.Uid,
            Gid = node.Gid,
            Rdev = node.Rdev,
            Size = node.IsDirectory ? node.Entries.Count : node.Size,
            BlockSize = BlockSize,
            Atime = node.Atime,
            Mtime = node.Mtime,
            Ctime = node.Ctime,
            Btime = node.Btime,
        };
        return Errno.OK;
    }

    public Errno SetAttributes(in Caller caller, InodeNumber inode, in AttributeChange change, out Attributes attributes)
    {
        attributes = default;
        if (!_state.Nodes.TryGetValue(inode.Value, out ModelNode? node))
        {
            return Errno.ENOENT;
        }

        AttributeMask mask = change.Mask;
        if ((mask & AttributeMask.Mode) != 0 && node.Type == FileTypes.Symlink)
        {
            return Errno.EOPNOTSUPP;
        }

        Timestamp now = Timestamp.Now(_clock);
        if ((mask & AttributeMask.Size) != 0)
        {
            if (!node.IsRegular)
            {
                return node.IsDirectory ? Errno.EISDIR : Errno.EINVAL;
            }

            if (change.Size < 0)
            {
                return Errno.EINVAL;
            }

            node = node with { Size = change.Size, Content = node.Content.Zero(change.Size, long.MaxValue), Mtime = now };
        }

        node = node with
        {
            Mode = (mask & AttributeMask.Mode) != 0 ? node.Type | (change.Mode & 0xFFF) : node.Mode,
            Uid = (mask & AttributeMask.Uid) != 0 ? change.Uid : node.Uid,
            Gid = (mask & AttributeMask.Gid) != 0 ? change.Gid : node.Gid,
            Atime = (mask & AttributeMask.AtimeNow) != 0 ? now : (mask & AttributeMask.Atime) != 0 ? change.Atime : node.Atime,
            Mtime = (mask & AttributeMask.MtimeNow) != 0 ? now : (mask & AttributeMask.Mtime) != 0 ? change.Mtime : node.Mtime,
            Ctime = (mask & AttributeMask.Ctime) != 0 ? change.Ctime : now,
        };
        if ((mask & AttributeMask.KillPrivileges) != 0)
        {
            node = WithoutPrivileges(node);
        }

        Put(node);
        return GetAttributes(inode, out attributes);
    }

    public Errno ReadLink(InodeNumber inode, Span<byte> target, out int length)
    {
        length = 0;
        if (!_state.Nodes.TryGetValue(inode.Value, out ModelNode? node))
        {
            return Errno.ENOENT;
        }

        if (node.Type != FileTypes.Symlink)
        {
            return Errno.EINVAL;
        }

        length = Math.Min(target.Length, node.Target.Length);
        node.Target.AsSpan(0, length).CopyTo(target);
        return Errno.OK;
    }

    public Errno Open(in Caller caller, InodeNumber inode, OpenMode mode, out ulong handle)
    {
        handle = 0;
        if (!_state.Nodes.TryGetValue(inode.Value, out ModelNode? node))
        {
            return Errno.ENOENT;
        }

        if (!node.IsRegular)
        {
            return node.IsDirectory ? Errno.EISDIR : Errno.EINVAL;
        }

        if ((mode & OpenMode.Truncate) != 0)
        {
            Timestamp now = Timestamp.Now(_clock);
            node = node with { Size = 0, Content = ModelContent.Empty, Mtime = now, Ctime = now };
            Put((mode & OpenMode.KillPrivileges) != 0 ? WithoutPrivileges(node) : node);
        }

        handle = NewHandle(inode, mode);
        return Errno.OK;
    }

    public Errno Flush(ulong handle, InodeNumber inode) => Errno.OK;

    public Errno Release(ulong handle, InodeNumber inode)
    {
        _handles.Remove(handle);
        return Errno.OK;
    }

    public Errno Sync(InodeNumber inode, bool dataOnly) =>
        _state.Nodes.ContainsKey(inode.Value) ? OnSync?.Invoke(dataOnly) ?? Errno.OK : Errno.ENOENT;

    public Errno SyncDirectory(InodeNumber inode, bool dataOnly) => Sync(inode, dataOnly);

    public Errno SyncFileSystem() => OnSync?.Invoke(false) ?? Errno.OK;

    public Errno ReadDirectory(InodeNumber directory, ulong cookie, bool withAttributes, IDirectorySink sink)
    {
        if (!_state.Nodes.TryGetValue(directory.Value, out ModelNode? node))
        {
            return Errno.ENOENT;
        }

        if (!node.IsDirectory)
        {
            return Errno.ENOTDIR;
        }

        IEnumerable<KeyValuePair<string, ulong>> entries = node.Entries
            .Prepend(KeyValuePair.Create("..", node.Parent)).Prepend(KeyValuePair.Create(".", directory.Value));
        ulong next = 0;
        foreach ((string name, ulong inode) in entries)
        {
            if (next++ < cookie)
            {
                continue;
            }

            GetAttributes(new InodeNumber(inode), out Attributes attributes);
            byte type = (byte)(attributes.Mode >> 12);
            if (!sink.Add(Encoding.Latin1.GetBytes(name), new InodeNumber(inode), type, next, withAttributes ? attributes : default))
            {
                break;
            }
        }

        return Errno.OK;
    }

    public Errno GetStatistics(out FileSystemStatistics statistics)
    {
        statistics = new FileSystemStatistics(BlockSize, 1 << 20, 1 << 20, _state.Nodes.Count, 1 << 20, 255);
        return Errno.OK;
    }

    public void Destroy() => _handles.Clear();

    private static string Key(ReadOnlySpan<byte> name) => Encoding.Latin1.GetString(name);

    private static ModelNode WithoutPrivileges(ModelNode node)
    {
        const uint setUser = 0x800;
        const uint setGroup = 0x400;
        const uint groupExecute = 0x8;
        uint clear = setUser | ((node.Mode & groupExecute) != 0 ? setGroup : 0);
        return node with { Mode = node.Mode & ~clear, Xattrs = node.Xattrs.Remove("security.capability") };
    }

    private ulong NewHandle(InodeNumber inode, OpenMode mode)
    {
        _handles.Add(_nextHandle, new ModelHandle(inode.Value, mode));
        return _nextHandle++;
    }

    private void Put(ModelNode node) => _state = _state with { Nodes = _state.Nodes.SetItem(node.Inode, node) };

    private readonly record struct ModelHandle(ulong Inode, OpenMode Mode);
}
