// Promise: each deliberate defect is looked for by the same campaigns that test the product, in a fixed order with small
// budgets, until one of them finds it. A defect that none finds is a hole in the harness, and says so.
using System.Diagnostics;
using System.Text;
using IntegrityFs.Device;
using IntegrityFs.Integrity;
using IntegrityFs.Volume;

namespace IntegrityFs.CrashTesting;

/// <summary>How a mutant ended.</summary>
/// <param name="Name">The mutant.</param>
/// <param name="Defect">What is wrong with it.</param>
/// <param name="By">The campaign that caught it; empty where none did.</param>
/// <param name="Rule">The broken rule.</param>
/// <param name="Case">Workload or attack.</param>
/// <param name="States">States, runs or attacks needed.</param>
/// <param name="Elapsed">Time needed.</param>
public sealed record MutantVerdict(string Name, string Defect, string By, string Rule, string Case, long States, TimeSpan Elapsed)
{
    /// <summary>True where a campaign noticed it.</summary>
    public bool Killed => By.Length > 0;
}

/// <summary>Runs the mutants.</summary>
public sealed class MutantCampaign
{
    /// <summary>On a nearly full volume: the only place for the new content is what is freed in the same transaction.</summary>
    internal const string ReuseWorkload = "creat a; write a 0 163840 1; sync; begin; unlink a; creat b; write b 0 163840 2; sync";

    /// <summary>On a nearly full volume: the journal has images of the blocks that are freed and then written in place.</summary>
    internal const string RevokeWorkload = "creat a; write a 0 163840 1; sync; begin; write a 0 163840 2; sync; unlink a; sync; creat b; write b 0 163840 3; sync";

    private static readonly string[] s_workloads =
    [
        "creat foo; write foo 0 6000 1; fsync foo; mkdir A; rename foo A/bar; sync; unlink A/bar; sync; creat new; sync",
        "mkdir A; creat A/x; sync; begin; creat A/f; fsync A; link A/f A/g; fsync A; unlink A/f; fsync .",
        "creat f; sync; begin; append f 5000 1; fdatasync f; append f 9000 2; fdatasync f",
        "creat a; write a 0 5000 1; creat b; sync; begin; rename a b; sync; rename b c; sync",
        "creath h a; writeh h 0 30000 1; sync; unlink a; sync; creat b; sync",
        "creat f; write f 0 9000 1; sync; begin; truncate f 5000; fsync f; truncate f 9000; fsync f",
        "creat a; write a 0 20000 1; sync; checkpoint; write a 0 20000 2; sync; checkpoint; write a 0 8000 3; sync; checkpoint; unlink a; sync; checkpoint",
        "creat a; write a 0 40000 1; sync; begin; write a 0 40000 2; sync; unlink a; sync; creat b; write b 0 40000 3; sync; write b 0 40000 4; sync",
        "creat a; write a 0 40000 1; sync; checkpoint; begin; unlink a; creat b; write b 0 40000 2; sync; creat c; write c 0 30000 3; sync",
        "creat a; sync; begin; write a 0 90000 1; sync; write a 0 90000 2; sync; write a 0 90000 3; sync; write a 0 90000 4; sync; write a 0 90000 5; sync",
        ReuseWorkload,
        RevokeWorkload,
    ];

    private readonly TimeSpan _budget;
    private readonly ulong _seed;

    /// <summary>Prepares the campaign.</summary>
    /// <param name="seed">Seed of all choices.</param>
    /// <param name="budget">Time for each mutant at most.</param>
    public MutantCampaign(ulong seed, TimeSpan budget)
    {
        _seed = seed;
        _budget = budget;
    }

    /// <summary>A journal and a cache of which no workload above fills a quarter: nothing commits or checkpoints unasked.</summary>
    internal static SubjectOptions RoomyJournal { get; } = new()
    {
        DeviceLength = 4 << 20,
        JournalBytes = 768 * 4096,
        CacheBytes = 4 << 20,
        DataMode = DataMode.Auto,
    };

    /// <summary>Freed blocks are the only free ones in one piece, and each in-place commit meets a checkpoint.</summary>
    internal static RecordOptions NearlyFull { get; } = new() { FreeBlocks = 8, CheckpointInCommits = true };

    /// <summary>Names of all mutants.</summary>
    public static IReadOnlyList<string> Names => [.. Mutants().Select(mutant => mutant.Name)];

    /// <summary>Called when a mutant is done, from any thread.</summary>
    public Action<MutantVerdict>? Progress { get; init; }

