// Promise: a volume crashes, recovers, is used again and crashes again; what the second recovery shows must be a state of
// the second life. Parts of a transaction that was dropped by the first recovery must never come back to life in the second.
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>Explores crashes of two lives of one volume.</summary>
internal sealed class TwoLives(IntegrityFsSubject subject)
{
    /// <summary>Pairs of lives on one set-up. The second does the same at another time: its data completes what the first
    /// left torn, its inodes do not.</summary>
    public static IReadOnlyList<(string Setup, string First, string Second)> Pairs { get; } =
    [
        ("creat f; write f 0 4096 9; sync", "write f 0 4096 1; fsync f", "write f 0 4096 1; fsync f"),
        ("creat f; write f 0 16384 9; sync", "write f 4096 8192 2; fsync f", "write f 4096 8192 2; fsync f"),
    ];

    /// <summary>Images mounted.</summary>
    public long States { get; private set; }

    /// <summary>The first violation, or null.</summary>
    public Violation? Explore(string setup, string first, string second)
    {
        var formatted = new PageImage(subject.DeviceLength);
        subject.Format(new ImageDevice(formatted));
        Workload one = Workload.Parse("two-lives", setup + "; begin; " + first);
        Recording recording = LockstepRun.Record(subject, formatted, one, new RecordOptions());
        foreach (CrashPoint point in recording.Points)
        {
            foreach (CrashState state in States1(point))
            {
                PageImage crashed = CrashExplorer.Build(recording, state);
                if (Live(crashed, second) is { } what)
                {
                    return new Violation("two-lives", $"{one}; [crash {state.Describe(point)}]; {second}", state.Describe(point), "P2", what);
                }
            }
        }

        return null;
    }

    private static IEnumerable<CrashState> States1(CrashPoint point)
    {
        for (int missing = 0; missing < point.Pending.Count; missing++)
        {
            byte[] masks = [.. point.Pending.Select((unit, i) => i == missing ? (byte)0 : unit.Whole)];
            yield return new CrashState(point.Number, masks);
        }
    }

    private string? Live(PageImage crashed, string second)
    {
        var clock = new ManualClock();
        clock.SetStep(500);
        var trace = new Trace();
        var allowed = new List<TreeFacts>();
        PageImage start;
        var image = new PageImage(crashed);
        IMountedSubject mounted = subject.Mount(new RecordingDevice(new ImageDevice(image), trace), clock, readOnly: false);
        States++;
        using (mounted)
        {
            allowed.Add(TreeFacts.Read(mounted.Files));
            start = image.Copy();
            trace.Clear();
            var executor = new OperationExecutor(mounted.Files);
            foreach (Operation operation in Workload.Parse("second", second).Operations)
            {
                if (executor.Execute(operation).Error is var error and not Errno.OK)
                {
                    return $"'{operation}' in the second life returned {error}";
                }

                allowed.Add(TreeFacts.Read(mounted.Files));
            }
        }

        CrashPoint point = CrashPoint.Of(trace.Events)[0];
        for (int i = 0; i < 2 * point.Pending.Count; i++)
        {
            bool single = i < point.Pending.Count;
            byte[] masks = [.. point.Pending.Select((unit, k) => (k == i % point.Pending.Count) == single ? unit.Whole : (byte)0)];
            var again = new PageImage(start);
            new CrashState(0, masks).Apply(point, again);
            using IMountedSubject recovered = subject.Mount(new ImageDevice(again), clock, readOnly: false);
            States++;
            TreeFacts seen = TreeFacts.Read(recovered.Files);
            if (seen.HasGaps || !allowed.Exists(facts => seen.Contradiction(facts) is null))
            {
                return $"after the second crash the tree is none of the second life: {seen.Contradiction(allowed[0])}";
            }
        }

        return null;
    }
}
