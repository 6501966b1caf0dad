using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>Requests that matter to a crash: those that change something, and those that make changes durable.</summary>
public enum RequestKind : byte
{
    Create,
    CreateTemporary,
    MakeNode,
    MakeDirectory,
    Symlink,
    Link,
    Unlink,
    RemoveDirectory,
    Rename,
    Write,

    /// <summary>The size was set, by truncate(2) or by opening with O_TRUNC.</summary>
    Truncate,
    Fallocate,
    SetAttributes,
    SetXattr,
    RemoveXattr,

    /// <summary>The last descriptor of an open was closed.</summary>
    Close,
    Sync,
    SyncData,
    SyncDirectory,
    SyncAll,
}

/// <summary>One request of the kernel at the file system's door, with its outcome.</summary>
public sealed record RecordedRequest
{
    /// <summary>Place in the history of requests, from 1.</summary>
    public int Number { get; init; }

    /// <summary>What was asked.</summary>
    public required RequestKind Kind { get; init; }

    /// <summary>The outcome.</summary>
    public Errno Result { get; init; }

    /// <summary>The inode that was changed, created or synchronised.</summary>
    public ulong Inode { get; init; }

    /// <summary>The directory of the name.</summary>
    public ulong Parent { get; init; }

    /// <summary>The name; bytes as Latin-1.</summary>
    public string Name { get; init; } = "";

    /// <summary>The directory of the second name.</summary>
    public ulong NewParent { get; init; }

    /// <summary>The second name, or that of an extended attribute.</summary>
    public string NewName { get; init; } = "";

    /// <summary>Byte offset, where there is one. Of a synchronisation: the last request answered before it began, which is
    /// the last that it is sure to cover; 0 where nothing ran beside it.</summary>
    public long Offset { get; init; }

    /// <summary>Length, or the new size.</summary>
    public long Length { get; init; }

    /// <summary>Mode of a new inode, or what changed.</summary>
    public uint Mode { get; init; }

    /// <summary>Owner of a new inode.</summary>
    public uint Uid { get; init; }

    /// <summary>Group of a new inode.</summary>
    public uint Gid { get; init; }

    /// <summary>Device number of a new node.</summary>
    public uint Rdev { get; init; }

    /// <summary>rename(2) flags, fallocate(2) mode, or the attributes that were set.</summary>
    public uint Flags { get; init; }

    /// <summary>Written bytes, symlink target, or attribute value.</summary>
    public ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>Seconds since 1970 when the request was answered.</summary>
    public long Time { get; init; }

    /// <summary>True for a write through a descriptor with O_SYNC or O_DSYNC.</summary>
    public bool Synchronous { get; init; }

    /// <summary>True for fsync and its relatives.</summary>
    public bool IsSync => Kind >= RequestKind.Sync;
}
