// Promise: runs a list of attacks on a closed and on a crashed volume, judges each, and counts by zone and kind. The same
// options give the same table, but for a time budget that runs out. An attack that does not come back is reported by name.
using System.Diagnostics;
using System.Text;

namespace IntegrityFs.CrashTesting;

/// <summary>How wide an attack campaign is.</summary>
public sealed record AttackOptions
{
    /// <summary>Seed of the choice.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Threads.</summary>
    public int Jobs { get; init; } = 1;

    /// <summary>Attacks of each kind in each zone at most; all where there are fewer.</summary>
    public int PerCell { get; init; } = int.MaxValue;

    /// <summary>No new attack after this time.</summary>
    public TimeSpan TimeBudget { get; init; } = TimeSpan.FromHours(6);

    /// <summary>An attack that takes longer is a hang.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The campaign ends after so many failures.</summary>
    public int MaxFailures { get; init; } = 20;

    /// <summary>Only the attack of this id ("closed:flip:4711").</summary>
    public string? Only { get; init; }

    /// <summary>Called now and then, from any thread: attacks done, failures.</summary>
    public Action<long, int>? Progress { get; init; }
}

/// <summary>Outcomes of one kind of attack in one zone.</summary>
/// <param name="Zone">Where.</param>
/// <param name="Kind">What.</param>
/// <param name="Refused">Not opened, with a cause.</param>
/// <param name="Error">EIO that names the block.</param>
/// <param name="Repaired">Made good from the other copy.</param>
/// <param name="Unreferenced">Nobody needs it.</param>
/// <param name="RolledBack">An earlier state, whole: the documented exception.</param>
/// <param name="Broken">Failures.</param>
public readonly record struct AttackCell(AttackZone Zone, string Kind, long Refused, long Error, long Repaired, long Unreferenced, long RolledBack, long Broken)
{
    /// <summary>Attacks.</summary>
    public long Total => Refused + Error + Repaired + Unreferenced + RolledBack + Broken;

    /// <summary>The names of the outcomes that occurred.</summary>
    public IReadOnlyList<string> Classes =>
    [
        .. new[] { (Refused, "refused"), (Error, "EIO"), (Repaired, "repaired"), (Unreferenced, "unreferenced"), (RolledBack, "rolled back"), (Broken, "BROKEN") }
            .Where(item => item.Item1 > 0).Select(item => item.Item2),
    ];
}

/// <summary>What an attack campaign found.</summary>
/// <param name="Cells">By zone and kind.</param>
/// <param name="Failures">Broken promises with the attack's id.</param>
/// <param name="Unread">Byte flips that need not be run, because no byte of their sector is ever read.</param>
/// <param name="Elapsed">Wall time.</param>
public sealed record AttackResult(IReadOnlyList<AttackCell> Cells, IReadOnlyList<string> Failures, long Unread, TimeSpan Elapsed)
{
    /// <summary>Attacks made.</summary>
    public long Attacks => Cells.Sum(cell => cell.Total);

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Attacks} attacks in {Elapsed.TotalSeconds:0.0} s ({Attacks / Math.Max(0.001, Elapsed.TotalSeconds):0} per second), {Unread} flips of bytes that nothing reads left out: {(Failures.Count == 0 ? "no false byte, no crash, no hang" : Failures.Count + " failures")}";

    /// <summary>The table of zones and kinds, in Markdown.</summary>
    public string Markdown()
    {
        string[] kinds = [.. Cells.Select(cell => cell.Kind).Distinct()];
        var text = new StringBuilder();
        text.Append("| Zone | ").AppendJoin(" | ", kinds).Append(" |\n|---").Append(string.Concat(Enumerable.Repeat("|---", kinds.Length))).Append("|\n");
        foreach (IGrouping<AttackZone, AttackCell> zone in Cells.GroupBy(cell => cell.Zone).OrderBy(group => group.Key))
        {
            text.Append("| ").Append(ZoneName(zone.Key));
            foreach (string kind in kinds)
            {
                AttackCell cell = zone.FirstOrDefault(item => item.Kind == kind);
                text.Append(" | ").Append(cell.Total == 0 ? "–" : Describe(cell));
            }

            text.Append(" |\n");
        }

        return text.ToString();
    }

    /// <summary>A zone in words.</summary>
    public static string ZoneName(AttackZone zone) => zone switch
    {
        AttackZone.KeySlots => "key slots",
        AttackZone.JournalInUse => "journal, to be replayed",
        AttackZone.JournalSpent => "journal, spent",
        AttackZone.TagLive => "tag tree, live slots",
        AttackZone.TagSpare => "tag tree, spare slots",
        AttackZone.State => "state block",
        AttackZone.Bitmap => "bitmap",
        AttackZone.Catalog => "catalog",
        AttackZone.Data => "file content",
        AttackZone.Free => "free",
        _ => "superblocks",
    };

    private static string Describe(AttackCell cell) => string.Join(", ",
        new[] { (cell.Refused, "refused"), (cell.Error, "EIO"), (cell.Repaired, "repaired"), (cell.Unreferenced, "unreferenced"), (cell.RolledBack, "rolled back"), (cell.Broken, "BROKEN") }
            .Where(item => item.Item1 > 0).Select(item => $"{item.Item1} {item.Item2}"));
}

