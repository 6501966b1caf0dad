// Promise: the volume. Above it a block exists only verified, and a change only as part of an atomic operation.
// Order on open: superblock pair → journal scan → pending map; a writable volume then checkpoints what was replayed and
// marks itself in use before it accepts a change. Order on close: commit, checkpoint, both superblocks clean.
// Locks, outermost first: commit lock → checkpoint lock → gate (readers / one operation) → release lock; caches lock
// inside and call nobody. Nothing waits for the device under the gate but a read of the block that is asked for.
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;
using IntegrityFs.Journal;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Volume;

/// <summary>An open volume. See <see cref="IVolume"/> for the scopes.</summary>
public sealed partial class ProtectedVolume : IVolume, ILeaseOwner, IDisposable
{
    /// <summary>How far each recovery jumps ahead, so that no number of a dropped transaction is used again.</summary>
    private const ulong SequenceJump = 1 << 20;

    private readonly IDevice _device;
    private readonly VolumeOptions _options;
    private readonly VolumeGeometry _geometry;
    private readonly SubKeys _keys;
    private readonly AuthenticatorPool _authenticators;
    private readonly SuperblockStore _superblocks;
    private readonly TagTree _tree;
    private readonly BlockCache _cache;
    private readonly Allocator _allocator;
    private readonly JournalLog _journal;
    private readonly HashLanes _lanes;
    private readonly PendingMap _pending = new();
    private readonly VolumeOperation _operation;
    private readonly Gate _gate = new();
    private Superblock _superblock;
    private volatile Exception? _fault;
    private long _blocksVerified;
    private long _mismatches;
    private readonly long _mismatchesBefore;
    private long _commits;
    private long _checkpoints;
    private bool _closed;
    private bool _stateIsDamaged;

    private ProtectedVolume(IDevice device, SubKeys keys, AuthenticatorPool authenticators, SuperblockStore superblocks, Superblock superblock, VolumeGeometry geometry, JournalScanResult scan, VolumeOptions options)
    {
        _device = device;
        _options = options;
        _keys = keys;
        _authenticators = authenticators;
        _superblocks = superblocks;
        _superblock = superblock;
        _mismatchesBefore = (long)superblock.MismatchCount;
        _geometry = geometry;
        long blocks = Math.Max(options.CacheBytes, 0) / geometry.BlockSize;
        _softLimit = (int)Math.Clamp(Math.Min(geometry.JournalBlocks / 4, blocks / 4), 8, (32L << 20) / geometry.BlockSize);
        MaxOperationBlocks = (int)Math.Clamp(geometry.JournalBlocks / 2, 48, 1024);
        int capacity = (int)Math.Clamp(blocks * 7 / 8, (4L * MaxOperationBlocks) + 64, 1 << 24);
        _tree = new TagTree(device, geometry, authenticators, superblock.Root, (int)Math.Clamp(blocks / 8, 16, 1 << 20))
        {
            ReadOnly = options.ReadOnly,
            VerifyNothing = (options.Mutations & Mutation.VerifyNothing) != 0,
            WrongSlot = (options.Mutations & Mutation.WrongSlot) != 0,
        };
        _cache = new BlockCache(capacity, geometry.BlockSize, options.AllowBuffer);
        _allocator = new Allocator(geometry.BlockSize, geometry.TotalBlocks);
        _lanes = new HashLanes(authenticators, geometry.BlockSize, options.HashLanes);
        _journal = new JournalLog(device, geometry, authenticators, superblock.Tail, scan.End, scan.Chain)
        {
            SkipFlush = (options.Mutations & Mutation.SkipCommitFlush) != 0,
        };
        _pendingHead = scan.End;
        scan.Chain.CopyTo(_pendingChain, 0);
        _operation = new VolumeOperation(this, _cache, _allocator);
        _home = new HomeWriter(this);
        _lastCommit = options.Clock.GetTimestamp();
    }

    /// <inheritdoc/>
    public int BlockSize => _geometry.BlockSize;

    /// <inheritdoc/>
    public long TotalBlocks => _geometry.TotalBlocks;

    /// <inheritdoc/>
    public long FreeBlocks => Volatile.Read(ref _freeBlocks);

    /// <inheritdoc/>
    public bool IsReadOnly => _options.ReadOnly || _fault is not null;

    /// <inheritdoc/>
    public Guid Uuid => _superblock.Uuid;

    /// <inheritdoc/>
    public int MaxOperationBlocks { get; }

    /// <inheritdoc/>
    public int RootSize => VolumeStateLayout.RootSize;

    /// <summary>Name of the volume; may be empty.</summary>
    public string Label => _superblock.Label;

    /// <summary>Where everything lies, for tools.</summary>
    public VolumeGeometry Geometry => _geometry;

    /// <summary>The superblock as last written or read, for tools.</summary>
    public Superblock Superblock => _superblock;

    /// <summary>What opening had to do.</summary>
    public RecoveryReport Recovery { get; private set; } = new();

    /// <summary>Why the volume takes no more changes; null while it does.</summary>
    public Exception? Fault => _fault;

    internal Mutation Mutations => _options.Mutations;

    /// <summary>Blocks changed by the running transaction, in order of first change.</summary>
    internal List<CachedBlock> Running { get; private set; } = [];

    internal VolumeStateBlock State
    {
        get => _state;
        set
        {
            _state = value;
            Volatile.Write(ref _freeBlocks, value.FreeBlocks);
        }
    }

    private VolumeStateBlock _state;
    private long _freeBlocks;

    private ILogger Logger => _options.Logger;

