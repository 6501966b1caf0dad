using System.Text;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.NullServer;

internal sealed partial class MemoryFileSystem
{
    /// <summary>Requests for durability so far.</summary>
    public long Syncs => Interlocked.Read(ref _syncs);

    public Errno GetAttributes(InodeNumber inode, out Attributes attributes)
    {
        attributes = default;
        if (!_nodes.TryGetValue(inode.Value, out Node? node))
        {
            return Errno.ENOENT;
        }

        node.Describe(out attributes);
        return Errno.OK;
    }

    public Errno SetAttributes(in Caller caller, InodeNumber inode, in AttributeChange change, out Attributes attributes)
    {
        attributes = default;
        if (!_nodes.TryGetValue(inode.Value, out Node? node))
        {
            return Errno.ENOENT;
        }

        if ((change.Mask & AttributeMask.Size) != 0)
        {
            if (keepContent && change.Size > LargestFile)
            {
                return Errno.EFBIG;
            }

            node.Resize(change.Size);
        }

        node.Mode = (change.Mask & AttributeMask.Mode) != 0 ? (node.Mode & 0xf000) | (change.Mode & 0xfff) : node.Mode;
        node.Uid = (change.Mask & AttributeMask.Uid) != 0 ? change.Uid : node.Uid;
        node.Gid = (change.Mask & AttributeMask.Gid) != 0 ? change.Gid : node.Gid;
        SetTimes(node, change);
        DropSetIdBits(node, (change.Mask & AttributeMask.KillPrivileges) != 0);
        node.Describe(out attributes);
        return Errno.OK;
    }

    public Errno ReadLink(InodeNumber inode, Span<byte> target, out int length)
    {
        length = 0;
        if (!_nodes.TryGetValue(inode.Value, out Node? node))
        {
            return Errno.ENOENT;
        }

        length = Math.Min(node.Target.Length, target.Length);
        node.Target.AsSpan(0, length).CopyTo(target);
        return Errno.OK;
    }

    public Errno Open(in Caller caller, InodeNumber inode, OpenMode mode, out ulong handle)
    {
        handle = inode.Value;
        if (!_nodes.TryGetValue(inode.Value, out Node? node))
        {
            return Errno.ENOENT;
        }

        if ((mode & OpenMode.Truncate) != 0)
        {
            node.Resize(0);
            DropSetIdBits(node, (mode & OpenMode.KillPrivileges) != 0);
        }

        return Errno.OK;
    }

    public Errno Read(ulong handle, InodeNumber inode, long offset, Span<byte> buffer, out int read)
    {
        read = 0;
        if (!_nodes.TryGetValue(inode.Value, out Node? node))
        {
            return Errno.ENOENT;
        }

        read = (int)Math.Clamp(node.Size - offset, 0, buffer.Length);
        if (keepContent)
        {
            lock (node)
            {
                node.Load(offset, buffer[..read]);
            }
        }
        else
        {
            buffer[..read].Clear();
        }

        return Errno.OK;
    }

    public Errno Write(ulong handle, InodeNumber inode, long offset, ReadOnlySpan<byte> data, bool killPrivileges, out int written)
    {
        written = 0;
        if (!_nodes.TryGetValue(inode.Value, out Node? node))
        {
            return Errno.ENOENT;
        }

        if (keepContent && offset + data.Length > LargestFile)
        {
            return Errno.EFBIG;
        }

        lock (node)
        {
            if (keepContent)
            {
                node.Store(offset, data);
            }

            node.Size = Math.Max(node.Size, offset + data.Length);
        }

        DropSetIdBits(node, killPrivileges);
        node.Mtime = node.Ctime = Now();
        written = data.Length;
        return Errno.OK;
    }

    public Errno Flush(ulong handle, InodeNumber inode) => Errno.OK;

    public Errno Release(ulong handle, InodeNumber inode) => Errno.OK;

    public Errno Sync(InodeNumber inode, bool dataOnly) => CountSync();

    public Errno SyncDirectory(InodeNumber inode, bool dataOnly) => CountSync();

    public Errno SyncFileSystem() => CountSync();

    public Errno GetStatistics(out FileSystemStatistics statistics)
    {
        statistics = new FileSystemStatistics(4096, Capacity / 4096, Capacity / 4096, int.MaxValue, int.MaxValue, 255);
        return Errno.OK;
    }

    public Errno GetXattr(InodeNumber inode, ReadOnlySpan<byte> name, Span<byte> value, out int length)
    {
        length = 0;
        byte[]? found = null;
        if (!_nodes.TryGetValue(inode.Value, out Node? node) || node.Xattrs?.TryGetValue(Encoding.UTF8.GetString(name), out found) != true)
        {
            return Errno.ENODATA;
        }

        length = found!.Length;
        return value.IsEmpty || found.AsSpan().TryCopyTo(value) ? Errno.OK : Errno.ERANGE;
    }

