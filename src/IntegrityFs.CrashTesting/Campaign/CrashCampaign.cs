// Promise: runs a list of workloads on its subjects, each recorded, explored and judged; the same list, profiles and seed
// give the same counts and violations, however many threads there are. Only a time budget or a stop makes it depend on the
// machine, by where the list ends. The disk is full of foreign bytes before it is formatted (I6), so that whatever the
// filesystem shows without having written it differs from the model.
using System.Diagnostics;

namespace IntegrityFs.CrashTesting;

/// <summary>Runs workloads and judges every crash state.</summary>
public sealed class CrashCampaign
{
    private readonly IReadOnlyList<ICrashSubject> _subjects;
    private readonly CampaignOptions _options;
    private readonly PageImage[] _formatted;
    private readonly RecordOptions _recordOptions;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<int, (WorkloadOutcome Outcome, List<Violation> Violations)> _done = [];
    private readonly HashSet<ulong> _explored = [];
    private readonly object _turn = new();
    private readonly Stopwatch _watch = new();
    private int _claimed;
    private long _states;
    private long _mounts;
    private int _failed;
    private int _cases;

    /// <summary>Formats the subject once; every workload starts from that image.</summary>
    public CrashCampaign(ICrashSubject subject, CampaignOptions options)
        : this([subject ?? throw new ArgumentNullException(nameof(subject))], options)
    {
    }

    /// <summary>Formats each subject once.</summary>
    public CrashCampaign(IReadOnlyList<ICrashSubject> subjects, CampaignOptions options)
        : this(subjects, options, new RecordOptions())
    {
    }

    internal CrashCampaign(ICrashSubject subject, CampaignOptions options, RecordOptions recordOptions)
        : this([subject], options, recordOptions)
    {
    }

    internal CrashCampaign(IReadOnlyList<ICrashSubject> subjects, CampaignOptions options, RecordOptions recordOptions)
    {
        ArgumentNullException.ThrowIfNull(subjects);
        ArgumentNullException.ThrowIfNull(options);
        _subjects = subjects;
        _options = options;
        _recordOptions = recordOptions;
        _formatted = [.. subjects.Select(Format)];
    }

    internal PageImage Formatted => _formatted[0];

    /// <summary>Runs the workloads on the first subject; returns when all are done or the budget is spent.</summary>
    public CampaignResult Run(IEnumerable<Workload> workloads)
    {
        ArgumentNullException.ThrowIfNull(workloads);
        return Run(workloads.Select(workload => new CampaignItem(0, workload, _options.Profile)));
    }

