using IntegrityFs.Integrity;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace IntegrityFs.Volume;

/// <summary>Where file content goes first.</summary>
public enum DataMode
{
    /// <summary>All content goes through the journal.</summary>
    Journal,

    /// <summary>Newly allocated whole blocks of large writes go in place before the commit that names them.</summary>
    Auto,
}

/// <summary>How a volume is opened.</summary>
public sealed record VolumeOptions
{
    /// <summary>Writes nothing, not even to replay; the journal is replayed in memory.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Memory for cached blocks and tag nodes, in bytes. At least a few transactions fit whatever it says.</summary>
    public long CacheBytes { get; init; } = 128L << 20;

    /// <summary>Threads that compute tags in a commit; 1 computes on the caller.</summary>
    public int HashLanes { get; init; } = 1;

    /// <summary>By what tags of many blocks are computed.</summary>
    public HashEngine HashEngine { get; init; }

    /// <summary>True where host threads run <see cref="ProtectedVolume.RunBackground"/>: commits by time and checkpoints
    /// are theirs. False: everything happens in the calls, deterministically.</summary>
    public bool Deferred { get; init; }

    /// <summary>Longest time that a change waits for its commit.</summary>
    public TimeSpan CommitInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Where file content goes first.</summary>
    public DataMode DataMode { get; init; }

    /// <summary>With <see cref="DataMode.Auto"/>: runs of at least this many bytes go in place, smaller ones through the journal.</summary>
    public int InPlaceThreshold { get; init; } = 32 << 10;

    /// <summary>A data block that is not authentic reads as zeroes instead of failing (errors=zero, for rescue).</summary>
    public bool ZeroOnMismatch { get; init; }

    /// <summary>Mounts a volume whose journal has a gap at the state before the gap: acknowledged transactions behind it
    /// are given up. For the checker, when the operator asks for it.</summary>
    public bool AcceptJournalGap { get; init; }

    /// <summary>Opens a volume whose state block cannot be used, with no free blocks and no groups. For the checker.</summary>
    public bool AcceptImpossibleState { get; init; }

    /// <summary>Where messages go.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    internal Mutation Mutations { get; init; }

    /// <summary>Asked before the block cache takes memory for one more buffer; false is "out of memory". For the harness:
    /// without it the cache takes many at once and asks nobody.</summary>
    internal Func<bool>? AllowBuffer { get; init; }
}

/// <summary>How a volume is made.</summary>
public sealed class VolumeFormatOptions
{
    /// <summary>Bytes in a block.</summary>
    public int BlockSize { get; init; } = 4096;

    /// <summary>Bytes of journal; 0 chooses: 1/16 of the volume, at least 96 blocks, at most 64 MiB.</summary>
    public long JournalBytes { get; init; }

    /// <summary>Name, at most 64 bytes of UTF-8.</summary>
    public string Label { get; init; } = "";

    /// <summary>Identity.</summary>
    public Guid Uuid { get; init; } = Guid.NewGuid();

    /// <summary>Time of birth.</summary>
    public DateTimeOffset Created { get; init; } = DateTimeOffset.UtcNow;
}

/// <summary>What opening a volume had to do.</summary>
public sealed record RecoveryReport
{
    /// <summary>True where the volume had not been closed in order.</summary>
    public bool WasInUse { get; init; }

    /// <summary>Transactions replayed.</summary>
    public int Transactions { get; init; }

    /// <summary>Blocks replayed.</summary>
    public int Blocks { get; init; }

    /// <summary>True where a torn, never acknowledged transaction was dropped at the end.</summary>
    public bool TornTail { get; init; }

    /// <summary>Blocks whose durable image in the journal is damaged: lost until overwritten.</summary>
    public IReadOnlyList<long> LostBlocks { get; init; } = [];

    /// <summary>Descriptor copies found damaged and not needed.</summary>
    public int DamagedDescriptors { get; init; }

    /// <summary>True where one superblock copy was bad or older and was replaced (on a writable volume).</summary>
    public bool SuperblockRepaired { get; init; }

    /// <summary>Which cases of the journal's decision table were met, as bits.</summary>
    public int DecisionCases { get; init; }

    /// <summary>True where transactions behind a gap were given up at the operator's request (on a read-only volume: left
    /// out).</summary>
    public bool GapAccepted { get; init; }
}

/// <summary>Counters of an open volume, and what it is.</summary>
public sealed record VolumeStatus
{
    public required Guid Uuid { get; init; }
    public required string Label { get; init; }
    public required int BlockSize { get; init; }
    public required long TotalBlocks { get; init; }
    public required long FreeBlocks { get; init; }
    public required long JournalBlocks { get; init; }
    public required long JournalUsedBlocks { get; init; }
    public required bool ReadOnly { get; init; }
    public required string? Fault { get; init; }
    public required ulong Generation { get; init; }
    public required ulong Sequence { get; init; }
    public required ulong MountCount { get; init; }
    public required ulong RecoveryCount { get; init; }
    public required ulong MismatchCount { get; init; }
    public required long BlocksVerified { get; init; }
    public required long Mismatches { get; init; }
    public required long Commits { get; init; }
    public required long Checkpoints { get; init; }
    public required long TagNodeRepairs { get; init; }
    public required long DirtyBlocks { get; init; }
    public required long CachedBlocks { get; init; }
    public required DataMode DataMode { get; init; }
}

/// <summary>A superblock as it stands on the device, before any key has been tried: not to be trusted.</summary>
public sealed record SuperblockSummary(Guid Uuid, string Label, int BlockSize, long DeviceLength, long JournalBlocks, ulong Generation, bool Clean);