/// <summary>Attacks volumes.</summary>
public sealed class AttackCampaign
{
    private readonly AttackOptions _options;
    private readonly Lock _gate = new();
    private readonly Dictionary<(AttackZone, string), long[]> _cells = [];
    private readonly List<(AttackZone, string)> _order = [];
    private readonly List<string> _failures = [];
    private readonly Stopwatch _watch = new();
    private long _done;
    private long _unread;

    /// <summary>Prepares a campaign.</summary>
    public AttackCampaign(AttackOptions options) => _options = options ?? throw new ArgumentNullException(nameof(options));

    /// <summary>A volume of 1 MiB with the smallest journal: small enough to flip every byte of it.</summary>
    public static SubjectOptions SmallVolume { get; } = new() { DeviceLength = 1 << 20, JournalBytes = 96 * 4096 };

    /// <summary>Attacks a closed and a crashed volume.</summary>
    public AttackResult Run(SubjectOptions? subject = null)
    {
        _watch.Restart();
        foreach (bool crashed in new[] { true, false })
        {
            Victim victim = Victim.Make(new IntegrityFsSubject(subject ?? SmallVolume), crashed);
            var list = new AttackList(victim, _options.PerCell, _options.Seed) { ReadSectors = Baseline(victim) };
            _unread += Enum.GetValues<AttackZone>().Sum(list.UnreadBytes);
            if (_options.Only is null || _options.Only.StartsWith(victim.Name + ":", StringComparison.Ordinal))
            {
                Attack(victim, list);
            }
        }

        return new AttackResult(
            [.. _order.Select(key => (key, _cells[key])).Select(item => new AttackCell(item.key.Item1, item.key.Item2, item.Item2[0], item.Item2[1], item.Item2[2], item.Item2[3], item.Item2[4], item.Item2[5]))],
            _failures, _unread, _watch.Elapsed);
    }

    /// <summary>Opens and reads the victim unharmed: it must be all right, and this is what it reads.</summary>
    private static IReadOnlySet<long> Baseline(Victim victim)
    {
        var image = new PageImage(victim.Image.ForkForThread());
        var tracker = new ReadTracker(new ImageDevice(image));
        for (int pass = 0; pass < 2; pass++)
        {
            using VolumeSession session = VolumeSession.Open(tracker, victim.Subject.MasterKey, victim.Subject);
            TreeFacts facts = TreeFacts.Read(session.Files);
            if ((facts.Contradiction(victim.Facts[^1]) ?? string.Join("; ", facts.Gaps)) is { Length: > 0 } wrong)
            {
                throw new InvalidOperationException($"the unharmed {victim.Name} volume: {wrong}");
            }

            session.Close();
        }

        return tracker.Sectors;
    }

    private void Attack(Victim victim, AttackList list)
    {
        using IEnumerator<Attack> source = list.All().GetEnumerator();
        var workers = new List<Worker>();
        for (int job = 0; job < Math.Max(1, _options.Jobs); job++)
        {
            workers.Add(new Worker(this, victim, source));
        }

        foreach (Worker worker in workers)
        {
            worker.Start();
        }

        while (workers.Exists(worker => !worker.Join(TimeSpan.FromMilliseconds(200))))
        {
            if (workers.Find(worker => worker.Hangs(_options.Patience)) is { } hanging)
            {
                lock (_gate)
                {
                    _failures.Add($"{victim.Name}:{hanging.Current?.Id}: does not come back");
                    return;
                }
            }
        }
    }

    private Attack? Next(Victim victim, IEnumerator<Attack> source)
    {
        lock (_gate)
        {
            if (_watch.Elapsed > _options.TimeBudget || _failures.Count >= _options.MaxFailures)
            {
                return null;
            }

            while (source.MoveNext())
            {
                if (_options.Only is null || _options.Only == $"{victim.Name}:{source.Current.Id}")
                {
                    return source.Current;
                }
            }

            return null;
        }
    }

    private void Count(Victim victim, Attack attack, AttackOutcome outcome, string message)
    {
        lock (_gate)
        {
            (AttackZone, string) key = (attack.Zone, attack.Kind);
            if (!_cells.TryGetValue(key, out long[]? counts))
            {
                _cells.Add(key, counts = new long[6]);
                _order.Add(key);
            }

            counts[(int)outcome]++;
            if (outcome == AttackOutcome.Broken)
            {
                _failures.Add($"{victim.Name}:{attack.Id} ({AttackResult.ZoneName(attack.Zone)}): {message}");
            }

            if (++_done % 200 == 0)
            {
                _options.Progress?.Invoke(_done, _failures.Count);
            }
        }
    }

    private sealed class Worker
    {
        private readonly Thread _thread;
        private long _since;

        public Worker(AttackCampaign campaign, Victim victim, IEnumerator<Attack> source)
        {
            PageImage image = victim.Image.ForkForThread();
            _thread = new Thread(() =>
            {
                var judge = new AttackJudge(victim, image);
                while (campaign.Next(victim, source) is { } attack)
                {
                    Current = attack;
                    Volatile.Write(ref _since, Stopwatch.GetTimestamp());
                    AttackOutcome outcome = judge.Judge(attack, out string message);
                    Volatile.Write(ref _since, 0);
                    campaign.Count(victim, attack, outcome, message);
                }
            }, 16 << 20) { IsBackground = true, Name = "attacks" };
        }

        public Attack? Current { get; private set; }

        public void Start() => _thread.Start();

        public bool Join(TimeSpan time) => _thread.Join(time);

        public bool Hangs(TimeSpan patience) =>
            Volatile.Read(ref _since) is var since and not 0 && Stopwatch.GetElapsedTime(since) > patience;
    }
}
