// Promise: builds all listed states, lets the checker judge each distinct one once (or a seeded choice of them), and
// reports each kind of failure by the state that lacks the least. The same recording, options and checker give the same
// report, whatever the number of jobs.
using System.Diagnostics;
using System.Text;

namespace IntegrityFs.CrashTesting;

/// <summary>Explores the states of a recording.</summary>
/// <param name="recording">For words.</param>
/// <param name="source">Where states come from.</param>
/// <param name="judge">The checker.</param>
public sealed class Exploration(ProgramRecording recording, ICaseSource source, ICaseJudge judge)
{
    private const int MostGroups = 20;
    private const int MostShrinks = 60;

    private readonly Lock _gate = new();
    private readonly Dictionary<(ulong Hash, int Output), CrashCase> _distinct = [];
    private long _built;
    private int _checked;
    private int _failed;

    /// <summary>Threads.</summary>
    public int Jobs { get; init; } = 1;

    /// <summary>The checker judges at most so many states.</summary>
    public int MostStates { get; init; } = 1000;

    /// <summary>Chooses among too many.</summary>
    public ulong Seed { get; init; }

    /// <summary>States built so far.</summary>
    public long Built => Volatile.Read(ref _built);

    /// <summary>States judged so far.</summary>
    public int Checked => Volatile.Read(ref _checked);

    /// <summary>States rejected so far.</summary>
    public int Failed => Volatile.Read(ref _failed);

    /// <summary>Called now and then, from any thread.</summary>
    public Action? OnProgress { get; init; }

    /// <summary>Runs to the end, or until cancelled.</summary>
    public ExploreResult Run(string personality, CancellationToken cancel)
    {
        long start = Stopwatch.GetTimestamp();
        Parallel.For(0, Jobs, new ParallelOptions { MaxDegreeOfParallelism = Jobs }, worker => Collect(worker, cancel));
        CrashCase[] chosen = Choose();
        var verdicts = new Verdict?[chosen.Length];
        int next = 0;
        Parallel.For(0, Jobs, new ParallelOptions { MaxDegreeOfParallelism = Jobs }, _ =>
        {
            for (int i = Interlocked.Increment(ref next) - 1; i < chosen.Length && !cancel.IsCancellationRequested; i = Interlocked.Increment(ref next) - 1)
            {
                verdicts[i] = Judge(chosen[i]);
                Interlocked.Increment(ref _checked);
                Interlocked.Add(ref _failed, verdicts[i]!.Passed ? 0 : 1);
                OnProgress?.Invoke();
            }
        });

        var judged = new List<(CrashCase Case, Verdict Verdict)>();
        for (int i = 0; i < chosen.Length; i++)
        {
            if (verdicts[i] is { } verdict)
            {
                judged.Add((chosen[i], verdict));
            }
        }

        return new ExploreResult
        {
            Personality = personality,
            Points = source.Points,
            Built = _built,
            Distinct = _distinct.Count,
            Checked = _checked,
            Failed = _failed,
            Groups = Group(judged, cancel),
            Judged = judged,
            Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds,
            Interrupted = cancel.IsCancellationRequested,
        };
    }

    private void Collect(int worker, CancellationToken cancel)
    {
        foreach (CrashCase state in source.Cases(worker, Jobs, cancel))
        {
            Interlocked.Increment(ref _built);
            lock (_gate)
            {
                var key = (state.Hash, state.OutputLength);
                if (!_distinct.TryGetValue(key, out CrashCase? known) || Earlier(state, known))
                {
                    _distinct[key] = state;
                }
            }

            OnProgress?.Invoke();
        }
    }

    /// <summary>The same representative whichever thread came first.</summary>
    private static bool Earlier(CrashCase left, CrashCase right)
    {
        int order = left.Event.CompareTo(right.Event);
        order = order != 0 ? order : left.Id.Length.CompareTo(right.Id.Length);
        return (order != 0 ? order : string.CompareOrdinal(left.Id, right.Id)) < 0;
    }

    private CrashCase[] Choose()
    {
        IEnumerable<CrashCase> all = _distinct.Values;
        if (_distinct.Count > MostStates)
        {
            all = all.OrderBy(state => SeededRandom.Mix(state.Hash + Seed + ((ulong)state.OutputLength << 32))).Take(MostStates);
        }

        return [.. all.OrderBy(state => state.Event).ThenBy(state => state.Id, StringComparer.Ordinal)];
    }

    private Verdict Judge(CrashCase state) =>
        state.Problem is { } problem ? new Verdict(false, -1, problem) : judge.Judge(state);

    private List<FailureGroup> Group(List<(CrashCase Case, Verdict Verdict)> judged, CancellationToken cancel)
    {
        var groups = new List<FailureGroup>();
        foreach (IGrouping<string, (CrashCase Case, Verdict Verdict)> group in judged
            .Where(item => !item.Verdict.Passed).GroupBy(item => Signature(item.Verdict)).OrderByDescending(group => group.Count()).ThenBy(group => group.Key, StringComparer.Ordinal).Take(MostGroups))
        {
            (CrashCase state, Verdict verdict) = group.MinBy(item => (source.Lost(item.Case).Count, item.Case.Event));
            (state, verdict) = Shrink(state, verdict, group.Key, cancel);
            groups.Add(new FailureGroup(
                state, verdict, group.Count(), source.Lost(state), Words(recording.RequestBefore(state.Event)),
                Words(recording.RequestAfter(state.Event)), recording.MarkBefore(state.Event)));
        }

        return groups;
    }

    /// <summary>Gives back what is not needed for the failure.</summary>
    private (CrashCase, Verdict) Shrink(CrashCase state, Verdict verdict, string signature, CancellationToken cancel)
    {
        int budget = MostShrinks;
        bool smaller = true;
        while (smaller && !cancel.IsCancellationRequested)
        {
            smaller = false;
            foreach (CrashCase candidate in source.Smaller(state.Id))
            {
                if (budget-- <= 0)
                {
                    return (state, verdict);
                }

                Verdict again = Judge(candidate);
                if (!again.Passed && Signature(again) == signature)
                {
                    (state, verdict, smaller) = (candidate, again, true);
                    break;
                }
            }
        }

        return (state, verdict);
    }

    private string Words(RecordedRequest? request) => request is null ? "" : _words.Value.Text(request);

    private readonly Lazy<RequestHistory> _words = new(() => new RequestHistory(recording, new FileTree(Empty()), withTrees: false));

    private static System.Collections.Immutable.ImmutableDictionary<ulong, FileNode> Empty() =>
        System.Collections.Immutable.ImmutableDictionary<ulong, FileNode>.Empty.Add(FileTree.Root, new FileNode { Mode = FileTypes.Directory });

    /// <summary>Exit code and last line, with numbers left out.</summary>
    private static string Signature(Verdict verdict)
    {
        string last = verdict.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).LastOrDefault() ?? "";
        var text = new StringBuilder($"{(verdict.TimedOut ? "timeout" : verdict.ExitCode)}: ");
        bool digits = false;
        foreach (char c in last)
        {
            bool digit = char.IsAsciiDigit(c);
            text.Append(digit ? (digits ? "" : "#") : c.ToString());
            digits = digit;
        }

        return text.ToString();
    }
}
