// Promise: passes every request on and records those that change something or make changes durable, after they were done
// and before the answer leaves; so whatever the program does next is recorded later. Requests that conflict are serialized
// by the kernel's own locks, so their order in the record is the order in which they were done.
// This file: names and syncs. Content and attributes: RequestRecorder.Content.cs; what only reads: RequestRecorder.Reading.cs.
using System.Collections.Concurrent;
using System.Text;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>Decides which synchronisations fail, as the file system that is imitated would fail them.</summary>
public interface ISyncFaults
{
    /// <summary>True where this synchronisation is to report EIO.</summary>
    bool Strikes(RequestKind kind, InodeNumber inode);
}

/// <summary>A file system whose changes go to an event sink, too.</summary>
public sealed partial class RequestRecorder(IFileSystem inner, IEventSink sink, TimeProvider clock, ISyncFaults? faults = null) : IFileSystem
{
    private readonly ConcurrentDictionary<ulong, bool> _synchronous = [];

    /// <inheritdoc/>
    public Errno Symlink(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, IInitialXattrs? xattrs, out Attributes attributes)
    {
        Errno error = inner.Symlink(caller, parent, name, target, xattrs, out attributes);
        RecordNew(RequestKind.Symlink, error, parent, name, attributes, target, xattrs);
        return error;
    }

    /// <inheritdoc/>
    public Errno MakeNode(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, uint rdev, IInitialXattrs? xattrs, out Attributes attributes)
    {
        Errno error = inner.MakeNode(caller, parent, name, mode, rdev, xattrs, out attributes);
        RecordNew(RequestKind.MakeNode, error, parent, name, attributes, default, xattrs);
        return error;
    }

    /// <inheritdoc/>
    public Errno MakeDirectory(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, IInitialXattrs? xattrs, out Attributes attributes)
    {
        Errno error = inner.MakeDirectory(caller, parent, name, mode, xattrs, out attributes);
        RecordNew(RequestKind.MakeDirectory, error, parent, name, attributes, default, xattrs);
        return error;
    }

    /// <inheritdoc/>
    public Errno Create(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle)
    {
        // Create opens what exists already; only what is new is a creation.
        bool existed = TryFind(parent, name, out Attributes before);
        Errno error = inner.Create(caller, parent, name, permissions, open, xattrs, out attributes, out handle);
        Remember(error, handle, open);
        if (existed)
        {
            RecordTruncation(error, before, open);
        }
        else
        {
            RecordNew(RequestKind.Create, error, parent, name, attributes, default, xattrs);
        }

        return error;
    }

    /// <inheritdoc/>
    public Errno CreateTemporary(in Caller caller, InodeNumber parent, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle)
    {
        Errno error = inner.CreateTemporary(caller, parent, permissions, open, xattrs, out attributes, out handle);
        Remember(error, handle, open);
        RecordNew(RequestKind.CreateTemporary, error, parent, default, attributes, default, xattrs);
        return error;
    }

    /// <inheritdoc/>
    public Errno Unlink(InodeNumber parent, ReadOnlySpan<byte> name)
    {
        ulong inode = Find(parent, name);
        Errno error = inner.Unlink(parent, name);
        Record(new RecordedRequest { Kind = RequestKind.Unlink, Result = error, Inode = inode, Parent = parent.Value, Name = Text(name) });
        return error;
    }

    /// <inheritdoc/>
    public Errno RemoveDirectory(InodeNumber parent, ReadOnlySpan<byte> name)
    {
        ulong inode = Find(parent, name);
        Errno error = inner.RemoveDirectory(parent, name);
        Record(new RecordedRequest { Kind = RequestKind.RemoveDirectory, Result = error, Inode = inode, Parent = parent.Value, Name = Text(name) });
        return error;
    }

