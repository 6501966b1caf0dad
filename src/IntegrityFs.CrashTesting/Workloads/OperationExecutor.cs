// Promise: runs an operation on any IFileSystem the way the kernel would send it: names are looked up, files opened and
// released, an inode without a name is forgotten when nobody holds it. Nothing here syncs unless the operation says so.
using System.Text;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>What an operation did.</summary>
/// <param name="Error">The error, or OK.</param>
/// <param name="Created">The inode that it created, or none.</param>
/// <param name="Done">Bytes written or copied.</param>
internal readonly record struct OperationResult(Errno Error, InodeNumber Created, long Done);

/// <summary>Executes operations on one file system and keeps their named handles.</summary>
internal sealed class OperationExecutor(IFileSystem files)
{
    private static readonly Caller s_caller = new(1000, 1000, 1, 0);
    private readonly Dictionary<string, (ulong Handle, InodeNumber Inode)> _handles = [];

    public OperationResult Execute(Operation op) => op.Verb switch
    {
        Verb.Create or Verb.MakeDirectory or Verb.MakeNode or Verb.Symlink or Verb.CreateOpen => Add(op),
        Verb.Link or Verb.HandleLink => Link(op),
        Verb.Unlink or Verb.RemoveDirectory or Verb.Rename => ChangeName(op),
        Verb.Open or Verb.Temporary => OpenHandle(op),
        Verb.Close => Close(op),
        Verb.Write or Verb.WriteSync or Verb.Append or Verb.Allocate => WithFile(op),
        Verb.HandleWrite or Verb.HandleAllocate or Verb.HandleSync or Verb.HandleTruncate => WithHandle(op),
        Verb.Copy => Copy(op),
        Verb.SyncAll => new OperationResult(files.SyncFileSystem(), default, 0),
        Verb.Checkpoint or Verb.Remount => default,
        _ => ChangeInode(op),
    };

    /// <summary>The power fails: handles are gone and nobody was told.</summary>
    public void DropHandles() => _handles.Clear();

    /// <summary>Closes every handle.</summary>
    public void CloseAll()
    {
        foreach (string name in _handles.Keys.ToArray())
        {
            Close(new Operation { Verb = Verb.Close, Path = name });
        }
    }

    private OperationResult Add(Operation op)
    {
        string path = op.Verb == Verb.CreateOpen ? op.Other : op.Path;
        Errno error = Parent(path, out InodeNumber parent, out byte[] name);
        if (error != Errno.OK)
        {
            return new OperationResult(error, default, 0);
        }

        Attributes attributes;
        uint mode = op.Mode == 0 ? op.Verb == Verb.MakeDirectory ? 0x1EDu : 0x1A4u : op.Mode;
        switch (op.Verb)
        {
            case Verb.MakeDirectory:
                error = files.MakeDirectory(s_caller, parent, name, mode, null, out attributes);
                break;
            case Verb.Symlink:
                error = files.Symlink(s_caller, parent, name, Encoding.UTF8.GetBytes(op.Other), null, out attributes);
                break;
            case Verb.MakeNode:
                error = files.MakeNode(s_caller, parent, name, NodeType(op.Kind) | 0x1A4, (uint)op.Length, null, out attributes);
                break;
            default:
                error = files.Create(s_caller, parent, name, mode, OpenMode.Read | OpenMode.Write | OpenMode.Exclusive, null, out attributes, out ulong handle);
                if (error == Errno.OK && op.Verb == Verb.CreateOpen)
                {
                    _handles[op.Path] = (handle, attributes.Inode);
                }
                else if (error == Errno.OK)
                {
                    files.Release(handle, attributes.Inode);
                }

                break;
        }

        return new OperationResult(error, error == Errno.OK ? attributes.Inode : default, 0);
    }

    private OperationResult Link(Operation op)
    {
        InodeNumber inode;
        Errno error = Errno.OK;
        if (op.Verb == Verb.HandleLink)
        {
            if (!_handles.TryGetValue(op.Path, out (ulong, InodeNumber Inode) handle))
            {
                return new OperationResult(Errno.EBADF, default, 0);
            }

            inode = handle.Inode;
        }
        else
        {
            error = Resolve(op.Path, out inode);
        }

        if (error == Errno.OK)
        {
            error = Parent(op.Other, out InodeNumber parent, out byte[] name);
            error = error == Errno.OK ? files.Link(inode, parent, name, out _) : error;
        }

        return new OperationResult(error, default, 0);
    }

