using IntegrityFs.Format;

namespace IntegrityFs.Volume;

/// <summary>
/// The volume as the floor above sees it: verified blocks to read, and one operation at a time that changes blocks.
/// <para>Everything is done inside a scope: many readers (<see cref="EnterRead"/>) or one writer
/// (<see cref="Begin"/>). Scopes do not nest and are left by the thread that entered them.</para>
/// <para>Errors: <c>IntegrityException</c> for a block that is not authentic, <c>DeviceException</c> for a failed
/// device, <see cref="VolumeFaultedException"/> after an earlier write failed.</para>
/// </summary>
public interface IVolume
{
    /// <summary>Bytes in a block: 4096 to 65536, a power of two.</summary>
    int BlockSize { get; }

    /// <summary>Protected blocks of the volume.</summary>
    long TotalBlocks { get; }

    /// <summary>Blocks that can still be allocated. May be read without a scope.</summary>
    long FreeBlocks { get; }

    /// <summary>True where every change is refused: mounted read-only, or faulted.</summary>
    bool IsReadOnly { get; }

    /// <summary>Identity of the volume.</summary>
    Guid Uuid { get; }

    /// <summary>How many blocks one operation may change at most (allocated, modified and freed-bitmap blocks
    /// together). Larger work is split into several operations.</summary>
    int MaxOperationBlocks { get; }

    /// <summary>Bytes of <see cref="ReadRoot"/>: the area that the floor above keeps its own roots and counters in.</summary>
    int RootSize { get; }

    /// <summary>Enters a shared scope.</summary>
    ReadScope EnterRead();

    /// <summary>Enters the exclusive scope of one operation, which becomes durable or vanishes as a whole.</summary>
    /// <param name="blocks">Upper bound of the blocks that the operation will change, 1 .. <see cref="MaxOperationBlocks"/>.</param>
    /// <param name="allocations">Upper bound of the blocks that it will allocate.</param>
    /// <param name="operation">The operation; undefined where the result is not OK.</param>
    /// <returns>OK; ENOSPC where the allocations do not fit; EROFS where the volume is read-only.</returns>
    Errno Begin(int blocks, int allocations, out IVolumeOperation operation);

    /// <summary>Inside a scope: leases the verified content of a block, held in the cache until the lease is disposed.</summary>
    BlockLease Read(BlockNumber block, BlockPurpose purpose);

    /// <summary>Inside a scope: reads whole data blocks into <paramref name="destination"/> (Count × BlockSize bytes;
    /// fastest where its address is a multiple of 4096), verified, without filling the cache. With
    /// <paramref name="neighbours"/>, for content of small files, data blocks beside it come into the cache: the next
    /// file is likely to lie there.</summary>
    void ReadData(BlockRun run, Span<byte> destination, bool neighbours = false);

    /// <summary>A queue of reads for one thread, to be disposed before the volume; null where the device has none.</summary>
    /// <param name="capacity">Reads at once, 1 to 16.</param>
    VolumeReadQueue? TryOpenReadQueue(int capacity) => null;

    /// <summary>Inside a scope: the root area. Invalid after the scope; a write operation uses <see cref="IVolumeOperation.Root"/>.</summary>
    ReadOnlySpan<byte> ReadRoot();

    /// <summary>Inside a scope: true where the block is in use, by the volume itself or by the floor above.</summary>
    bool IsAllocated(BlockNumber block);

    /// <summary>True where the block is the volume's own: its state, or a bitmap.</summary>
    bool IsReserved(BlockNumber block);

    /// <summary>Outside every scope: returns after everything completed before the call is durable: data, tags and
    /// metadata. Callers that arrive during a commit share the next one.</summary>
    void Sync();
}

/// <summary>One operation inside the exclusive scope. Dispose without <see cref="Complete"/> undoes it as a whole.
/// Spans stay valid until dispose; after <see cref="Modify"/> a lease taken earlier on the same block may be stale.
/// Reads inside the scope see what the operation has changed, the root area too.</summary>
public interface IVolumeOperation : IDisposable
{
    /// <summary>The verified content of a block, writable. Calling it twice gives the same memory.</summary>
    Span<byte> Modify(BlockNumber block, BlockPurpose purpose);

    /// <summary>A block to be written whole: zeroes, nothing is read, so it heals a damaged block. For a block that the
    /// caller has allocated, or owns and overwrites entirely.</summary>
    Span<byte> Create(BlockNumber block, BlockPurpose purpose);

    /// <summary>Allocates 1 to <paramref name="count"/> consecutive blocks, near and after <paramref name="goal"/>.
    /// Within the reserved number this cannot fail for lack of space. A block has no content until it is created or
    /// written, and may stay so beyond the operation (preallocation).</summary>
    BlockRun Allocate(int count, BlockNumber goal);

    /// <summary>Gives blocks back. They must not be read afterwards, and are not allocated again by the same operation.
    /// Counts one changed block for each group that the run touches.</summary>
    void Free(BlockRun run);

    /// <summary>Writes whole data blocks (content is copied before the call returns). Each is new or overwritten whole.</summary>
    /// <param name="run">Where.</param>
    /// <param name="data">Count × BlockSize bytes.</param>
    /// <param name="fresh">True where this operation allocated every block of the run and nothing was written to them
    /// since: their old content is nobody's, so they may be written in place before the commit (data=auto).</param>
    void WriteData(BlockRun run, ReadOnlySpan<byte> data, bool fresh = false);

    /// <summary>The root area, writable.</summary>
    Span<byte> Root { get; }

    /// <summary>The operation is whole; it joins the running transaction.</summary>
    void Complete();
}

/// <summary>A shared scope; dispose leaves it.</summary>
public readonly struct ReadScope(ISharedGate? gate) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => gate?.LeaveShared();
}

/// <summary>A block held in the cache; dispose lets go of it.</summary>
public readonly unsafe struct BlockLease(nint address, int length, ILeaseOwner? owner, object? token) : IDisposable
{
    /// <summary>The verified content.</summary>
    public ReadOnlySpan<byte> Span => new((void*)address, length);

    /// <inheritdoc/>
    public void Dispose() => owner?.Release(token!);
}

/// <summary>Who hands out leases and takes them back.</summary>
public interface ILeaseOwner
{
    /// <summary>Lets go of what <paramref name="token"/> stands for.</summary>
    void Release(object token);
}