    /// <summary>Runs the items; returns when all are done or the budget is spent.</summary>
    public CampaignResult Run(IEnumerable<CampaignItem> items)
    {
        ArgumentNullException.ThrowIfNull(items);
        _watch.Restart();
        TimeSpan before = Process.GetCurrentProcess().TotalProcessorTime;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_options.Stop);
        using IEnumerator<CampaignItem> source = items.GetEnumerator();
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
            Process.GetCurrentProcess().TotalProcessorTime - before,
            _mounts,
            new DecisionCoverage(_cases));

        void Work()
        {
            while (true)
            {
                CampaignItem item;
                int index;
                lock (_gate)
                {
                    bool spent = next >= _options.AlwaysItems && _watch.Elapsed > _options.TimeBudget;
                    if (spent || stop.IsCancellationRequested || _states >= _options.MaxStates
                        || _failed >= _options.MaxFailedWorkloads || !source.MoveNext())
                    {
                        return;
                    }

                    item = source.Current;
                    index = next++;
                    double rest = (_options.TimeBudget - _watch.Elapsed).TotalMilliseconds;
                    if (index == _options.AlwaysItems && rest < int.MaxValue)
                    {
                        stop.CancelAfter((int)Math.Max(0, rest));
                    }
                }

                RunOne(index, item, index < _options.AlwaysItems ? _options.Stop : stop.Token);
            }
        }
    }

    /// <summary>Examines one crash state of a workload on the first subject, as a violation's reproducer names it; all
    /// states where <paramref name="state"/> is empty.</summary>
    public IReadOnlyList<Violation> Reproduce(Workload workload, string state)
    {
        ArgumentNullException.ThrowIfNull(workload);
        ArgumentNullException.ThrowIfNull(state);
        var violations = new List<Violation>();
        Recording recording = LockstepRun.Record(_subjects[0], _formatted[0], workload, _recordOptions);
        violations.AddRange(Findings(_subjects[0], recording));
        var explorer = new CrashExplorer(_subjects[0], _options.Profile, _options.Seed);
        if (state.Length == 0)
        {
            explorer.Explore(recording, violations.Add, _options.MaxViolationsPerWorkload, CancellationToken.None);
        }
        else
        {
            explorer.Reproduce(recording, state, violations.Add);
        }

        return [.. violations.Select(violation => StateExplanation.Added(_subjects[0], recording, violation))];
    }

    private static PageImage Format(ICrashSubject subject)
    {
        var image = new PageImage(subject.DeviceLength);
        for (int page = 0; page < image.PageCount; page++)
        {
            long offset = (long)page * PageImage.PageSize;
            image.Write(offset, ContentPattern.Create(0xF0E1, offset, Math.Min(PageImage.PageSize, image.Length - offset)));
        }

        subject.Format(new ImageDevice(image));
        return image;
    }

    private void RunOne(int index, CampaignItem item, CancellationToken cancel)
    {
        ICrashSubject subject = _subjects[item.Subject];
        Workload workload = item.Workload;
        var violations = new List<Violation>();
        var explorer = new CrashExplorer(subject, item.Profile, _options.Seed);
        Recording? recording = null;
        bool isNew;
        try
        {
            recording = LockstepRun.Record(subject, _formatted[item.Subject], workload, _recordOptions);
            violations.AddRange(Findings(subject, recording));
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            violations.Add(Thrown(subject, workload, error));
        }
        finally
        {
            isNew = Claim(index, recording is null ? 0 : HashOf(item, recording));
        }

        try
        {
            if (recording is not null && isNew)
            {
                explorer.Explore(recording, violations.Add, _options.MaxViolationsPerWorkload, cancel);
            }
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            violations.Add(Thrown(subject, workload, error));
        }

        List<Violation> kept = violations.Take(_options.MaxViolationsPerWorkload).ToList();
        if (_options.Minimise && kept.Count > 0 && kept[0].State.Length > 0)
        {
            var minimiser = new Minimiser(subject, _formatted[item.Subject], item.Profile, _options.Seed, _recordOptions);
            kept[0] = minimiser.Shrink(kept[0]);
        }

        // A workload that was cut off does not count: what it would have found depends on the clock.
        if (!cancel.IsCancellationRequested || kept.Count > 0)
        {
            Finish(index, workload, recording?.Points.Count ?? 0, explorer.Counts, kept, !isNew);
        }
    }

    /// <summary>Waits for the items before, so that of several that are the same it is always the first which is explored.</summary>
    private bool Claim(int index, ulong hash)
    {
        lock (_turn)
        {
            while (_claimed != index)
            {
                Monitor.Wait(_turn);
            }

            _claimed++;
            Monitor.PulseAll(_turn);
            return hash == 0 || _explored.Add(hash);
        }
    }

    private static ulong HashOf(CampaignItem item, Recording recording) =>
        SeededRandom.Mix(recording.Identity ^ ((ulong)item.Subject << 48) ^ (ulong)(uint)item.Profile.GetHashCode()) | 1;

    private Violation Thrown(ICrashSubject subject, Workload workload, Exception error) =>
        new(workload.Id, workload.ToString(), "", "run", $"the store threw {error.GetType().Name}: {error.Message}\n{error.StackTrace}")
        {
            Seed = _options.Seed,
            Options = subject.Options,
        };

    private void Finish(int index, Workload workload, int points, ExplorationCounts counts, List<Violation> violations, bool same)
    {
        CampaignProgress progress;
        lock (_gate)
        {
            var outcome = new WorkloadOutcome(workload.Id, points, counts.States, counts.Distinct, counts.RecoveryStates, counts.Trees, violations.Count)
            {
                Pruned = counts.Pruned,
                Probes = counts.Probes,
                Same = same,
            };
            _done.Add(index, (outcome, violations));
            _states += counts.States + counts.RecoveryStates;
            _mounts += counts.Mounts + counts.Probes;
            _failed += violations.Count > 0 ? 1 : 0;
            _cases |= counts.DecisionCases;
            progress = new CampaignProgress(workload.Id, _done.Count, _states, _states / Math.Max(0.001, _watch.Elapsed.TotalSeconds), _done.Values.Sum(done => done.Violations.Count), new DecisionCoverage(_cases));
            _options.Finished?.Invoke(new FinishedItem(index, outcome, violations));
        }

        _options.Progress?.Invoke(progress);
    }

    private IEnumerable<Violation> Findings(ICrashSubject subject, Recording recording) => recording.Findings.Select(finding =>
        new Violation(recording.Workload.Id, recording.Workload.ToString(), "", finding.StartsWith('J') ? finding[..2] : "model", finding)
        {
            Seed = _options.Seed,
            Options = subject.Options,
        });
}