    private OperationResult ChangeName(Operation op)
    {
        Errno error = Parent(op.Path, out InodeNumber parent, out byte[] name);
        if (error != Errno.OK)
        {
            return new OperationResult(error, default, 0);
        }

        InodeNumber created = default;
        InodeNumber victim;
        if (op.Verb == Verb.Rename)
        {
            error = Parent(op.Other, out InodeNumber newParent, out byte[] newName);
            if (error != Errno.OK)
            {
                return new OperationResult(error, default, 0);
            }

            files.Lookup(newParent, newName, out Attributes replaced);
            victim = replaced.Inode;
            error = files.Rename(s_caller, parent, name, newParent, newName, RenameModeOf(op.Kind));
            if (op.Kind == "whiteout" && error == Errno.OK && files.Lookup(parent, name, out Attributes whiteout) == Errno.OK)
            {
                created = whiteout.Inode;
            }
        }
        else
        {
            files.Lookup(parent, name, out Attributes removed);
            victim = removed.Inode;
            error = op.Verb == Verb.Unlink ? files.Unlink(parent, name) : files.RemoveDirectory(parent, name);
        }

        if (error == Errno.OK && victim != InodeNumber.None)
        {
            ForgetUnused(victim);
        }

        return new OperationResult(error, created, 0);
    }

    private OperationResult OpenHandle(Operation op)
    {
        Errno error = Resolve(op.Other, out InodeNumber inode);
        if (error != Errno.OK)
        {
            return new OperationResult(error, default, 0);
        }

        const OpenMode readWrite = OpenMode.Read | OpenMode.Write;
        ulong handle;
        InodeNumber created = default;
        if (op.Verb == Verb.Temporary)
        {
            error = files.CreateTemporary(s_caller, inode, 0x1A4, readWrite, null, out Attributes attributes, out handle);
            created = inode = attributes.Inode;
        }
        else
        {
            error = files.Open(s_caller, inode, readWrite | (op.Kind == "trunc" ? OpenMode.Truncate : 0), out handle);
        }

        if (error == Errno.OK)
        {
            _handles[op.Path] = (handle, inode);
        }

        return new OperationResult(error, created, 0);
    }

    private OperationResult Close(Operation op)
    {
        if (!_handles.Remove(op.Path, out (ulong Handle, InodeNumber Inode) open))
        {
            return new OperationResult(Errno.EBADF, default, 0);
        }

        files.Flush(open.Handle, open.Inode);
        files.Release(open.Handle, open.Inode);
        ForgetUnused(open.Inode);
        return default;
    }

    private OperationResult WithFile(Operation op)
    {
        Errno error = Resolve(op.Path, out InodeNumber inode);
        if (error != Errno.OK)
        {
            return new OperationResult(error, default, 0);
        }

        OpenMode mode = OpenMode.Read | OpenMode.Write | (op.Verb == Verb.WriteSync ? OpenMode.Synchronous : 0)
            | (op.Verb == Verb.Append ? OpenMode.Append : 0);
        error = files.Open(s_caller, inode, mode, out ulong handle);
        if (error != Errno.OK)
        {
            return new OperationResult(error, default, 0);
        }

        OperationResult result = OnHandle(op, handle, inode);
        files.Flush(handle, inode);
        files.Release(handle, inode);
        return result;
    }

    private OperationResult WithHandle(Operation op) => _handles.TryGetValue(op.Path, out (ulong Handle, InodeNumber Inode) open)
        ? OnHandle(op, open.Handle, open.Inode)
        : new OperationResult(Errno.EBADF, default, 0);

    private OperationResult OnHandle(Operation op, ulong handle, InodeNumber inode)
    {
        switch (op.Verb)
        {
            case Verb.Allocate or Verb.HandleAllocate:
                return new OperationResult(files.Fallocate(handle, inode, op.Offset, op.Length, AllocateModeOf(op.Kind)), default, 0);
            case Verb.HandleSync:
                return new OperationResult(files.Sync(inode, false), default, 0);
            case Verb.HandleTruncate:
                return new OperationResult(SetSize(inode, op.Length), default, 0);
            default:
                long offset = op.Offset;
                if (op.Verb == Verb.Append && files.GetAttributes(inode, out Attributes attributes) == Errno.OK)
                {
                    offset = attributes.Size;
                }

                byte[] data = ContentPattern.Create(op.Seed, offset, op.Length);
                Errno error = files.Write(handle, inode, offset, data, false, out int written);
                return new OperationResult(error, default, written);
        }
    }

