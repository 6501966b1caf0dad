namespace IntegrityFs.CrashTesting;

/// <summary>How thoroughly the states of one crash point are enumerated.</summary>
public sealed record CrashProfile
{
    /// <summary>Up to this many pending units: all subsets.</summary>
    public int ExhaustiveUnits { get; init; } = 8;

    /// <summary>All pairs present and all pairs missing up to this many units.</summary>
    public int PairUnits { get; init; } = 24;

    /// <summary>Random subsets with random tearing, per point.</summary>
    public int Samples { get; init; } = 16;

    /// <summary>Tears of each unit (prefix, suffix, hole, single sector) over the prefix before it and over all others.</summary>
    public bool Torn { get; init; } = true;

    /// <summary>At most so many states per point; above, a seeded choice is taken (none and all are always in).</summary>
    public int MaxStatesPerPoint { get; init; } = 400;

    /// <summary>Depth of crashes during recovery: 1 none, 2 a crash during recovery, 3 during recovery from that.</summary>
    public int RecoveryDepth { get; init; } = 2;

    /// <summary>States per point of a recovery's own trace.</summary>
    public int MaxStatesPerRecoveryPoint { get; init; } = 40;

    /// <summary>The crash inside recovery is explored for one of so many states (the first of each point always).</summary>
    public int RecoveryEvery { get; init; } = 16;

    /// <summary>Everything: for small workloads and long budgets.</summary>
    public static CrashProfile Thorough { get; } = new()
    {
        ExhaustiveUnits = 12,
        PairUnits = 64,
        Samples = 256,
        MaxStatesPerPoint = 20_000,
        MaxStatesPerRecoveryPoint = 400,
        RecoveryEvery = 4,
        RecoveryDepth = 3,
    };

    /// <summary>For a quick look.</summary>
    public static CrashProfile Quick { get; } = new()
    {
        ExhaustiveUnits = 5,
        PairUnits = 8,
        Samples = 8,
        MaxStatesPerPoint = 60,
        MaxStatesPerRecoveryPoint = 12,
        RecoveryEvery = 32,
    };
}
