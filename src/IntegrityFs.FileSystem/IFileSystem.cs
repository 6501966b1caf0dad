using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>Who asks: from the request's header.</summary>
public readonly record struct Caller(uint Uid, uint Gid, uint Pid, uint Umask);

/// <summary>What stat(2) and statx(2) show.</summary>
public struct Attributes
{
    public InodeNumber Inode;
    public ulong Generation;
    public uint Mode;
    public uint Links;
    public uint Uid;
    public uint Gid;

    /// <summary>Device number of a device node, new_encode_dev form.</summary>
    public uint Rdev;

    /// <summary>Inode flags (FS_*_FL).</summary>
    public uint Flags;

    public long Size;

    /// <summary>Allocated space in units of 512 bytes.</summary>
    public long Blocks;
    public int BlockSize;
    public Timestamp Atime;
    public Timestamp Mtime;
    public Timestamp Ctime;
    public Timestamp Btime;
}

/// <summary>Which attributes <see cref="IFileSystem.SetAttributes"/> changes.</summary>
[Flags]
public enum AttributeMask
{
    None = 0,
    Mode = 1,
    Uid = 2,
    Gid = 4,
    Size = 8,
    Atime = 16,
    Mtime = 32,
    AtimeNow = 64,
    MtimeNow = 128,
    Ctime = 256,

    /// <summary>Also clear set-user-id and set-group-id and drop security.capability (FATTR_KILL_SUIDGID).</summary>
    KillPrivileges = 512,
}

/// <summary>New values for <see cref="IFileSystem.SetAttributes"/>.</summary>
public struct AttributeChange
{
    public AttributeMask Mask;
    public uint Mode;
    public uint Uid;
    public uint Gid;
    public long Size;
    public Timestamp Atime;
    public Timestamp Mtime;
    public Timestamp Ctime;
}

/// <summary>statfs(2).</summary>
public readonly record struct FileSystemStatistics(
    int BlockSize, long Blocks, long FreeBlocks, long Files, long FreeFiles, int NameLength);

/// <summary>Extended attributes to be set in the same transaction that creates an inode (security labels).
/// The memory is the caller's, valid during the call.</summary>
public interface IInitialXattrs
{
    /// <summary>How many.</summary>
    int Count { get; }

    /// <summary>Name of the i-th.</summary>
    ReadOnlySpan<byte> Name(int index);

    /// <summary>Value of the i-th.</summary>
    ReadOnlySpan<byte> Value(int index);
}

/// <summary>How a file is opened or created.</summary>
[Flags]
public enum OpenMode
{
    None = 0,
    Read = 1,
    Write = 2,
    Append = 4,
    Truncate = 8,

    /// <summary>Each write is durable before it returns (O_SYNC, O_DSYNC).</summary>
    Synchronous = 16,

    /// <summary>Fail where the name exists (O_EXCL; create only).</summary>
    Exclusive = 32,

    /// <summary>A truncating open is to clear set-id bits.</summary>
    KillPrivileges = 64,
}

/// <summary>rename(2) flags.</summary>
[Flags]
public enum RenameMode
{
    None = 0,
    NoReplace = 1,
    Exchange = 2,
    Whiteout = 4,
}

/// <summary>setxattr(2) flags.</summary>
public enum XattrMode
{
    Any = 0,
    Create = 1,
    Replace = 2,
}

/// <summary>fallocate(2) mode bits, as the system call has them.</summary>
[Flags]
public enum FallocateMode
{
    None = 0,
    KeepSize = 1,
    PunchHole = 2,
    ZeroRange = 16,
}

/// <summary>What a sync is for.</summary>
public enum SyncKind
{
    /// <summary>fsync(2) or fdatasync(2) of a file.</summary>
    File,

    /// <summary>fsync(2) of a directory.</summary>
    Directory,

    /// <summary>syncfs(2).</summary>
    FileSystem,
}

/// <summary>One sync among several.</summary>
/// <param name="Kind">What for.</param>
/// <param name="Inode">The file or directory; the root for the whole file system.</param>
/// <param name="DataOnly">fdatasync(2).</param>
public readonly record struct SyncRequest(SyncKind Kind, InodeNumber Inode, bool DataOnly);

/// <summary>Receives directory entries inside <see cref="IFileSystem.ReadDirectory"/>.</summary>
public interface IDirectorySink
{
    /// <summary>One entry ("." and ".." come first). <paramref name="attributes"/> is filled where they were asked for
    /// (Mode is 0 where the inode could not be read). <paramref name="type"/> is DT_*. False refuses the entry and ends
    /// the listing. An entry that was taken with its attributes, and is neither "." nor "..", counts as a lookup, also where
    /// the listing then fails.</summary>
    bool Add(ReadOnlySpan<byte> name, InodeNumber inode, byte type, ulong nextCookie, in Attributes attributes);
}

