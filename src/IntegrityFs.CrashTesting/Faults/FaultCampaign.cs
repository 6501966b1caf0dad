// Promise: every fault at every call of every workload is run once (or a seeded choice of them), and each run is judged.
// The same workloads, seed and budget of runs give the same result.
using System.Diagnostics;
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>How wide a fault campaign is.</summary>
public sealed record FaultOptions
{
    /// <summary>Seed of the choice of runs.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Threads.</summary>
    public int Jobs { get; init; } = 1;

    /// <summary>Runs per workload at most; the choice is spread evenly. All where there are fewer.</summary>
    public int RunsPerWorkload { get; init; } = int.MaxValue;

    /// <summary>No new run after this time.</summary>
    public TimeSpan TimeBudget { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>Most blocks left free in the runs on a full volume.</summary>
    public int MostFreeBlocks { get; init; } = 40;

    /// <summary>The campaign ends after so many broken promises.</summary>
    public int MaxFailures { get; init; } = 10;

    /// <summary>Only the runs on a full volume.</summary>
    public bool OnlyFullVolume { get; init; }

    /// <summary>Called now and then, from any thread.</summary>
    public Action<string, long>? Progress { get; init; }
}

/// <summary>Counts of one kind of fault.</summary>
/// <param name="Fault">Kind and operation.</param>
/// <param name="Runs">Runs.</param>
/// <param name="Reported">An operation said so.</param>
/// <param name="Absorbed">The store coped; nothing failed and nothing is missing.</param>
/// <param name="DetectedLater">Found by a later mount or read, never shown as data.</param>
/// <param name="NotReached">The damage hit nothing that was needed.</param>
/// <param name="Broken">Promises broken.</param>
public readonly record struct FaultRow(string Fault, int Runs, int Reported, int Absorbed, int DetectedLater, int NotReached, int Broken);

/// <summary>What a fault campaign found.</summary>
/// <param name="Rows">By kind of fault.</param>
/// <param name="Failures">Broken promises, each with what reproduces it.</param>
/// <param name="States">Images mounted and judged.</param>
/// <param name="Elapsed">Wall time.</param>
public sealed record FaultResult(IReadOnlyList<FaultRow> Rows, IReadOnlyList<string> Failures, long States, TimeSpan Elapsed)
{
    /// <summary>Faulty runs.</summary>
    public int Runs => Rows.Sum(row => row.Runs);

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Runs} faulty runs, {States} images judged in {Elapsed.TotalSeconds:0.0} s: {(Failures.Count == 0 ? "no promise broken" : Failures.Count + " failures")}";
}

/// <summary>Injects faults into workloads on the real stack.</summary>
public sealed class FaultCampaign
{
    private static readonly (string Id, string Text)[] s_workloads =
    [
        ("files", "mkdir A; creat A/old; write A/old 0 9000 1; sync; begin; creat A/new; write A/new 0 6000 2; fsync A/new; write A/old 4096 4096 3; fdatasync A/old; append A/new 3000 4; sync"),
        ("names", "mkdir A; mkdir B; creat A/f; write A/f 0 5000 1; creat B/g; sync; begin; rename A/f B/f; fsync B; link B/f A/l; rename B/g A/g exchange; unlink A/l; fsync A; mkdir A/C; rmdir A/C; creat A/g2; sync"),
        ("attributes", "creat f; setxattr f user.a 100 1; symlink f s; sync; begin; setxattr f user.b 2000 2; chmod f 600; fsync f; rmxattr f user.a; chown f 3 4; utime f 5 6; sync"),
        ("truncate", "creat f; write f 0 90000 1; sync; begin; truncate f 20000; fsync f; truncate f 60000; append f 5000 2; fsync f; falloc f 4096 9000 punch; fdatasync f; unlink f; sync"),
        ("in-place", "creat f; sync; begin; write f 0 40000 1; fsync f; write f 40000 30000 2; fsync f; truncate f 0; fsync f; write f 0 50000 3; fsync f"),
        ("checkpoint", "creat f; write f 0 20000 1; sync; begin; write f 0 8192 2; fsync f; checkpoint; write f 8192 8192 3; fsync f; checkpoint; unlink f; creat g; sync; remount; write g 0 5000 4; sync"),
        ("reading", "mkdir A; creat A/f; write A/f 0 30000 1; setxattr A/f user.x 900 1; symlink f A/s; sync; begin; copy A/f 0 A/f 40000 12000; write A/f 100 50 2; rename A/s A/t; sync; copy A/f 8192 A/f 0 4096; sync"),
        ("orphans", "creat a; write a 0 30000 1; creat b; sync; begin; open h a; unlink a; sync; writeh h 0 3000 2; fsynch h; close h; tmpfile t .; writeh t 0 9000 3; linkh t c; sync"),
    ];

