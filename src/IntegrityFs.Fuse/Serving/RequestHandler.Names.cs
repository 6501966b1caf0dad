using System.Runtime.CompilerServices;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;

namespace IntegrityFs.Fuse.Serving;

// Names: look up, create, remove, rename, link, list.
internal sealed partial class RequestHandler
{
    private const uint PermissionMask = 0xfff;
    private const RenameMode KnownRenameModes = RenameMode.NoReplace | RenameMode.Exchange | RenameMode.Whiteout;

    // PATH_MAX less the terminating zero that the kernel adds.
    private const int LongestTarget = 4095;

    private IInitialXattrs? InitialXattrs => _extensions.Count == 0 ? null : _extensions;

    private static Caller CallerOf(in RequestHeader header) => new(header.Uid, header.Gid, header.Pid, 0);

    // Without DONT_MASK the kernel has applied the umask already.
    private Caller CallerOf(in RequestHeader header, uint umask) =>
        new(header.Uid, header.Gid, header.Pid, _session.Agreement.Has(InitFlags.DontMask) ? umask & PermissionMask : 0);

    private int PutEntry(Errno error, in Attributes attributes) => error != Errno.OK
        ? Fail(error)
        : _reply.Put(0, EntryOut.From(attributes, _session.EntryValidity, _session.AttributeValidity));

