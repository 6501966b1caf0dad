namespace IntegrityFs.Catalog.Tests;

/// <summary>Shape of a <see cref="MemoryVolume"/>.</summary>
internal sealed record MemoryVolumeOptions
{
    public int BlockSize { get; init; } = 4096;

    public int TotalBlocks { get; init; } = 1024;

    public int MaxOperationBlocks { get; init; } = 512;

    public int RootSize { get; init; } = 256;

    /// <summary>Blocks that one bitmap block covers: freeing blocks of k groups counts k changed blocks.</summary>
    public int GroupBlocks { get; init; } = 32768;

    /// <summary>Longest run that Allocate returns, whatever is free.</summary>
    public int MaxRun { get; init; } = int.MaxValue;

    /// <summary>Not 0: Allocate ignores the goal and returns runs of seeded random lengths at seeded random places.</summary>
    public int FragmentSeed { get; init; }

    /// <summary>True: misuse of the door is a failed test. False: reading a free block or one of another purpose throws
    /// IntegrityException, as a real volume does; for tests with hostile content.</summary>
    public bool Strict { get; init; } = true;
}

/// <summary>What a <see cref="MemoryVolume"/> has been asked to do.</summary>
internal struct MemoryVolumeCounters
{
    public long Reads;
    public long DataBlocksRead;
    public long UnalignedDataReads;
    public long Modifies;
    public long Creates;
    public long DataBlocksWritten;
    public long FreshBlocksWritten;
    public long DataWriteCalls;
    public long AllocateCalls;
    public long BlocksAllocated;
    public long BlocksFreed;
    public long Begins;
    public long Completed;
    public long Undone;
    public long Syncs;

    /// <summary>Blocks that the last completed operation changed, as counted against its reservation.</summary>
    public int LastOperationBlocks;
}

/// <summary>The code under test broke a rule of the volume's door.</summary>
internal sealed class VolumeRuleException(string message) : Exception(message);

/// <summary>The machine stops here: thrown by Begin where a test asked for a crash.</summary>
internal sealed class SimulatedCrashException() : Exception("simulated crash");