    /// <summary>Looks for all mutants, or for the named ones.</summary>
    public IReadOnlyList<MutantVerdict> Run(int jobs = 1, IReadOnlyCollection<string>? only = null)
    {
        Mutant[] mutants = [.. Mutants().Where(mutant => only is null || only.Contains(mutant.Name))];
        var verdicts = new MutantVerdict[mutants.Length];
        int next = -1;
        var threads = new List<Thread>();
        for (int job = 0; job < Math.Max(1, jobs); job++)
        {
            var thread = new Thread(Work, 16 << 20) { IsBackground = true, Name = $"mutants {job}" };
            thread.Start();
            threads.Add(thread);
        }

        threads.ForEach(thread => thread.Join());
        return verdicts;

        void Work()
        {
            for (int i = Interlocked.Increment(ref next); i < mutants.Length; i = Interlocked.Increment(ref next))
            {
                verdicts[i] = Hunt(mutants[i]);
                Progress?.Invoke(verdicts[i]);
            }
        }
    }

    /// <summary>The kill-rate table, in Markdown.</summary>
    public static string Markdown(IReadOnlyList<MutantVerdict> verdicts)
    {
        ArgumentNullException.ThrowIfNull(verdicts);
        var text = new StringBuilder("| Mutant | Defect | Caught by | Rule | States |\n|---|---|---|---|---:|\n");
        foreach (MutantVerdict verdict in verdicts)
        {
            text.Append($"| {verdict.Name} | {verdict.Defect} | {(verdict.Killed ? verdict.By : "**survives**")} | {verdict.Rule} | {verdict.States} |\n");
        }

        return text.Append($"\n{verdicts.Count(verdict => verdict.Killed)} of {verdicts.Count} killed.\n").ToString();
    }

    private MutantVerdict Hunt(Mutant mutant)
    {
        var watch = Stopwatch.StartNew();
        long states = 0;
        IEnumerable<Hunter> order = new[] { mutant.First }.Concat(Enum.GetValues<Hunter>().Where(hunter => hunter != mutant.First));
        foreach (Hunter hunter in order)
        {
            if (watch.Elapsed > _budget)
            {
                break;
            }

            (string Rule, string Case, long States)? caught;
            try
            {
                caught = Send(hunter, mutant, _budget - watch.Elapsed);
            }
            catch (InvalidOperationException error)
            {
                // It cannot even be prepared: the store contradicts the model while nothing is wrong.
                caught = ("model", error.Message, 0);
            }

            states += caught?.States ?? 0;
            if (caught is { } found && found.Rule.Length > 0)
            {
                string shown = found.Case.Length > 120 ? found.Case[..120] : found.Case;
                return new MutantVerdict(mutant.Name, mutant.Defect, Text(hunter), found.Rule, shown, states, watch.Elapsed);
            }
        }

        return new MutantVerdict(mutant.Name, mutant.Defect, "", "", "", states, watch.Elapsed);
    }

    private (string Rule, string Case, long States)? Send(Hunter hunter, Mutant mutant, TimeSpan budget)
    {
        SubjectOptions options = mutant.Options with
        {
            DeviceLength = 2 << 20,
            JournalBytes = (hunter is Hunter.CrashSmallJournal or Hunter.DamagedCrash ? 96 : 256) * 4096L,
            DataMode = hunter is Hunter.CrashInPlace ? DataMode.Auto : DataMode.Journal,
        };
        if (hunter == Hunter.CrashNearlyFull)
        {
            options = RoomyJournal with { Mutations = options.Mutations, Defect = options.Defect };
        }

        switch (hunter)
        {
            case Hunter.Attack:
                AttackResult attacked = new AttackCampaign(new AttackOptions { Seed = _seed, PerCell = 4, MaxFailures = 1, TimeBudget = budget })
                    .Run(AttackCampaign.SmallVolume with { Mutations = options.Mutations, Defect = options.Defect });
                return (attacked.Failures.Count > 0 ? "P1" : "", attacked.Failures.FirstOrDefault() ?? "", attacked.Attacks);
            case Hunter.Fault:
                FaultResult faulty = new FaultCampaign(new FaultOptions { Seed = _seed, RunsPerWorkload = 160, MaxFailures = 1, TimeBudget = budget })
                    .Run(new IntegrityFsSubject(options));
                string failure = faulty.Failures.FirstOrDefault() ?? "";
                return (failure.Length > 0 ? "fault" : "", failure, faulty.Runs);
            case Hunter.TwoLives:
                var lives = new TwoLives(new IntegrityFsSubject(options));
                Violation? second = TwoLives.Pairs.Select(pair => lives.Explore(pair.Setup, pair.First, pair.Second)).FirstOrDefault(found => found is not null);
                return (second?.Rule ?? "", second?.Text ?? "", lives.States);
            case Hunter.FullVolume:
                FaultResult full = new FaultCampaign(new FaultOptions { Seed = _seed, RunsPerWorkload = 120, MaxFailures = 1, TimeBudget = budget, OnlyFullVolume = true })
                    .Run(new IntegrityFsSubject(options), [.. FaultCampaign.Workloads.Where(workload => workload.Id == "in-place")]);
                return (full.Failures.Count > 0 ? "model" : "", full.Failures.FirstOrDefault() ?? "", full.Runs);
            case Hunter.DamagedCrash:
                var crash = new DamagedCrash(new IntegrityFsSubject(options));
                Violation? lost = crash.Explore(_seed);
                return (lost?.Rule ?? "", lost?.State ?? "", crash.States);
            default:
                RecordOptions record = hunter is Hunter.CrashNearlyFull ? NearlyFull : new RecordOptions();
                return Crash(options, record with { Wrap = mutant.Device }, mutant, budget);
        }
    }