    /// <inheritdoc/>
    public Errno Rename(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, InodeNumber newParent, ReadOnlySpan<byte> newName, RenameMode mode)
    {
        ulong inode = Find(parent, name);
        Errno error = inner.Rename(caller, parent, name, newParent, newName, mode);
        Record(new RecordedRequest
        {
            Kind = RequestKind.Rename,
            Result = error,
            Inode = inode,
            Parent = parent.Value,
            Name = Text(name),
            NewParent = newParent.Value,
            NewName = Text(newName),
            Flags = (uint)mode,
        });
        if (error == Errno.OK && (mode & RenameMode.Whiteout) != 0 && TryFind(parent, name, out Attributes whiteout))
        {
            RecordNew(RequestKind.MakeNode, error, parent, name, whiteout, default, null);
        }

        return error;
    }

    /// <inheritdoc/>
    public Errno Link(InodeNumber inode, InodeNumber newParent, ReadOnlySpan<byte> newName, out Attributes attributes)
    {
        Errno error = inner.Link(inode, newParent, newName, out attributes);
        Record(new RecordedRequest { Kind = RequestKind.Link, Result = error, Inode = inode.Value, Parent = newParent.Value, Name = Text(newName) });
        return error;
    }

    /// <inheritdoc/>
    public Errno Sync(InodeNumber inode, bool dataOnly) => Synchronise(dataOnly ? RequestKind.SyncData : RequestKind.Sync, inode);

    /// <inheritdoc/>
    public Errno SyncDirectory(InodeNumber inode, bool dataOnly) => Synchronise(RequestKind.SyncDirectory, inode);

    /// <inheritdoc/>
    public Errno SyncFileSystem() => Synchronise(RequestKind.SyncAll, InodeNumber.Root);

    private Errno Synchronise(RequestKind kind, InodeNumber inode)
    {
        int before = sink.Requests;
        Errno error = faults?.Strikes(kind, inode) == true ? Errno.EIO : kind switch
        {
            RequestKind.SyncAll => inner.SyncFileSystem(),
            RequestKind.SyncDirectory => inner.SyncDirectory(inode, false),
            _ => inner.Sync(inode, kind == RequestKind.SyncData),
        };
        Record(new RecordedRequest { Kind = kind, Result = error, Inode = inode.Value, Offset = before });
        return error;
    }

    private ulong Find(InodeNumber parent, ReadOnlySpan<byte> name) =>
        TryFind(parent, name, out Attributes attributes) ? attributes.Inode.Value : 0;

    /// <summary>The kernel does not know of this lookup: it is taken back at once.</summary>
    private bool TryFind(InodeNumber parent, ReadOnlySpan<byte> name, out Attributes attributes)
    {
        bool found = inner.Lookup(parent, name, out attributes) == Errno.OK;
        if (found)
        {
            inner.Forget(attributes.Inode, 1);
        }

        return found;
    }

    private void Remember(Errno error, ulong handle, OpenMode mode)
    {
        if (error == Errno.OK)
        {
            _synchronous[handle] = (mode & OpenMode.Synchronous) != 0;
        }
    }

    private void RecordNew(RequestKind kind, Errno error, InodeNumber parent, ReadOnlySpan<byte> name, in Attributes attributes, ReadOnlySpan<byte> data, IInitialXattrs? xattrs)
    {
        Record(new RecordedRequest
        {
            Kind = kind,
            Result = error,
            Inode = attributes.Inode.Value,
            Parent = parent.Value,
            Name = Text(name),
            Mode = attributes.Mode,
            Uid = attributes.Uid,
            Gid = attributes.Gid,
            Rdev = attributes.Rdev,
            Data = data.ToArray(),
        });
        for (int i = 0; error == Errno.OK && i < (xattrs?.Count ?? 0); i++)
        {
            Record(new RecordedRequest
            {
                Kind = RequestKind.SetXattr,
                Inode = attributes.Inode.Value,
                NewName = Text(xattrs!.Name(i)),
                Data = xattrs.Value(i).ToArray(),
            });
        }
    }

    private void Record(RecordedRequest request)
    {
        // What changed nothing cannot be lost; a failed synchronisation is history.
        if (request.Result == Errno.OK || request.IsSync)
        {
            request = request with { Time = clock.GetUtcNow().ToUnixTimeSeconds() };
            sink.Append(new RecordingEvent(RecordingEventKind.Request, Request: request));
        }
    }

    private static string Text(ReadOnlySpan<byte> name) => Encoding.Latin1.GetString(name);
}
