// Promise: a smaller workload and a crash state nearer to "nothing missing" that still break the same rule. Greedy,
// bounded by attempts, deterministic.
namespace IntegrityFs.CrashTesting;

/// <summary>Shrinks violations.</summary>
internal sealed class Minimiser(ICrashSubject subject, PageImage formatted, CrashProfile profile, ulong seed, RecordOptions options)
{
    private const int MaxAttempts = 120;

    private int _attempts;

    /// <summary>The smallest violation of the same rule that was found.</summary>
    public Violation Shrink(Violation violation)
    {
        _attempts = 0;
        Violation best = ShrinkOperations(violation);
        return ShrinkState(best);
    }

    private Violation ShrinkOperations(Violation best)
    {
        bool progress = true;
        while (progress && _attempts < MaxAttempts)
        {
            progress = false;
            Workload workload = Workload.Parse(best.Workload, best.Text);
            int total = workload.Setup.Count + workload.Operations.Count;
            for (int chunk = Math.Max(1, total / 2); chunk >= 1 && !progress; chunk /= 2)
            {
                for (int start = total - chunk; start >= 0 && !progress && _attempts < MaxAttempts; start -= chunk)
                {
                    Violation? smaller = Find(Without(workload, start, chunk), best.Rule);
                    if (smaller is not null)
                    {
                        best = smaller;
                        progress = true;
                    }
                }
            }
        }

        return best;
    }

    private Violation ShrinkState(Violation best)
    {
        if (best.State.Length == 0)
        {
            return best;
        }

        Workload workload = Workload.Parse(best.Workload, best.Text);
        Recording recording = LockstepRun.Record(subject, formatted, workload, options);
        if (best.State.Contains('/', StringComparison.Ordinal))
        {
            return StateExplanation.Added(subject, recording, best);
        }

        CrashState state = CrashState.Parse(best.State, recording.Points);
        CrashPoint point = recording.Points[state.Point];
        for (int i = 0; i < state.Masks.Length && _attempts < 2 * MaxAttempts; i++)
        {
            byte was = state.Masks[i];
            if (was == point.Pending[i].Whole)
            {
                continue;
            }

            state.Masks[i] = point.Pending[i].Whole;
            if (Reproduce(recording, state.Describe(point), best.Rule) is { } nearer)
            {
                best = nearer;
            }
            else
            {
                state.Masks[i] = was;
            }
        }

        return StateExplanation.Added(subject, recording, best);
    }

    private Violation? Find(Workload workload, string rule)
    {
        _attempts++;
        Violation? found = null;
        Recording recording = LockstepRun.Record(subject, formatted, workload, options);
        if (recording.Findings.Count > 0)
        {
            return null;
        }

        new CrashExplorer(subject, profile, seed).Explore(recording, violation => found ??= violation.Rule == rule ? violation : null, 4, CancellationToken.None);
        return found;
    }

    private Violation? Reproduce(Recording recording, string state, string rule)
    {
        _attempts++;
        Violation? found = null;
        new CrashExplorer(subject, profile, seed).Reproduce(recording, state, violation => found ??= violation.Rule == rule ? violation : null);
        return found;
    }

    private static Workload Without(Workload workload, int start, int count)
    {
        List<Operation> all = [.. workload.Setup, .. workload.Operations];
        int setup = workload.Setup.Count - Math.Clamp(workload.Setup.Count - start, 0, count);
        all.RemoveRange(start, Math.Min(count, all.Count - start));
        return workload with { Setup = all[..setup], Operations = all[setup..] };
    }
}