    private int Lookup(in RequestHeader header, ref BodyReader body)
    {
        if (!body.TryReadName(out ReadOnlySpan<byte> name))
        {
            return Malformed;
        }

        // An NFS server asks for "." to turn a stale handle into an inode, and for ".." to find the way up from it: no
        // negative answer to keep there.
        bool byName = !name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8);
        Errno error = _fs.Lookup(Inode(header.Node), name, out Attributes attributes);
        return error == Errno.ENOENT && byName
            ? _reply.Put(0, EntryOut.Absent(_session.NegativeValidity))
            : PutEntry(error, attributes);
    }

    private int Symlink(in RequestHeader header, ref BodyReader body)
    {
        if (_extensionsBad || !body.TryReadName(out ReadOnlySpan<byte> name) || !body.TryReadString(out ReadOnlySpan<byte> target))
        {
            return Malformed;
        }

        Errno error = _fs.Symlink(
            CallerOf(header), Inode(header.Node), name, target, InitialXattrs, out Attributes attributes);
        return PutEntry(error, attributes);
    }

    private int MakeNode(in RequestHeader header, ref BodyReader body)
    {
        if (_extensionsBad || !body.TryRead(out MkNodIn request) || !body.TryReadName(out ReadOnlySpan<byte> name))
        {
            return Malformed;
        }

        Errno error = _fs.MakeNode(
            CallerOf(header, request.Umask), Inode(header.Node), name, request.Mode, request.Rdev, InitialXattrs, out Attributes attributes);
        return PutEntry(error, attributes);
    }

    private int MakeDirectory(in RequestHeader header, ref BodyReader body)
    {
        if (_extensionsBad || !body.TryRead(out MkDirIn request) || !body.TryReadName(out ReadOnlySpan<byte> name))
        {
            return Malformed;
        }

        Errno error = _fs.MakeDirectory(
            CallerOf(header, request.Umask), Inode(header.Node), name, request.Mode & PermissionMask, InitialXattrs, out Attributes attributes);
        return PutEntry(error, attributes);
    }

    private int Unlink(in RequestHeader header, ref BodyReader body) =>
        body.TryReadName(out ReadOnlySpan<byte> name) ? Fail(_fs.Unlink(Inode(header.Node), name)) : Malformed;

    private int RemoveDirectory(in RequestHeader header, ref BodyReader body) =>
        body.TryReadName(out ReadOnlySpan<byte> name) ? Fail(_fs.RemoveDirectory(Inode(header.Node), name)) : Malformed;

    private int Rename(in RequestHeader header, ref BodyReader body) =>
        body.TryRead(out RenameIn request) ? Rename(header, ref body, request.NewParent, RenameMode.None) : Malformed;

    private int Rename2(in RequestHeader header, ref BodyReader body) =>
        body.TryRead(out Rename2In request) && ((RenameMode)request.Flags & ~KnownRenameModes) == 0
            ? Rename(header, ref body, request.NewParent, (RenameMode)request.Flags)
            : Malformed;

    private int Rename(in RequestHeader header, ref BodyReader body, ulong newParent, RenameMode mode)
    {
        if (!body.TryReadName(out ReadOnlySpan<byte> name) || !body.TryReadName(out ReadOnlySpan<byte> newName))
        {
            return Malformed;
        }

        return Fail(_fs.Rename(CallerOf(header), Inode(header.Node), name, Inode(newParent), newName, mode));
    }

    private int Link(in RequestHeader header, ref BodyReader body)
    {
        if (!body.TryRead(out LinkIn request) || !body.TryReadName(out ReadOnlySpan<byte> name))
        {
            return Malformed;
        }

        Errno error = _fs.Link(Inode(request.Node), Inode(header.Node), name, out Attributes attributes);
        return PutEntry(error, attributes);
    }

    private int ReadLink(in RequestHeader header)
    {
        Errno error = _fs.ReadLink(Inode(header.Node), _reply.Payload[..LongestTarget], out int length);
        return error != Errno.OK ? Fail(error)
            : (uint)length > LongestTarget ? Fail(Errno.EIO)
            : length;
    }

    // Directories need no handle. Where the kernel offers it, ENOSYS makes it open them by itself from now on and
    // cache their entries.
    private int OpenDirectory() => _session.Agreement.Has(InitFlags.NoOpenDir)
        ? NotSupported
        : _reply.Put(0, new OpenOut(0, OpenReply.KeepCache | OpenReply.CacheDirectory, 0));

    private int ReadDirectory(in RequestHeader header, ref BodyReader body, bool plus)
    {
        if (!body.TryRead(out ReadIn request))
        {
            return Malformed;
        }

        int limit = (int)Math.Min(request.Size, (uint)_reply.Payload.Length);
        _directory.Start(limit, plus, _session.EntryValidity, _session.AttributeValidity);
        Errno error = _fs.ReadDirectory(Inode(header.Node), request.Offset, plus, _directory);

        // What was listed before a failure is sent: its inodes are counted as looked up. The failure comes again, alone,
        // when the kernel asks for what follows. Not one entry fitted: an empty reply would say "end of the directory".
        return _directory.Length > 0 ? _directory.Length
            : error != Errno.OK ? Fail(error)
            : _directory.Full ? Malformed
            : 0;
    }

    private int CreateTemporary(in RequestHeader header, ref BodyReader body)
    {
        if (_extensionsBad || !body.TryRead(out CreateIn request))
        {
            return Malformed;
        }

        Errno error = _fs.CreateTemporary(
            CallerOf(header, request.Umask), Inode(header.Node), request.Mode & PermissionMask, Translate(request.Flags, request.OpenFlags),
            InitialXattrs, out Attributes attributes, out ulong handle);
        return PutCreated(error, attributes, handle);
    }

    private int Create(in RequestHeader header, ref BodyReader body)
    {
        if (_extensionsBad || !body.TryRead(out CreateIn request) || !body.TryReadName(out ReadOnlySpan<byte> name))
        {
            return Malformed;
        }

        Errno error = _fs.Create(
            CallerOf(header, request.Umask), Inode(header.Node), name, request.Mode & PermissionMask,
            Translate(request.Flags, request.OpenFlags), InitialXattrs, out Attributes attributes, out ulong handle);
        return PutCreated(error, attributes, handle);
    }

    private int PutCreated(Errno error, in Attributes attributes, ulong handle)
    {
        int length = PutEntry(error, attributes);
        return length < 0 ? length : _reply.Put(Unsafe.SizeOf<EntryOut>(), new OpenOut(handle, FileReply, 0));
    }
}
