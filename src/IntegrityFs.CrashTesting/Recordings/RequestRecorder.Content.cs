// Promise: as RequestRecorder.cs says; the requests that change content and attributes.
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <content>Content and attributes.</content>
public sealed partial class RequestRecorder
{
    private const int CopyPiece = 1 << 20;

    /// <inheritdoc/>
    public Errno SetAttributes(in Caller caller, InodeNumber inode, in AttributeChange change, out Attributes attributes)
    {
        Errno error = inner.SetAttributes(caller, inode, change, out attributes);
        if ((change.Mask & AttributeMask.Size) != 0)
        {
            Record(new RecordedRequest { Kind = RequestKind.Truncate, Result = error, Inode = inode.Value, Length = change.Size });
        }

        if ((change.Mask & ~(AttributeMask.Size | AttributeMask.Ctime | AttributeMask.Atime | AttributeMask.AtimeNow)) != 0)
        {
            Record(new RecordedRequest
            {
                Kind = RequestKind.SetAttributes,
                Result = error,
                Inode = inode.Value,
                Mode = attributes.Mode,
                Uid = attributes.Uid,
                Gid = attributes.Gid,
                Flags = (uint)change.Mask,
                Offset = attributes.Mtime.Seconds,
            });
        }

        return error;
    }

    /// <inheritdoc/>
    public Errno Open(in Caller caller, InodeNumber inode, OpenMode mode, out ulong handle)
    {
        Errno error = inner.Open(caller, inode, mode, out handle);
        Remember(error, handle, mode);
        RecordTruncation(error, new Attributes { Inode = inode }, mode);
        return error;
    }

    /// <inheritdoc/>
    public Errno Write(ulong handle, InodeNumber inode, long offset, ReadOnlySpan<byte> data, bool killPrivileges, out int written)
    {
        Errno error = inner.Write(handle, inode, offset, data, killPrivileges, out written);
        Record(new RecordedRequest
        {
            Kind = RequestKind.Write,
            Result = error,
            Inode = inode.Value,
            Offset = offset,
            Length = written,
            Data = error == Errno.OK ? data[..written].ToArray() : default,
            Synchronous = _synchronous.TryGetValue(handle, out bool synchronous) && synchronous,
        });
        return error;
    }

    /// <inheritdoc/>
    public Errno Release(ulong handle, InodeNumber inode)
    {
        Errno error = inner.Release(handle, inode);
        Record(new RecordedRequest { Kind = RequestKind.Close, Result = error, Inode = inode.Value });
        return error;
    }

    /// <inheritdoc/>
    public Errno SetXattr(InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrMode mode, bool killSetGid)
    {
        Errno error = inner.SetXattr(inode, name, value, mode, killSetGid);
        Record(new RecordedRequest { Kind = RequestKind.SetXattr, Result = error, Inode = inode.Value, NewName = Text(name), Data = value.ToArray() });
        return error;
    }

    /// <inheritdoc/>
    public Errno RemoveXattr(InodeNumber inode, ReadOnlySpan<byte> name)
    {
        Errno error = inner.RemoveXattr(inode, name);
        Record(new RecordedRequest { Kind = RequestKind.RemoveXattr, Result = error, Inode = inode.Value, NewName = Text(name) });
        return error;
    }

    /// <inheritdoc/>
    public Errno Fallocate(ulong handle, InodeNumber inode, long offset, long length, FallocateMode mode)
    {
        Errno error = inner.Fallocate(handle, inode, offset, length, mode);
        Record(new RecordedRequest { Kind = RequestKind.Fallocate, Result = error, Inode = inode.Value, Offset = offset, Length = length, Flags = (uint)mode });
        return error;
    }

    /// <inheritdoc/>
    public Errno CopyRange(InodeNumber source, long sourceOffset, InodeNumber target, long targetOffset, long length, out long copied)
    {
        Errno error = inner.CopyRange(source, sourceOffset, target, targetOffset, length, out copied);
        if (error == Errno.OK && copied > 0)
        {
            RecordCopy(target, targetOffset, copied);
        }

        return error;
    }

    /// <summary>A copy is recorded as the writes that it amounts to.</summary>
    private void RecordCopy(InodeNumber target, long offset, long length)
    {
        if (inner.Open(default, target, OpenMode.Read, out ulong handle) != Errno.OK)
        {
            return;
        }

        byte[] piece = new byte[CopyPiece];
        while (length > 0 && inner.Read(handle, target, offset, piece.AsSpan(0, (int)Math.Min(length, CopyPiece)), out int read) == Errno.OK && read > 0)
        {
            Record(new RecordedRequest { Kind = RequestKind.Write, Inode = target.Value, Offset = offset, Length = read, Data = piece.AsSpan(0, read).ToArray() });
            offset += read;
            length -= read;
        }

        inner.Release(handle, target);
    }

    private void RecordTruncation(Errno error, in Attributes attributes, OpenMode mode)
    {
        if ((mode & OpenMode.Truncate) != 0)
        {
            Record(new RecordedRequest { Kind = RequestKind.Truncate, Result = error, Inode = attributes.Inode.Value, Length = 0 });
        }
    }
}