    private OperationResult Copy(Operation op)
    {
        Errno error = Resolve(op.Path, out InodeNumber source);
        error = error == Errno.OK ? Resolve(op.Other, out InodeNumber target) : Failed(error, out target);
        long copied = 0;
        error = error == Errno.OK
            ? files.CopyRange(source, op.Offset, target, op.OtherOffset, op.Length, out copied)
            : error;
        return new OperationResult(error, default, copied);

        static Errno Failed(Errno reason, out InodeNumber none)
        {
            none = default;
            return reason;
        }
    }

    private OperationResult ChangeInode(Operation op)
    {
        Errno error = Resolve(op.Path, out InodeNumber inode);
        if (error == Errno.OK)
        {
            byte[] name = Encoding.UTF8.GetBytes(op.Name);
            error = op.Verb switch
            {
                Verb.Truncate => SetSize(inode, op.Length),
                Verb.SetXattr => files.SetXattr(inode, name, ContentPattern.Create(op.Seed, 0, op.Length), XattrMode.Any, false),
                Verb.RemoveXattr => files.RemoveXattr(inode, name),
                Verb.ChangeMode => Set(inode, new AttributeChange { Mask = AttributeMask.Mode, Mode = op.Mode }),
                Verb.ChangeOwner => Set(inode, new AttributeChange { Mask = AttributeMask.Uid | AttributeMask.Gid, Uid = op.Mode, Gid = op.Group }),
                Verb.SetTimes => Set(inode, new AttributeChange { Mask = AttributeMask.Atime | AttributeMask.Mtime, Atime = new Timestamp(op.Offset, 1), Mtime = new Timestamp(op.OtherOffset, 999_999_999) }),
                _ => SyncInode(inode, op.Verb == Verb.DataSync),
            };
        }

        return new OperationResult(error, default, 0);
    }

    private Errno SyncInode(InodeNumber inode, bool dataOnly)
    {
        Errno error = files.GetAttributes(inode, out Attributes attributes);
        return error != Errno.OK ? error
            : (attributes.Mode & 0xF000) == FileTypes.Directory ? files.SyncDirectory(inode, dataOnly)
            : files.Sync(inode, dataOnly);
    }

    private Errno SetSize(InodeNumber inode, long size) =>
        Set(inode, new AttributeChange { Mask = AttributeMask.Size, Size = size });

    private Errno Set(InodeNumber inode, in AttributeChange change) => files.SetAttributes(s_caller, inode, change, out _);

    private void ForgetUnused(InodeNumber inode)
    {
        bool open = _handles.Values.Any(handle => handle.Inode == inode);
        if (!open && (files.GetAttributes(inode, out Attributes attributes) != Errno.OK || attributes.Links == 0))
        {
            files.Forget(inode, ulong.MaxValue);
        }
    }

    private Errno Parent(string path, out InodeNumber parent, out byte[] name)
    {
        int slash = path.LastIndexOf('/');
        name = Encoding.UTF8.GetBytes(path[(slash + 1)..]);
        return Resolve(slash < 0 ? "" : path[..slash], out parent);
    }

    private Errno Resolve(string path, out InodeNumber inode)
    {
        inode = InodeNumber.Root;
        foreach (string part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            Errno error = files.Lookup(inode, Encoding.UTF8.GetBytes(part), out Attributes attributes);
            if (error != Errno.OK)
            {
                return error;
            }

            inode = attributes.Inode;
        }

        return Errno.OK;
    }

    private static uint NodeType(string kind) => kind switch
    {
        "fifo" => FileTypes.Fifo,
        "char" => FileTypes.Character,
        "block" => FileTypes.Block,
        "file" => FileTypes.Regular,
        _ => FileTypes.Socket,
    };

    private static RenameMode RenameModeOf(string kind) => kind switch
    {
        "noreplace" => RenameMode.NoReplace,
        "exchange" => RenameMode.Exchange,
        "whiteout" => RenameMode.Whiteout,
        _ => RenameMode.None,
    };

    private static FallocateMode AllocateModeOf(string kind) => kind switch
    {
        "keep" => FallocateMode.KeepSize,
        "punch" => FallocateMode.PunchHole | FallocateMode.KeepSize,
        "zero" => FallocateMode.ZeroRange,
        "zerokeep" => FallocateMode.ZeroRange | FallocateMode.KeepSize,
        _ => FallocateMode.None,
    };
}