    private readonly FaultOptions _options;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, int[]> _rows = new(StringComparer.Ordinal);
    private readonly List<string> _failures = [];
    private readonly Stopwatch _watch = new();
    private long _states;
    private long _runs;

    /// <summary>Prepares a campaign.</summary>
    public FaultCampaign(FaultOptions options) => _options = options ?? throw new ArgumentNullException(nameof(options));

    /// <summary>The workloads that are run where none are given.</summary>
    public static IReadOnlyList<Workload> Workloads { get; } = [.. s_workloads.Select(item => Workload.Parse(item.Id, item.Text))];

    private bool Ended => _watch.Elapsed > _options.TimeBudget || _failures.Count >= _options.MaxFailures;

    /// <summary>Runs the workloads on the store under test.</summary>
    public FaultResult Run(IntegrityFsSubject subject, IReadOnlyList<Workload>? workloads = null)
    {
        ArgumentNullException.ThrowIfNull(subject);
        _watch.Restart();
        var formatted = new PageImage(subject.DeviceLength);
        subject.Format(new ImageDevice(formatted));
        var source = new Queue<(Workload Workload, Func<PageImage, Action> Prepare)>();
        foreach (Workload workload in workloads ?? Workloads)
        {
            if (!_options.OnlyFullVolume)
            {
                source.Enqueue((workload, image => () => RunPlans(subject, image, workload)));
            }

            source.Enqueue((workload, image => () => RunFull(subject, image, workload)));
        }

        var threads = new List<Thread>();
        for (int job = 0; job < Math.Max(1, _options.Jobs); job++)
        {
            var thread = new Thread(Work, 16 << 20) { IsBackground = true, Name = $"faults {job}" };
            thread.Start();
            threads.Add(thread);
        }

        threads.ForEach(thread => thread.Join());
        return new FaultResult(
            [.. _rows.Select(row => new FaultRow(row.Key, row.Value.Sum(), row.Value[1], row.Value[2], row.Value[3], row.Value[0], row.Value[4]))],
            _failures, _states, _watch.Elapsed);

        void Work()
        {
            while (true)
            {
                Action run;
                lock (_gate)
                {
                    if (Ended || !source.TryDequeue(out var item))
                    {
                        return;
                    }

                    run = item.Prepare(formatted);
                }

                run();
            }
        }
    }

    /// <summary>Runs one fault of one workload again.</summary>
    /// <param name="subject">The store.</param>
    /// <param name="workload">The workload.</param>
    /// <param name="plan">The fault as a failure names it.</param>
    public static IReadOnlyList<string> Reproduce(IntegrityFsSubject subject, Workload workload, string plan)
    {
        ArgumentNullException.ThrowIfNull(subject);
        ArgumentNullException.ThrowIfNull(workload);
        var formatted = new PageImage(subject.DeviceLength);
        subject.Format(new ImageDevice(formatted));
        var broken = new List<string>();
        foreach (bool close in new[] { true, false })
        {
            FaultStart start = FaultStart.Make(subject, formatted, workload.Setup, close);
            foreach (FaultPlan candidate in Plans(Count(subject, workload, start)).Where(p => p.ToString() == plan))
            {
                using var run = new FaultRun(subject, workload, start, candidate);
                run.Run();
                broken.AddRange(run.Broken);
            }
        }

        return broken;
    }

    private void RunPlans(IntegrityFsSubject subject, PageImage formatted, Workload workload)
    {
        foreach (bool close in new[] { true, false })
        {
            FaultStart start = FaultStart.Make(subject, formatted, workload.Setup, close);
            List<FaultPlan> plans = Plans(Count(subject, workload, start)).ToList();
            var random = new SeededRandom(_options.Seed);
            double step = Math.Max(1.0, plans.Count / (double)Math.Max(1, _options.RunsPerWorkload / 2));
            double offset = step > 1 ? random.Below(1000) / 1000.0 * step : 0;
            for (double at = offset; at < plans.Count && !Ended; at += step)
            {
                RunOne(subject, workload, start, plans[(int)at]);
            }
        }
    }

    private void RunOne(IntegrityFsSubject subject, Workload workload, FaultStart start, FaultPlan plan)
    {
        using var run = new FaultRun(subject, workload, start, plan);
        FaultOutcome outcome = run.Run();
        string kind = plan.Memory ? "no memory" : plan.Stale ? "stale Read" : $"{plan.Fault.Kind} {plan.Fault.Operation}";
        Count(kind + (plan.Fault.Sticky ? ", from then on" : ", once"), outcome, run.StatesJudged,
            run.Broken.Select(what => $"{subject.Name}, workload {workload.Id}, {plan}: {what}"));
    }