    public Errno SetXattr(InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrMode mode, bool killSetGid)
    {
        lock (_tree)
        {
            if (!_nodes.TryGetValue(inode.Value, out Node? node))
            {
                return Errno.ENOENT;
            }

            // Access control lists would have to keep the mode in step.
            string key = Encoding.UTF8.GetString(name);
            if (key.StartsWith("system.", StringComparison.Ordinal))
            {
                return Errno.EOPNOTSUPP;
            }

            node.Xattrs ??= [];
            bool exists = node.Xattrs.ContainsKey(key);
            if ((mode == XattrMode.Create && exists) || (mode == XattrMode.Replace && !exists))
            {
                return exists ? Errno.EEXIST : Errno.ENODATA;
            }

            node.Xattrs[key] = value.ToArray();
            return Errno.OK;
        }
    }

    public Errno ListXattr(InodeNumber inode, Span<byte> names, out int length)
    {
        length = 0;
        if (!_nodes.TryGetValue(inode.Value, out Node? node))
        {
            return Errno.ENOENT;
        }

        byte[] list = Encoding.UTF8.GetBytes(string.Concat((node.Xattrs?.Keys ?? Enumerable.Empty<string>()).Select(key => key + "\0")));
        length = list.Length;
        return names.IsEmpty || list.AsSpan().TryCopyTo(names) ? Errno.OK : Errno.ERANGE;
    }

    public Errno RemoveXattr(InodeNumber inode, ReadOnlySpan<byte> name)
    {
        lock (_tree)
        {
            bool removed = _nodes.TryGetValue(inode.Value, out Node? node) && node.Xattrs?.Remove(Encoding.UTF8.GetString(name)) == true;
            return removed ? Errno.OK : Errno.ENODATA;
        }
    }

    public Errno Fallocate(ulong handle, InodeNumber inode, long offset, long length, FallocateMode mode)
    {
        if (!_nodes.TryGetValue(inode.Value, out Node? node))
        {
            return Errno.ENOENT;
        }

        lock (node)
        {
            if ((mode & (FallocateMode.PunchHole | FallocateMode.ZeroRange)) != 0)
            {
                node.Punch(offset, length);
            }

            if ((mode & FallocateMode.KeepSize) == 0)
            {
                node.Size = Math.Max(node.Size, offset + length);
            }
        }

        return Errno.OK;
    }

    public Errno Seek(InodeNumber inode, long offset, bool hole, out long result)
    {
        result = 0;
        if (!_nodes.TryGetValue(inode.Value, out Node? node) || offset >= node.Size)
        {
            return Errno.ENXIO;
        }

        result = hole ? node.Size : offset;
        return Errno.OK;
    }

    public Errno CopyRange(InodeNumber source, long sourceOffset, InodeNumber target, long targetOffset, long length, out long copied)
    {
        copied = 0;
        if (!_nodes.TryGetValue(source.Value, out Node? from))
        {
            return Errno.ENOENT;
        }

        byte[] piece = new byte[(int)Math.Clamp(Math.Min(length, from.Size - sourceOffset), 0, 1 << 20)];
        Errno error = Read(source.Value, source, sourceOffset, piece, out int read);
        if (error != Errno.OK || read == 0)
        {
            return error;
        }

        error = Write(target.Value, target, targetOffset, piece.AsSpan(0, read), false, out int written);
        copied = written;
        return error;
    }

    public void Destroy() => _nodes.Clear();

    private static void SetTimes(Node node, in AttributeChange change)
    {
        Timestamp now = Now();
        node.Atime = (change.Mask & AttributeMask.AtimeNow) != 0 ? now : (change.Mask & AttributeMask.Atime) != 0 ? change.Atime : node.Atime;
        node.Mtime = (change.Mask & (AttributeMask.MtimeNow | AttributeMask.Size)) != 0 ? now : node.Mtime;
        node.Mtime = (change.Mask & AttributeMask.Mtime) != 0 ? change.Mtime : node.Mtime;
        node.Ctime = (change.Mask & AttributeMask.Ctime) != 0 ? change.Ctime : now;
    }

    private static void DropSetIdBits(Node node, bool drop)
    {
        if (drop)
        {
            uint setGid = (node.Mode & 0x8) != 0 ? 0x400u : 0;
            node.Mode &= ~(0x800u | setGid);
        }
    }

    private Errno CountSync()
    {
        Interlocked.Increment(ref _syncs);
        return Errno.OK;
    }
}
