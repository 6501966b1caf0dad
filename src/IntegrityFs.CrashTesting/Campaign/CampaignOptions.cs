// Promise: what a campaign is told and what it answers: values only.
using System.Globalization;

namespace IntegrityFs.CrashTesting;

/// <summary>How long and how wide a campaign runs.</summary>
public sealed record CampaignOptions
{
    /// <summary>How states are enumerated.</summary>
    public CrashProfile Profile { get; init; } = new();

    /// <summary>Seed of all choices.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Threads.</summary>
    public int Jobs { get; init; } = 1;

    /// <summary>No new workload after this time; the running ones are stopped. Not before <see cref="AlwaysItems"/>.</summary>
    public TimeSpan TimeBudget { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>So many first items are explored whatever the time budget says.</summary>
    public long AlwaysItems { get; init; }

    /// <summary>Stops at once, with what was found until then.</summary>
    public CancellationToken Stop { get; init; }

    /// <summary>No new workload after so many states.</summary>
    public long MaxStates { get; init; } = long.MaxValue;

    /// <summary>Violations kept per workload.</summary>
    public int MaxViolationsPerWorkload { get; init; } = 3;

    /// <summary>The campaign ends early after so many workloads with violations.</summary>
    public int MaxFailedWorkloads { get; init; } = 25;

    /// <summary>Shrink violations.</summary>
    public bool Minimise { get; init; } = true;

    /// <summary>Called after each workload, from any thread.</summary>
    public Action<CampaignProgress>? Progress { get; init; }

    /// <summary>Called for each finished item, in any order, one call at a time.</summary>
    public Action<FinishedItem>? Finished { get; init; }
}

/// <summary>An item that was explored to its end.</summary>
/// <param name="Index">Its place in the list.</param>
/// <param name="Outcome">Its counts.</param>
/// <param name="Violations">Its violations.</param>
public sealed record FinishedItem(int Index, WorkloadOutcome Outcome, IReadOnlyList<Violation> Violations);

/// <summary>How far a campaign is.</summary>
/// <param name="Workload">The workload that was finished last.</param>
/// <param name="WorkloadsDone">Workloads finished.</param>
/// <param name="States">States explored.</param>
/// <param name="StatesPerSecond">States per second of wall time.</param>
/// <param name="Violations">Violations so far.</param>
/// <param name="Coverage">Cases of the decision table met so far.</param>
public readonly record struct CampaignProgress(string Workload, int WorkloadsDone, long States, double StatesPerSecond, int Violations, DecisionCoverage Coverage);

/// <summary>Counts of one workload.</summary>
/// <param name="Id">The workload.</param>
/// <param name="Points">Crash points.</param>
/// <param name="States">States listed.</param>
/// <param name="Distinct">Distinct images among them.</param>
/// <param name="RecoveryStates">States of crashes during recovery.</param>
/// <param name="Trees">Distinct recovered trees.</param>
/// <param name="Violations">Violations found.</param>
public readonly record struct WorkloadOutcome(string Id, int Points, long States, long Distinct, long RecoveryStates, int Trees, int Violations)
{
    /// <summary>States that were not mounted because recovery reads nothing in which they differ from a mounted one.</summary>
    public long Pruned { get; init; }

    /// <summary>Mounts of images that were damaged on purpose.</summary>
    public long Probes { get; init; }

    /// <summary>True where the run was the same, call by call, as that of a workload before it: explored there.</summary>
    public bool Same { get; init; }
}

/// <summary>What a campaign found.</summary>
/// <param name="Workloads">Per workload, in the order of the list.</param>
/// <param name="Violations">All violations.</param>
/// <param name="Elapsed">Wall time.</param>
/// <param name="ProcessorTime">Processor time of the process.</param>
/// <param name="Mounts">Recoveries made.</param>
/// <param name="Coverage">Cases of the recovery's decision table that were met.</param>
public sealed record CampaignResult(
    IReadOnlyList<WorkloadOutcome> Workloads, IReadOnlyList<Violation> Violations, TimeSpan Elapsed, TimeSpan ProcessorTime, long Mounts, DecisionCoverage Coverage)
{
    /// <summary>States explored, those during recovery included.</summary>
    public long States => Workloads.Sum(outcome => outcome.States + outcome.RecoveryStates);

    /// <summary>States with an image of their own.</summary>
    public long Distinct => Workloads.Sum(outcome => outcome.Distinct + outcome.RecoveryStates);

    /// <summary>States per second of processor time: what one core does when it has nothing else to do.</summary>
    public double StatesPerCoreSecond => States / Math.Max(0.001, ProcessorTime.TotalSeconds);

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Workloads.Count} workloads ({Workloads.Count(o => o.Same)} the same as others), {States} crash states ({Distinct} distinct, {Workloads.Sum(o => o.RecoveryStates)} during recovery, {Workloads.Sum(o => o.Pruned)} pruned; {Mounts} mounts, {Workloads.Sum(o => o.Probes)} of damaged images) in {Elapsed.TotalSeconds:0.0} s ({States / Math.Max(0.001, Elapsed.TotalSeconds):0} per second, {StatesPerCoreSecond:0} per second and core): {(Violations.Count == 0 ? "no violation" : Violations.Count + " violations")}; decision table {Coverage}");
}

