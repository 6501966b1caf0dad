// Promise: runs a list of workloads on a subject, each recorded, explored and judged; the same list, profile and seed
// give the same violations. Only a time budget makes it depend on the machine.
using System.Diagnostics;

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

    /// <summary>No new workload after this time; the running ones are stopped.</summary>
    public TimeSpan TimeBudget { get; init; } = TimeSpan.FromMinutes(10);

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
}

/// <summary>How far a campaign is.</summary>
public readonly record struct CampaignProgress(string Workload, int WorkloadsDone, long States, double StatesPerSecond, int Violations);

/// <summary>Counts of one workload.</summary>
/// <param name="Id">The workload.</param>
/// <param name="Points">Crash points.</param>
/// <param name="States">States listed.</param>
/// <param name="Distinct">Distinct images among them.</param>
/// <param name="RecoveryStates">States of crashes during recovery.</param>
/// <param name="Trees">Distinct recovered trees.</param>
/// <param name="Violations">Violations found.</param>
public readonly record struct WorkloadOutcome(string Id, int Points, long States, long Distinct, long RecoveryStates, int Trees, int Violations);

/// <summary>What a campaign found.</summary>
/// <param name="Workloads">Per workload, in the order of the list.</param>
/// <param name="Violations">All violations.</param>
/// <param name="Elapsed">Wall time.</param>
/// <param name="Mounts">Recoveries made.</param>
public sealed record CampaignResult(IReadOnlyList<WorkloadOutcome> Workloads, IReadOnlyList<Violation> Violations, TimeSpan Elapsed, long Mounts)
{
    /// <summary>States explored, those during recovery included.</summary>
    public long States => Workloads.Sum(outcome => outcome.States + outcome.RecoveryStates);

    /// <summary>One line.</summary>
    public override string ToString() =>
        $"{Workloads.Count} workloads, {States} crash states ({Workloads.Sum(o => o.Distinct) + Workloads.Sum(o => o.RecoveryStates)} distinct, {Mounts} mounts) in {Elapsed.TotalSeconds:0.0} s ({States / Math.Max(0.001, Elapsed.TotalSeconds):0} per second): {(Violations.Count == 0 ? "no violation" : Violations.Count + " violations")}";
}

/// <summary>Runs workloads on a subject and judges every crash state.</summary>
public sealed class CrashCampaign
{
    private readonly ICrashSubject _subject;
    private readonly CampaignOptions _options;
    private readonly PageImage _formatted;
    private readonly RecordOptions _recordOptions;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<int, (WorkloadOutcome Outcome, List<Violation> Violations)> _done = [];
    private readonly Stopwatch _watch = new();
    private long _states;
    private long _mounts;
    private int _failed;

    /// <summary>Formats the subject once; every workload starts from that image.</summary>
    public CrashCampaign(ICrashSubject subject, CampaignOptions options)
        : this(subject, options, new RecordOptions())
    {
    }

    internal CrashCampaign(ICrashSubject subject, CampaignOptions options, RecordOptions recordOptions)
    {
        ArgumentNullException.ThrowIfNull(subject);
        ArgumentNullException.ThrowIfNull(options);
        _subject = subject;
        _options = options;
        _recordOptions = recordOptions;
        _formatted = new PageImage(subject.DeviceLength);
        subject.Format(new ImageDevice(_formatted));
    }

    internal PageImage Formatted => _formatted;