    private (string Rule, string Case, long States) Crash(SubjectOptions options, RecordOptions record, Mutant mutant, TimeSpan budget)
    {
        var campaign = new CrashCampaign(
            new IntegrityFsSubject(options),
            new CampaignOptions
            {
                Seed = _seed,
                Profile = CrashProfile.Quick with { MaxStatesPerPoint = 40, RecoveryEvery = 8 },
                Minimise = false,
                MaxFailedWorkloads = 1,
                MaxViolationsPerWorkload = 1,
                TimeBudget = budget,
            },
            record);
        CampaignResult result = campaign.Run(Order(mutant).Select(i => Workload.Parse($"mutant-{i}", s_workloads[i])));
        Violation? first = result.Violations.Count > 0 ? result.Violations[0] : null;
        return (first?.Rule ?? "", first is null ? "" : Workload.Parse("w", first.Text).ToString(), result.States);
    }

    /// <summary>All workloads, that which asks for the defect first.</summary>
    private static IEnumerable<int> Order(Mutant mutant)
    {
        int directed = mutant.Options switch
        {
            { Mutations: Mutation.DropTagUpdate or Mutation.DropHomeWrite or Mutation.SkipCheckpointFlush or Mutation.WrongSlot } => 6,
            { Mutations: Mutation.TagsBeforeData or Mutation.ReleaseTailEarly } => 9,
            { Mutations: Mutation.ReuseFreedEarly } => 10,
            { Mutations: Mutation.SkipRevoke } => 11,
            { Defect: UpperDefect.DirectorySyncDoesNothing } => 1,
            { Defect: UpperDefect.DataSyncDropsSize } => 2,
            { Defect: UpperDefect.RenameInTwoTransactions } => 3,
            { Defect: UpperDefect.OrphansNotReplayed } => 4,
            { Defect: UpperDefect.TruncateKeepsTail } => 5,
            _ => 0,
        };
        return new[] { directed }.Concat(Enumerable.Range(0, s_workloads.Length).Where(i => i != directed));
    }

    private static string Text(Hunter hunter) => hunter switch
    {
        Hunter.Crash => "crash states",
        Hunter.CrashInPlace => "crash states, data=auto",
        Hunter.CrashSmallJournal => "crash states, small journal",
        Hunter.CrashNearlyFull => "crash states, data=auto, nearly full",
        Hunter.Attack => "attacks",
        Hunter.Fault => "faults",
        Hunter.TwoLives => "two lives",
        Hunter.FullVolume => "full volume",
        _ => "crash and lost superblock",
    };

    /// <summary>Every defect that can be switched on: one without a hunter is a failure here, not a gap.</summary>
    private static IEnumerable<Mutant> Mutants()
    {
        foreach (Mutation mutation in Enum.GetValues<Mutation>().Where(mutation => mutation != Mutation.None))
        {
            (Hunter first, string defect) = HuntFor(mutation);
            yield return new Mutant(Kebab(mutation.ToString()), defect, new SubjectOptions { Mutations = mutation }, first);
        }

        foreach (UpperDefect planted in Enum.GetValues<UpperDefect>().Where(planted => planted != UpperDefect.None))
        {
            (Hunter first, string defect) = HuntFor(planted);
            yield return new Mutant(Kebab(planted.ToString()), defect, new SubjectOptions { Defect = planted }, first);
        }

        yield return new Mutant("device-loses-flushes", "the device reports flushes that it does not do", new SubjectOptions(), Hunter.Crash)
        {
            Device = device => new FaultDevice(device, new Fault(FaultKind.Lost, Format.DeviceOperation.Flush, 0, true)) { Armed = true },
        };
    }