/// <summary>
/// POSIX operations by inode number: what FUSE, the crash harness and its model share. Thread safe, synchronous.
/// <para>Results are <see cref="Errno"/>; no exception leaves it (device and integrity errors become EIO, are logged
/// once with block, inode and path, and counted). Permission checks are the kernel's (default_permissions). Names are
/// byte strings; ENAMETOOLONG above 255. Everything a call changes is one atomic operation, but a write may split at
/// block boundaries.</para>
/// <para>Each inode has a lookup count: Lookup, Symlink, MakeNode, MakeDirectory, Link, Create and CreateTemporary, where they
/// answer OK, and each entry of a listing with attributes add one to it; <see cref="Forget"/> takes back. An inode without a
/// name stays, readable and writable, while its count is above 0 or a handle is open; then it is destroyed.</para>
/// </summary>
public interface IFileSystem
{
    /// <summary>"." names <paramref name="parent"/> itself, whatever it is; ".." is not in a removed directory.</summary>
    Errno Lookup(InodeNumber parent, ReadOnlySpan<byte> name, out Attributes attributes);

    /// <summary>Takes <paramref name="count"/> lookups of an inode back, or as many as there are (ulong.MaxValue: all). Of
    /// the root nothing is counted.</summary>
    void Forget(InodeNumber inode, ulong count);
    Errno GetAttributes(InodeNumber inode, out Attributes attributes);
    Errno SetAttributes(in Caller caller, InodeNumber inode, in AttributeChange change, out Attributes attributes);
    Errno ReadLink(InodeNumber inode, Span<byte> target, out int length);
    Errno Symlink(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, IInitialXattrs? xattrs, out Attributes attributes);
    Errno MakeNode(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, uint rdev, IInitialXattrs? xattrs, out Attributes attributes);
    Errno MakeDirectory(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, IInitialXattrs? xattrs, out Attributes attributes);
    Errno Unlink(InodeNumber parent, ReadOnlySpan<byte> name);
    Errno RemoveDirectory(InodeNumber parent, ReadOnlySpan<byte> name);
    Errno Rename(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, InodeNumber newParent, ReadOnlySpan<byte> newName, RenameMode mode);
    Errno Link(InodeNumber inode, InodeNumber newParent, ReadOnlySpan<byte> newName, out Attributes attributes);

    /// <summary>Opens a regular file; <paramref name="handle"/> goes back in every call on it until Release.</summary>
    Errno Open(in Caller caller, InodeNumber inode, OpenMode mode, out ulong handle);
    Errno Create(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle);

    /// <summary>O_TMPFILE: a nameless file in the directory's file system.</summary>
    Errno CreateTemporary(in Caller caller, InodeNumber parent, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle);
    Errno Read(ulong handle, InodeNumber inode, long offset, Span<byte> buffer, out int read);

    /// <summary>A queue of reads for one thread; null where the volume has none. Not to be used once the file system is
    /// destroyed, only disposed.</summary>
    /// <param name="capacity">Reads at once, 1 to 16.</param>
    IReadQueue? TryOpenReadQueue(int capacity) => null;

    /// <summary><paramref name="killPrivileges"/>: clear set-id bits and security.capability, in the same operation.</summary>
    Errno Write(ulong handle, InodeNumber inode, long offset, ReadOnlySpan<byte> data, bool killPrivileges, out int written);
    Errno Flush(ulong handle, InodeNumber inode);
    Errno Release(ulong handle, InodeNumber inode);
    Errno Sync(InodeNumber inode, bool dataOnly);
    Errno SyncDirectory(InodeNumber inode, bool dataOnly);
    Errno SyncFileSystem();

    /// <summary>Several syncs that arrived while another one ran: each gets its answer, in order. One commit serves them
    /// all, where the file system can do that.</summary>
    /// <param name="requests">What is to be durable; everything done before the call.</param>
    /// <param name="answers">As many as requests.</param>
    void SyncTogether(ReadOnlySpan<SyncRequest> requests, Span<Errno> answers)
    {
        for (int i = 0; i < requests.Length; i++)
        {
            SyncRequest request = requests[i];
            answers[i] = request.Kind switch
            {
                SyncKind.FileSystem => SyncFileSystem(),
                SyncKind.Directory => SyncDirectory(request.Inode, request.DataOnly),
                _ => Sync(request.Inode, request.DataOnly),
            };
        }
    }

    /// <summary>Entries after <paramref name="cookie"/>; 0 starts with ".".</summary>
    Errno ReadDirectory(InodeNumber directory, ulong cookie, bool withAttributes, IDirectorySink sink);
    Errno GetStatistics(out FileSystemStatistics statistics);

    /// <summary>Empty <paramref name="value"/>: asks for the length.</summary>
    Errno GetXattr(InodeNumber inode, ReadOnlySpan<byte> name, Span<byte> value, out int length);
    Errno SetXattr(InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrMode mode, bool killSetGid);
    Errno ListXattr(InodeNumber inode, Span<byte> names, out int length);
    Errno RemoveXattr(InodeNumber inode, ReadOnlySpan<byte> name);
    Errno Fallocate(ulong handle, InodeNumber inode, long offset, long length, FallocateMode mode);

    /// <summary>lseek(2): SEEK_DATA, or SEEK_HOLE where <paramref name="hole"/>.</summary>
    Errno Seek(InodeNumber inode, long offset, bool hole, out long result);
    Errno CopyRange(InodeNumber source, long sourceOffset, InodeNumber target, long targetOffset, long length, out long copied);

    /// <summary>The mount goes away: orphans are destroyed, everything is durable.</summary>
    void Destroy();
}
