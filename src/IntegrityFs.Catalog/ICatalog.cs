using IntegrityFs.Format;

namespace IntegrityFs.Catalog;

/// <summary>
/// Inodes, directory entries, extended attributes, symlinks, orphans and file content on one volume: typed, atomic,
/// without permissions or POSIX rules, which are the floor above.
/// <para>Reading members need a scope: <see cref="EnterRead"/>, or inside <see cref="BeginWrite"/>. Members marked
/// "own scope" enter their own scopes, perhaps several (each a transaction of its own that leaves a consistent state),
/// and must be called outside any.</para>
/// <para>Names are 1 to 255 bytes without '/' and NUL; the floor above has checked that.</para>
/// <para>Errors: expected outcomes as <see cref="Errno"/>; a bad block as <see cref="IntegrityException"/>, a failed
/// device as <see cref="DeviceException"/>, an impossible structure as <see cref="CorruptFormatException"/>.</para>
/// </summary>
public interface ICatalog
{
    /// <summary>Bytes in a block.</summary>
    int BlockSize { get; }

    /// <summary>True where every change is refused.</summary>
    bool IsReadOnly { get; }

    /// <summary>Identity of the volume.</summary>
    Guid Uuid { get; }

    /// <summary>Largest file size in bytes.</summary>
    long MaxFileSize { get; }

    /// <summary>Counters; needs no scope.</summary>
    CatalogStatistics Statistics { get; }

    /// <summary>Enters a shared scope.</summary>
    CatalogReadScope EnterRead();

    /// <summary>Enters the exclusive scope of one atomic operation that makes at most <paramref name="changes"/>
    /// changes of items (each Put, Add, Remove, Replace or Set below counts one; a symlink target or xattr value counts
    /// one more per 512 bytes, a replaced xattr those of the longer of both values). ENOSPC or EROFS before anything is changed.</summary>
    Errno BeginWrite(int changes, out CatalogOperation operation);

    /// <summary>As <see cref="BeginWrite"/>, for an operation that adds nothing but, at most, one orphan record: it
    /// removes, and replaces inodes and entries that exist. It may use the blocks that are kept for this, so that deleting
    /// and changing attributes work on a full volume.</summary>
    Errno BeginRemoval(int changes, out CatalogOperation operation) => BeginWrite(changes, out operation);

    // ---- reading, inside any scope ----

    /// <summary>For messages: where in the file a block of its content lies, looked for from a byte on. False where it is
    /// not found near there.</summary>
    bool TryFindBlock(InodeNumber inode, long from, BlockNumber block, out long offset)
    {
        offset = -1;
        return false;
    }

    /// <summary>The inode; false where there is none.</summary>
    bool TryGetInode(InodeNumber inode, out InodeRecord record);

    /// <summary>The entry of a name; false where there is none.</summary>
    bool TryLookup(InodeNumber directory, ReadOnlySpan<byte> name, out Dentry entry);

    /// <summary>Visits the entries (without "." and "..") after position <paramref name="cookie"/> (0 is the start) until
    /// the visitor refuses one or the end is reached. Cookies are 1 .. 2^62 and stable while entries come and go: an entry present
    /// throughout is seen exactly once.</summary>
    void ReadDirectory(InodeNumber directory, ulong cookie, IDentryVisitor visitor);

    /// <summary>True where the directory has no entry.</summary>
    bool IsEmptyDirectory(InodeNumber directory);

    /// <summary>Some name of <paramref name="child"/> in <paramref name="directory"/>, for messages; a scan.</summary>
    bool TryFindName(InodeNumber directory, InodeNumber child, Span<byte> name, out int length);

    /// <summary>Length of the value, copied to <paramref name="value"/> where that is not empty; ENODATA, ERANGE.</summary>
    Errno GetXattr(InodeNumber inode, ReadOnlySpan<byte> name, Span<byte> value, out int length);

    /// <summary>All names, each with a NUL behind it, as listxattr(2); ERANGE where they do not fit. An empty
    /// <paramref name="names"/> asks for the length.</summary>
    Errno ListXattr(InodeNumber inode, Span<byte> names, out int length);

    /// <summary>The target of a symlink (1 .. 4095 bytes); ENOENT.</summary>
    Errno ReadSymlink(InodeNumber inode, Span<byte> target, out int length);

    /// <summary>Reads content: fills <paramref name="buffer"/> up to the end of the file, holes as zeroes; returns the
    /// bytes read.</summary>
    int ReadContent(InodeNumber inode, in InodeRecord record, long offset, Span<byte> buffer);

    /// <summary>A queue of reads for one thread, to be disposed before the volume; null where the device has none.</summary>
    /// <param name="capacity">Reads at once, 1 to 16.</param>
    CatalogReadQueue? TryOpenReadQueue(int capacity) => null;