    /// <summary>The volume is full at each point of the workload.</summary>
    private void RunFull(IntegrityFsSubject subject, PageImage formatted, Workload workload)
    {
        var profile = new CrashProfile { ExhaustiveUnits = 1, PairUnits = 0, Samples = 1, Torn = false, MaxStatesPerPoint = 3, RecoveryDepth = 1 };
        int most = Math.Min(_options.MostFreeBlocks, Math.Max(2, _options.RunsPerWorkload / 10));
        for (int free = 0; free < most && !Ended; free++)
        {
            int blocks = _options.MostFreeBlocks * free / most;
            var violations = new List<Violation>();
            bool refused = false;
            long states = 0;
            try
            {
                Recording recording = LockstepRun.Record(subject, formatted, workload, new RecordOptions { FreeBlocks = blocks });
                violations.AddRange(recording.Findings.Select(finding => new Violation(workload.Id, "", "", "model", finding)));
                refused = recording.Results.Exists(result => result.Error == Errno.ENOSPC);
                var explorer = new CrashExplorer(subject, profile, _options.Seed);
                explorer.Explore(recording, violations.Add, 2, CancellationToken.None);
                states = explorer.Counts.Mounts;
            }
            catch (Exception error) when (error is not OutOfMemoryException)
            {
                violations.Add(new Violation(workload.Id, "", "", "run", $"{error.GetType().Name}: {error.Message}"));
            }

            Count("full volume", violations.Count > 0 ? FaultOutcome.Broken : refused ? FaultOutcome.Reported : FaultOutcome.NotReached, states,
                violations.Take(2).Select(v => $"{subject.Name}, workload {workload.Id}, {blocks} blocks free: {v.Rule}: {v.Message}"));
        }
    }

    private void Count(string row, FaultOutcome outcome, long states, IEnumerable<string> failures)
    {
        lock (_gate)
        {
            if (!_rows.TryGetValue(row, out int[]? counts))
            {
                _rows.Add(row, counts = new int[5]);
            }

            counts[(int)outcome]++;
            _states += states;
            _failures.AddRange(failures);
            if (++_runs % 50 == 0)
            {
                _options.Progress?.Invoke(row, _runs);
            }
        }
    }

    private static FaultRun Count(IntegrityFsSubject subject, Workload workload, FaultStart start)
    {
        var none = new FaultPlan(new Fault(FaultKind.Error, DeviceOperation.Read, int.MaxValue, false));
        using var run = new FaultRun(subject, workload, start, none, counting: true);
        FaultOutcome outcome = run.Run();
        return outcome == FaultOutcome.NotReached
            ? run
            : throw new InvalidOperationException($"workload {workload.Id} fails without a fault: {string.Join("; ", run.Broken)}");
    }

    private static IEnumerable<FaultPlan> Plans(FaultRun counted)
    {
        (FaultKind Kind, DeviceOperation Operation, bool Sticky)[] kinds =
        [
            (FaultKind.Error, DeviceOperation.Read, false), (FaultKind.Error, DeviceOperation.Read, true),
            (FaultKind.BitRot, DeviceOperation.Read, false),
            (FaultKind.Error, DeviceOperation.Write, false), (FaultKind.Error, DeviceOperation.Write, true),
            (FaultKind.ShortWrite, DeviceOperation.Write, false), (FaultKind.Lost, DeviceOperation.Write, false),
            (FaultKind.Misdirected, DeviceOperation.Write, false), (FaultKind.Duplicated, DeviceOperation.Write, false),
            (FaultKind.BitRot, DeviceOperation.Write, false),
            (FaultKind.Error, DeviceOperation.Flush, false), (FaultKind.Error, DeviceOperation.Flush, true),
        ];
        foreach ((FaultKind kind, DeviceOperation operation, bool sticky) in kinds)
        {
            for (int n = 0; n < counted.Calls(operation); n++)
            {
                yield return new FaultPlan(new Fault(kind, operation, n, sticky));
            }
        }

        foreach (bool sticky in new[] { false, true })
        {
            for (int n = 0; n < counted.Calls(DeviceOperation.Read); n++)
            {
                yield return new FaultPlan(new Fault(FaultKind.Error, DeviceOperation.Read, n, sticky), Stale: true);
            }

            for (int n = 0; n < counted.Buffers; n++)
            {
                yield return new FaultPlan(new Fault(FaultKind.Error, DeviceOperation.Read, n, sticky), Memory: true);
            }
        }
    }
}