    /// <summary>Runs the workloads; returns when all are done or the budget is spent.</summary>
    public CampaignResult Run(IEnumerable<Workload> workloads)
    {
        ArgumentNullException.ThrowIfNull(workloads);
        _watch.Restart();
        using var cancel = new CancellationTokenSource(_options.TimeBudget);
        using IEnumerator<Workload> source = workloads.GetEnumerator();
        int next = 0;
        var threads = new List<Thread>();
        for (int job = 0; job < Math.Max(1, _options.Jobs); job++)
        {
            var thread = new Thread(Work, 16 << 20) { IsBackground = true, Name = $"campaign {job}" };
            thread.Start();
            threads.Add(thread);
        }

        foreach (Thread thread in threads)
        {
            thread.Join();
        }

        return new CampaignResult(
            [.. _done.Values.Select(done => done.Outcome)],
            [.. _done.Values.SelectMany(done => done.Violations)],
            _watch.Elapsed,
            _mounts);

        void Work()
        {
            while (true)
            {
                Workload workload;
                int index;
                lock (_gate)
                {
                    if (cancel.IsCancellationRequested || _states >= _options.MaxStates
                        || _failed >= _options.MaxFailedWorkloads || !source.MoveNext())
                    {
                        return;
                    }

                    workload = source.Current;
                    index = next++;
                }

                RunOne(index, workload, cancel.Token);
            }
        }
    }

    /// <summary>Examines one crash state of a workload, as a violation's reproducer names it; all states where
    /// <paramref name="state"/> is empty.</summary>
    public IReadOnlyList<Violation> Reproduce(Workload workload, string state)
    {
        ArgumentNullException.ThrowIfNull(workload);
        ArgumentNullException.ThrowIfNull(state);
        var violations = new List<Violation>();
        Recording recording = LockstepRun.Record(_subject, _formatted, workload, _recordOptions);
        violations.AddRange(Findings(workload, recording));
        var explorer = new CrashExplorer(_subject, _options.Profile, _options.Seed);
        if (state.Length == 0)
        {
            explorer.Explore(recording, violations.Add, _options.MaxViolationsPerWorkload, CancellationToken.None);
        }
        else
        {
            explorer.Reproduce(recording, state, violations.Add);
        }

        return violations;
    }

    private void RunOne(int index, Workload workload, CancellationToken cancel)
    {
        var violations = new List<Violation>();
        var explorer = new CrashExplorer(_subject, _options.Profile, _options.Seed);
        int points = 0;
        try
        {
            Recording recording = LockstepRun.Record(_subject, _formatted, workload, _recordOptions);
            points = recording.Points.Count;
            violations.AddRange(Findings(workload, recording));
            explorer.Explore(recording, violations.Add, _options.MaxViolationsPerWorkload, cancel);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            violations.Add(new Violation(workload.Id, workload.ToString(), "", "run", $"the store threw {error.GetType().Name}: {error.Message}\n{error.StackTrace}"));
        }

        List<Violation> kept = violations.Take(_options.MaxViolationsPerWorkload).ToList();
        if (_options.Minimise && kept.Count > 0 && kept[0].State.Length > 0)
        {
            var minimiser = new Minimiser(_subject, _formatted, _options.Profile, _options.Seed, _recordOptions);
            kept[0] = minimiser.Shrink(kept[0]);
        }

        Finish(index, workload, points, explorer.Counts, kept);
    }

    private void Finish(int index, Workload workload, int points, ExplorationCounts counts, List<Violation> violations)
    {
        CampaignProgress progress;
        lock (_gate)
        {
            var outcome = new WorkloadOutcome(workload.Id, points, counts.States, counts.Distinct, counts.RecoveryStates, counts.Trees, violations.Count);
            _done.Add(index, (outcome, violations));
            _states += counts.States + counts.RecoveryStates;
            _mounts += counts.Mounts;
            _failed += violations.Count > 0 ? 1 : 0;
            progress = new CampaignProgress(workload.Id, _done.Count, _states, _states / Math.Max(0.001, _watch.Elapsed.TotalSeconds), _done.Values.Sum(done => done.Violations.Count));
        }

        _options.Progress?.Invoke(progress);
    }

    private static IEnumerable<Violation> Findings(Workload workload, Recording recording) =>
        recording.Findings.Select(finding => new Violation(workload.Id, workload.ToString(), "", finding.StartsWith('J') ? finding[..2] : "model", finding));
}