    private static (Hunter First, string Defect) HuntFor(Mutation defect) => defect switch
    {
        Mutation.SkipCommitFlush => (Hunter.Crash, "a commit is acknowledged before its flush"),
        Mutation.SkipCheckpointFlush => (Hunter.CrashSmallJournal, "the tail advances before the flush of what was brought home"),
        Mutation.ReleaseTailEarly => (Hunter.CrashSmallJournal, "journal space is reused before the superblock that frees it is durable"),
        Mutation.VerifyNothing => (Hunter.Attack, "tags and MACs are not compared"),
        Mutation.IgnoreChain => (Hunter.Attack, "a journal record is accepted whatever it follows"),
        Mutation.ReplayTorn => (Hunter.Crash, "replay goes on past a torn tail"),
        Mutation.SkipRevoke => (Hunter.CrashNearlyFull, "freed blocks are not revoked: their older images live on"),
        Mutation.DropTagUpdate => (Hunter.Crash, "a checkpoint leaves out a changed tag"),
        Mutation.WrongSlot => (Hunter.Crash, "a checkpoint overwrites the live slot of tree nodes"),
        Mutation.DropHomeWrite => (Hunter.Crash, "a checkpoint leaves out a block"),
        Mutation.ReuseSequence => (Hunter.TwoLives, "numbers of dropped transactions are used again"),
        Mutation.CheckpointBeforeCommit => (Hunter.Crash, "blocks go home before their commit"),
        Mutation.ReuseFreedEarly => (Hunter.CrashNearlyFull, "blocks are written in place before their free is durable"),
        Mutation.SkipUndo => (Hunter.Fault, "an operation that fails in the middle stays half done"),
        Mutation.SyncDoesNothing => (Hunter.Crash, "fsync returns without a commit"),
        Mutation.StaleTag => (Hunter.Crash, "tags are made for the version before"),
        Mutation.SingleSuperblock => (Hunter.Attack, "the second superblock is never written"),
        Mutation.TagsBeforeData => (Hunter.CrashInPlace, "the commit with the tags precedes the data that it covers"),
        Mutation.UnjournalledTag => (Hunter.Crash, "a tag is not in the journal"),
        Mutation.IgnoreCommitMac => (Hunter.Attack, "a commit record is accepted without its MAC"),
        Mutation.RecoveryForgetsJournal => (Hunter.Crash, "recovery cannot be repeated: the journal is given up before it is home"),
        _ => throw new InvalidOperationException($"nobody hunts {defect}"),
    };

    private static (Hunter First, string Defect) HuntFor(UpperDefect defect) => defect switch
    {
        UpperDefect.DirectorySyncDoesNothing => (Hunter.Crash, "fsync of a directory does nothing"),
        UpperDefect.DataSyncDropsSize => (Hunter.Crash, "fdatasync forgets the size"),
        UpperDefect.RenameInTwoTransactions => (Hunter.Crash, "rename is a link and an unlink"),
        UpperDefect.LinkCountInNextTransaction => (Hunter.Crash, "the link count follows in the next transaction"),
        UpperDefect.OrphansNotReplayed => (Hunter.Crash, "files without a name are not freed by the next mount"),
        UpperDefect.TruncateKeepsTail => (Hunter.Crash, "bytes behind a shortened end come back"),
        UpperDefect.NoSpaceHalfApplied => (Hunter.FullVolume, "a write that finds no space has changed the size"),
        _ => throw new InvalidOperationException($"nobody hunts {defect}"),
    };

    private static string Kebab(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) ? (i > 0 ? "-" : "") + char.ToLowerInvariant(c) : c.ToString()));

    private enum Hunter
    {
        Crash,
        CrashInPlace,
        CrashSmallJournal,
        Attack,
        Fault,
        TwoLives,
        DamagedCrash,
        FullVolume,
        CrashNearlyFull,
    }

    private sealed record Mutant(string Name, string Defect, SubjectOptions Options, Hunter First)
    {
        public Func<IDevice, IDevice>? Device { get; init; }
    }
}