    /// <inheritdoc/>
    public ReadScope EnterRead()
    {
        _gate.EnterShared();
        return new ReadScope(_gate);
    }

    /// <inheritdoc/>
    public Errno Begin(int blocks, int allocations, out IVolumeOperation operation)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blocks);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(blocks, MaxOperationBlocks);
        operation = _operation;
        while (true)
        {
            if (IsReadOnly)
            {
                return Errno.EROFS;
            }

            _gate.EnterExclusive();
            if (allocations > _state.FreeBlocks)
            {
                _gate.LeaveExclusive();
                return Errno.ENOSPC;
            }

            if (Running.Count == 0 || (Running.Count + blocks <= _softLimit && _runningFreed.Count < MaxFreedRuns))
            {
                _operation.Enter();
                return Errno.OK;
            }

            ulong full = _runningId;
            _gate.LeaveExclusive();
            CommitThrough(full);
        }
    }

    /// <inheritdoc/>
    public ReadOnlySpan<byte> ReadRoot()
    {
        using BlockLease lease = Read(new BlockNumber(VolumeStateBlock.BlockNumber), BlockPurpose.State);
        return lease.Span.Slice(VolumeStateLayout.RootOffset, VolumeStateLayout.RootSize);
    }

    /// <inheritdoc/>
    public bool IsAllocated(BlockNumber block)
    {
        CheckBlock(block.Value);
        if (_allocator.IsReserved(block.Value))
        {
            return true;
        }

        long group = _allocator.GroupOf(block.Value);
        if (group >= _state.InitializedGroups)
        {
            return false;
        }

        using BlockLease lease = Read(new BlockNumber(_allocator.BitmapBlock(group)), BlockPurpose.Bitmap);
        int bit = (int)(block.Value % (8L * BlockSize));
        return (lease.Span[bit >> 3] & (1 << (bit & 7))) != 0;
    }

    /// <inheritdoc/>
    public bool IsReserved(BlockNumber block) => _allocator.IsReserved(block.Value);

    /// <inheritdoc/>
    void ILeaseOwner.Release(object token) => _cache.Unpin((CachedBlock)token);

    /// <summary>Counters and identity.</summary>
    public VolumeStatus Status() => new()
    {
        Uuid = Uuid,
        Label = Label,
        BlockSize = BlockSize,
        TotalBlocks = TotalBlocks,
        FreeBlocks = FreeBlocks,
        JournalBlocks = _geometry.JournalBlocks,
        JournalUsedBlocks = _journal.UsedBlocks,
        ReadOnly = IsReadOnly,
        Fault = _fault?.Message,
        Generation = _superblock.Generation,
        Sequence = Volatile.Read(ref _nextSequence),
        MountCount = _superblock.MountCount,
        RecoveryCount = _superblock.RecoveryCount,
        MismatchCount = _superblock.MismatchCount + (ulong)Interlocked.Read(ref _mismatches),
        BlocksVerified = Interlocked.Read(ref _blocksVerified),
        Mismatches = (long)_superblock.MismatchCount + Interlocked.Read(ref _mismatches) - _mismatchesBefore,
        Commits = Interlocked.Read(ref _commits),
        Checkpoints = Interlocked.Read(ref _checkpoints),
        TagNodeRepairs = _tree.Repairs,
        DirtyBlocks = Running.Count,
        CachedBlocks = _cache.Count,
        DataMode = _options.DataMode,
    };

    /// <summary>Ends the use in order: everything durable and at home, both superblocks clean. A faulted or read-only
    /// volume writes nothing.</summary>
    public void Close()
    {
        if (_closed || IsReadOnly)
        {
            _closed = true;
            return;
        }

        Commit();
        Checkpoint();
        lock (_checkpointLock)
        {
            WriteSuperblockPair(_superblock with { State = VolumeState.Clean, NextSequence = _nextSequence });
            FlushSecondSuperblock();
        }

        _closed = true;
    }

    /// <summary>Frees memory. Without <see cref="Close"/> the device is left as after a crash.</summary>
    public void Dispose()
    {
        _closed = true;
        _lanes.Dispose();
        _journal.Dispose();
        _tree.Dispose();
        _cache.Dispose();
        _superblocks.Dispose();
        _authenticators.Dispose();
        _keys.Dispose();
        _work.Dispose();
        _checkpointWork.Dispose();
        _homeLanes.Dispose();
        _home.Dispose();
        foreach (AlignedMemory window in _windows)
        {
            window.Dispose();
        }

        _gate.Dispose();
    }

    internal void CheckBlock(long block)
    {
        if ((ulong)block >= (ulong)TotalBlocks)
        {
            throw new CorruptFormatException($"block {block} lies outside the volume of {TotalBlocks} blocks");
        }
    }

    internal void LeaveOperation()
    {
        bool full = Running.Count >= _softLimit / 2;
        _gate.LeaveExclusive();
        if (full && _options.Deferred)
        {
            _commitWanted = true;
            _work.Set();
        }
    }

    /// <summary>Takes no more changes from now on; the first cause stays.</summary>
    private void SetFault(Exception cause)
    {
        if (_fault is null)
        {
            _fault = cause;
            LogFault(Logger, cause.Message);
        }

        _work.Set();
    }

    private void ThrowIfFaulted()
    {
        if (_fault is { } fault)
        {
            throw new VolumeFaultedException($"the volume takes no more changes: {fault.Message}", fault);
        }
    }

    [LoggerMessage(1, LogLevel.Critical, "volume is faulted and read-only from now on: {Cause}")]
    private static partial void LogFault(ILogger logger, string cause);
}
