// Content and extended attributes.
using System.Collections.Immutable;
using System.Text;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

internal sealed partial class ModelFileSystem
{
    public Errno Read(ulong handle, InodeNumber inode, long offset, Span<byte> buffer, out int read)
    {
        read = 0;
        if (!_handles.ContainsKey(handle) || !_state.Nodes.TryGetValue(inode.Value, out ModelNode? node))
        {
            return Errno.EBADF;
        }

        read = (int)Math.Clamp(node.Size - offset, 0, buffer.Length);
        node.Content.Read(offset, buffer[..read]);
        return Errno.OK;
    }

    public Errno Write(ulong handle, InodeNumber inode, long offset, ReadOnlySpan<byte> data, bool killPrivileges, out int written)
    {
        written = 0;
        if (!_handles.TryGetValue(handle, out ModelHandle open) || !_state.Nodes.TryGetValue(inode.Value, out ModelNode? node))
        {
            return Errno.EBADF;
        }

        if (offset < 0)
        {
            return Errno.EINVAL;
        }

        if (data.IsEmpty)
        {
            return Errno.OK;
        }

        offset = (open.Mode & OpenMode.Append) != 0 ? node.Size : offset;
        Timestamp now = Timestamp.Now(_clock);
        node = node with
        {
            Content = node.Content.Write(offset, data),
            Size = Math.Max(node.Size, offset + data.Length),
            Mtime = now,
            Ctime = now,
        };
        Put(killPrivileges ? WithoutPrivileges(node) : node);
        written = data.Length;
        return (open.Mode & OpenMode.Synchronous) != 0 ? SyncFileSystem() : Errno.OK;
    }

    public Errno Fallocate(ulong handle, InodeNumber inode, long offset, long length, FallocateMode mode)
    {
        if (!_state.Nodes.TryGetValue(inode.Value, out ModelNode? node))
        {
            return Errno.EBADF;
        }

        if (offset < 0 || length <= 0)
        {
            return Errno.EINVAL;
        }

        bool keep = (mode & FallocateMode.KeepSize) != 0;
        switch (mode & ~FallocateMode.KeepSize)
        {
            case FallocateMode.None:
                break;
            case FallocateMode.PunchHole when keep:
            case FallocateMode.ZeroRange:
                node = node with { Content = node.Content.Zero(offset, offset + length) };
                break;
            default:
                return Errno.EOPNOTSUPP;
        }

        Timestamp now = Timestamp.Now(_clock);
        Put(node with { Size = keep ? node.Size : Math.Max(node.Size, offset + length), Mtime = now, Ctime = now });
        return Errno.OK;
    }

    public Errno Seek(InodeNumber inode, long offset, bool hole, out long result)
    {
        result = 0;
        if (!_state.Nodes.TryGetValue(inode.Value, out ModelNode? node))
        {
            return Errno.ENOENT;
        }

        if (offset < 0 || offset >= node.Size)
        {
            return Errno.ENXIO;
        }

        result = node.Content.Seek(offset, hole);
        if (result < 0 || result >= node.Size)
        {
            result = hole ? node.Size : 0;
            return hole ? Errno.OK : Errno.ENXIO;
        }

        return Errno.OK;
    }

    public Errno CopyRange(InodeNumber source, long sourceOffset, InodeNumber target, long targetOffset, long length, out long copied)
    {
        copied = 0;
        if (!_state.Nodes.TryGetValue(source.Value, out ModelNode? from) || !_state.Nodes.TryGetValue(target.Value, out ModelNode? to))
        {
            return Errno.ENOENT;
        }

        if (sourceOffset < 0 || targetOffset < 0 || length < 0)
        {
            return Errno.EINVAL;
        }

        if (!from.IsRegular || !to.IsRegular)
        {
            return from.IsDirectory || to.IsDirectory ? Errno.EISDIR : Errno.EINVAL;
        }

        long possible = Math.Clamp(from.Size - sourceOffset, 0, length);
        if (possible == 0)
        {
            return Errno.OK;
        }

        // copy_file_range(2): "the source and target ranges overlap", judged after cutting at the end of the source.
        if (source == target && sourceOffset < targetOffset + possible && targetOffset < sourceOffset + possible)
        {
            return Errno.EINVAL;
        }

        copied = possible;

        byte[] data = new byte[copied];
        from.Content.Read(sourceOffset, data);
        Timestamp now = Timestamp.Now(_clock);
        Put(to with
        {
            Content = to.Content.Write(targetOffset, data),
            Size = Math.Max(to.Size, targetOffset + copied),
            Mtime = now,
            Ctime = now,
        });
        return Errno.OK;
    }

    public Errno GetXattr(InodeNumber inode, ReadOnlySpan<byte> name, Span<byte> value, out int length)
    {
        length = 0;
        if (!_state.Nodes.TryGetValue(inode.Value, out ModelNode? node))
        {
            return Errno.ENOENT;
        }

        if (!node.Xattrs.TryGetValue(Key(name), out byte[]? content))
        {
            return Errno.ENODATA;
        }

        return Copy(content, value, out length);
    }

    public Errno SetXattr(InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrMode mode, bool killSetGid)
    {
        if (!_state.Nodes.TryGetValue(inode.Value, out ModelNode? node))
        {
            return Errno.ENOENT;
        }

        if (!MayCarry(node, name))
        {
            return Errno.EPERM;
        }

        bool exists = node.Xattrs.ContainsKey(Key(name));
        if (exists ? mode == XattrMode.Create : mode == XattrMode.Replace)
        {
            return exists ? Errno.EEXIST : Errno.ENODATA;
        }

        Put(node with
        {
            Xattrs = node.Xattrs.SetItem(Key(name), value.ToArray()),
            Mode = killSetGid ? node.Mode & ~SetGroupId : node.Mode,
            Ctime = Timestamp.Now(_clock),
        });
        return Errno.OK;
    }

    public Errno ListXattr(InodeNumber inode, Span<byte> names, out int length)
    {
        length = 0;
        if (!_state.Nodes.TryGetValue(inode.Value, out ModelNode? node))
        {
            return Errno.ENOENT;
        }

        byte[] list = Encoding.Latin1.GetBytes(string.Concat(node.Xattrs.Keys.Select(name => name + "\0")));
        return Copy(list, names, out length);
    }

    public Errno RemoveXattr(InodeNumber inode, ReadOnlySpan<byte> name)
    {
        if (!_state.Nodes.TryGetValue(inode.Value, out ModelNode? node))
        {
            return Errno.ENOENT;
        }

        if (!MayCarry(node, name))
        {
            return Errno.EPERM;
        }

        ImmutableSortedDictionary<string, byte[]> rest = node.Xattrs.Remove(Key(name));
        if (rest == node.Xattrs)
        {
            return Errno.ENODATA;
        }

        Put(node with { Xattrs = rest, Ctime = Timestamp.Now(_clock) });
        return Errno.OK;
    }

    /// <summary>xattr(7): user attributes only on regular files and directories.</summary>
    private static bool MayCarry(ModelNode node, ReadOnlySpan<byte> name) =>
        node.IsRegular || node.IsDirectory || !name.StartsWith("user."u8);

    private static Errno Copy(byte[] content, Span<byte> destination, out int length)
    {
        length = content.Length;
        if (destination.IsEmpty)
        {
            return Errno.OK;
        }

        if (content.Length > destination.Length)
        {
            return Errno.ERANGE;
        }

        content.CopyTo(destination);
        return Errno.OK;
    }
}