    /// <summary>lseek(2) SEEK_DATA or SEEK_HOLE: ENXIO at or after the end of the file, or where no data follows.</summary>
    Errno SeekContent(InodeNumber inode, in InodeRecord record, long offset, bool hole, out long result);

    /// <summary>Visits orphans; for start-up and checking.</summary>
    bool TryNextOrphan(InodeNumber after, out InodeNumber orphan);

    // ---- own scope ----

    /// <summary>Writes content and grows the size. May split into several transactions at block boundaries;
    /// <paramref name="written"/> tells how much of it was done (less than all only with an error).</summary>
    Errno WriteContent(InodeNumber inode, long offset, ReadOnlySpan<byte> data, in ContentChange change, out int written);

    /// <summary>Sets the size: what lies beyond is freed, what is added reads as zeroes. The size changes atomically; a
    /// crash in the middle frees the rest at the next open.</summary>
    Errno Truncate(InodeNumber inode, long size, in ContentChange change);

    /// <summary>fallocate(2).</summary>
    Errno Allocate(InodeNumber inode, long offset, long length, AllocateMode mode, in ContentChange change);

    /// <summary>Frees everything that an inode owns, its orphan record and the inode.</summary>
    void Destroy(InodeNumber inode);

    /// <summary>Returns after all that was completed before the call is durable.</summary>
    void Sync();
}

/// <summary>One atomic operation in the exclusive scope. Dispose without <see cref="Complete"/> undoes it.</summary>
public abstract class CatalogOperation : IDisposable
{
    /// <summary>A number never used before.</summary>
    public abstract InodeNumber NewInode();

    /// <summary>Creates or replaces an inode.</summary>
    public abstract void PutInode(InodeNumber inode, in InodeRecord record);

    /// <summary>Adds a name: EEXIST, or ENOSPC where too many names share one hash.</summary>
    public abstract Errno AddDentry(InodeNumber directory, ReadOnlySpan<byte> name, Dentry entry);

    /// <summary>Makes an existing name mean another inode: ENOENT.</summary>
    public abstract Errno ReplaceDentry(InodeNumber directory, ReadOnlySpan<byte> name, Dentry entry);

    /// <summary>Removes a name: ENOENT.</summary>
    public abstract Errno RemoveDentry(InodeNumber directory, ReadOnlySpan<byte> name);

    /// <summary>Sets a symlink's target (once, at creation).</summary>
    public abstract void PutSymlink(InodeNumber inode, ReadOnlySpan<byte> target);

    /// <summary>Creates or replaces an extended attribute: ENOSPC, E2BIG (value above 65536 bytes).</summary>
    public abstract Errno PutXattr(InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value);

    /// <summary>Removes one: ENODATA.</summary>
    public abstract Errno RemoveXattr(InodeNumber inode, ReadOnlySpan<byte> name);

    /// <summary>Records that the inode has no name and is to be destroyed when nobody holds it.</summary>
    public abstract void AddOrphan(InodeNumber inode);

    /// <summary>Takes that back (a temporary file got a name).</summary>
    public abstract void RemoveOrphan(InodeNumber inode);

    /// <summary>The operation is whole.</summary>
    public abstract void Complete();

    /// <summary>Leaves the scope; undoes what was not completed.</summary>
    public abstract void Dispose();
}

/// <summary>A shared scope of the catalog; dispose leaves it.</summary>
public readonly struct CatalogReadScope : IDisposable
{
    private readonly IntegrityFs.Volume.ReadScope _scope;

    /// <summary>A scope of the volume underneath; the default value is a scope that needs no leaving.</summary>
    public CatalogReadScope(IntegrityFs.Volume.ReadScope scope) => _scope = scope;

    /// <inheritdoc/>
    public void Dispose() => _scope.Dispose();
}

/// <summary>Receives directory entries.</summary>
public interface IDentryVisitor
{
    /// <summary>One entry; <paramref name="cookie"/> is the position behind it. False refuses it and ends the visit.
    /// Called inside the scope: inodes may be read, nothing may be changed.</summary>
    bool Visit(ReadOnlySpan<byte> name, Dentry entry, ulong cookie);
}

/// <summary>What fallocate(2) is to do.</summary>
public enum AllocateMode
{
    /// <summary>Reserve blocks; grow the size.</summary>
    Extend,

    /// <summary>Reserve blocks; keep the size (FALLOC_FL_KEEP_SIZE).</summary>
    KeepSize,

    /// <summary>Make a hole; keep the size (FALLOC_FL_PUNCH_HOLE).</summary>
    PunchHole,

    /// <summary>Zero the range, keep blocks, grow the size (FALLOC_FL_ZERO_RANGE).</summary>
    ZeroRange,

    /// <summary>Zero the range, keep blocks and size.</summary>
    ZeroRangeKeepSize,
}
