namespace IntegrityFs.CrashTesting;

/// <summary>Which states of a crash point are listed.</summary>
public enum StateChoice
{
    /// <summary>All subsets of few units; of many: none, all, singles, pairs, all but one or two, prefixes, suffixes, and
    /// samples. Tears of each unit.</summary>
    Bounded,

    /// <summary>Only prefixes of the order in which the writes were issued, with the next write torn.</summary>
    Prefixes,

    /// <summary>Only seeded samples: random subsets with random tears.</summary>
    Sampled,
}

/// <summary>How thoroughly the states of one crash point are enumerated.</summary>
public sealed record CrashProfile
{
    /// <summary>Which kinds of states are listed.</summary>
    public StateChoice Choice { get; init; }

    /// <summary>Up to this many pending units: all subsets.</summary>
    public int ExhaustiveUnits { get; init; } = 8;

    /// <summary>All pairs present and all pairs missing up to this many units.</summary>
    public int PairUnits { get; init; } = 24;

    /// <summary>Random subsets with random tearing, per point.</summary>
    public int Samples { get; init; } = 16;

    /// <summary>Tears of each unit (prefix, suffix, hole, single sector) over the prefix before it and over all others.</summary>
    public bool Torn { get; init; } = true;

    /// <summary>Also states in which sectors of an interrupted write hold neither the old nor the new content. Not what a
    /// disk with power-safe sectors does; never outside the range that was being written.</summary>
    public bool Garbage { get; init; }

    /// <summary>At most so many states per point; above, a seeded choice is taken (none and all are always in).</summary>
    public int MaxStatesPerPoint { get; init; } = 400;

    /// <summary>Depth of crashes during recovery: 1 none, 2 a crash during recovery, 3 during recovery from that.</summary>
    public int RecoveryDepth { get; init; } = 2;

    /// <summary>States per point of a recovery's own trace.</summary>
    public int MaxStatesPerRecoveryPoint { get; init; } = 40;

    /// <summary>The crash inside recovery is explored for one of so many states (the first of each point always).</summary>
    public int RecoveryEvery { get; init; } = 16;

    /// <summary>Leave out states that differ only in what recovery does not read.</summary>
    public bool Prune { get; init; } = true;

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

    /// <summary>For a fixed budget: some of everything.</summary>
    public static CrashProfile Standard { get; } = new()
    {
        ExhaustiveUnits = 8,
        PairUnits = 16,
        Samples = 12,
        MaxStatesPerPoint = 160,
        MaxStatesPerRecoveryPoint = 16,
        RecoveryEvery = 24,
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

    /// <summary>All subsets of up to 16 units and every state of every recovery: for small workloads only.</summary>
    public static CrashProfile Exhaustive { get; } = new()
    {
        ExhaustiveUnits = 16,
        PairUnits = int.MaxValue,
        Samples = 0,
        MaxStatesPerPoint = int.MaxValue,
        MaxStatesPerRecoveryPoint = int.MaxValue,
        RecoveryEvery = 1,
    };

    /// <summary>Only prefixes.</summary>
    public static CrashProfile Prefixes { get; } = new() { Choice = StateChoice.Prefixes, Samples = 0 };

    /// <summary>Only samples, decided by the seed.</summary>
    public static CrashProfile Sampled { get; } = new() { Choice = StateChoice.Sampled, Samples = 200 };

    /// <summary>The profiles by name.</summary>
    public static IReadOnlyDictionary<string, CrashProfile> Named { get; } = new Dictionary<string, CrashProfile>
    {
        ["quick"] = Quick,
        ["standard"] = Standard,
        ["thorough"] = Thorough,
        ["exhaustive"] = Exhaustive,
        ["prefix"] = Prefixes,
        ["sampled"] = Sampled,
        ["garbage"] = Standard with { Garbage = true },
    };
}
