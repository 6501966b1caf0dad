// Promise: the answers to the litmus questions, found by exploring every crash state of the operations with a commit at
// every choice of places between them. Made by the run; nothing in the table is written by hand.
using System.Text;
using IntegrityFs.Volume;

namespace IntegrityFs.CrashTesting;

/// <summary>One row.</summary>
/// <param name="Question">The question.</param>
/// <param name="Operations">The operations.</param>
/// <param name="Journal">Answers seen with data=journal.</param>
/// <param name="Auto">Answers seen with data=auto.</param>
/// <param name="States">Crash states mounted.</param>
public sealed record PropertyRow(string Question, string Operations, IReadOnlyList<string> Journal, IReadOnlyList<string> Auto, long States);

/// <summary>What survives a crash, in what order.</summary>
public static class PropertyTable
{
    private static readonly CrashProfile s_profile = new()
    {
        ExhaustiveUnits = 5,
        PairUnits = 0,
        Samples = 6,
        MaxStatesPerPoint = 40,
    };

    /// <summary>Explores all questions.</summary>
    /// <param name="seed">Seed of the sampled states.</param>
    /// <param name="progress">Called after each row.</param>
    public static IReadOnlyList<PropertyRow> Make(ulong seed, Action<PropertyRow>? progress = null)
    {
        var rows = new List<PropertyRow>();
        foreach (Litmus litmus in Litmus.All)
        {
            long states = 0;
            IReadOnlyList<string> journal = Explore(litmus, DataMode.Journal, seed, ref states);
            IReadOnlyList<string> inPlace = Explore(litmus, DataMode.Auto, seed, ref states);
            var row = new PropertyRow(litmus.Question, litmus.Operations, journal, inPlace, states);
            rows.Add(row);
            progress?.Invoke(row);
        }

        return rows;
    }

    /// <summary>The table, in Markdown.</summary>
    public static string Markdown(IReadOnlyList<PropertyRow> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var text = new StringBuilder("| Question | Operations | After a crash, data=journal | data=auto |\n|---|---|---|---|\n");
        foreach (PropertyRow row in rows)
        {
            string same = row.Auto.SequenceEqual(row.Journal) ? "the same" : string.Join("; ", row.Auto);
            text.Append($"| {row.Question} | `{row.Operations}` | {string.Join("; ", row.Journal)} | {same} |\n");
        }

        return text.ToString();
    }

    private static IReadOnlyList<string> Explore(Litmus litmus, DataMode mode, ulong seed, ref long states)
    {
        var subject = new IntegrityFsSubject(new SubjectOptions { DataMode = mode, JournalBytes = 256 * 4096 });
        var formatted = new PageImage(subject.DeviceLength);
        subject.Format(new ImageDevice(formatted));
        string[] operations = litmus.Operations.Split(';', StringSplitOptions.TrimEntries);
        var answers = new SortedSet<string>(StringComparer.Ordinal);
        for (int commits = 0; commits < 1 << (operations.Length - 1); commits++)
        {
            var text = new StringBuilder(litmus.Setup).Append("; sync; begin");
            for (int i = 0; i < operations.Length; i++)
            {
                text.Append("; ").Append(operations[i]).Append((commits & (1 << i)) != 0 ? "; sync" : "");
            }

            Workload workload = Workload.Parse("litmus", text.ToString());
            Recording recording = LockstepRun.Record(subject, formatted, workload, new RecordOptions { Snapshots = false });
            if (recording.Findings.Count > 0)
            {
                throw new InvalidOperationException($"{litmus.Question}: {recording.Findings[0]}");
            }

            states += Explore(subject, litmus, recording, seed, answers);
        }

        return [.. answers];
    }

    private static long Explore(IntegrityFsSubject subject, Litmus litmus, Recording recording, ulong seed, SortedSet<string> answers)
    {
        PageImage durable = recording.Base.Copy();
        var seen = new HashSet<ulong>();
        ulong hash = 0;
        foreach (CrashPoint point in recording.Points)
        {
            hash += StateHasher.MakeDurable(point.NewlyDurable, durable);
            if (litmus.Acknowledged && recording.Least(point) < recording.Workload.Operations.Count)
            {
                continue;
            }

            var hasher = new StateHasher(point, durable);
            foreach (CrashState state in CrashStates.Enumerate(point, s_profile, seed, s_profile.MaxStatesPerPoint))
            {
                if (!seen.Add(hash + hasher.Delta(state)))
                {
                    continue;
                }

                var image = new PageImage(durable);
                state.Apply(point, image);
                using IMountedSubject mounted = subject.Mount(new ImageDevice(image), new ManualClock(), readOnly: false);
                answers.Add(litmus.Answer(new PropertyView(mounted.Files)));
            }
        }

        return seen.Count;
    }
}
