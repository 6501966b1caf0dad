// Promise: builds every listed crash state of a recording once (by image hash), examines it, and reports what breaks a
// promise. Costs per state: the sectors that differ from the durable image, one mount, one walk.
using IntegrityFs.Device;

namespace IntegrityFs.CrashTesting;

/// <summary>What exploration of one workload did.</summary>
internal sealed class ExplorationCounts
{
    public long States { get; set; }

    public long Distinct { get; set; }

    public long Mounts { get; set; }

    public long RecoveryStates { get; set; }

    public int Trees { get; set; }

    /// <summary>States not mounted because recovery reads nothing in which they differ from a mounted one.</summary>
    public long Pruned { get; set; }

    /// <summary>Mounts of images that were damaged on purpose.</summary>
    public long Probes { get; set; }

    /// <summary>Cases of the recovery's decision table, as bits.</summary>
    public int DecisionCases { get; set; }
}

/// <summary>Explores the crash states of recordings made on one subject. Not thread safe.</summary>
internal sealed class CrashExplorer(ICrashSubject subject, CrashProfile profile, ulong seed)
{
    private readonly StateExaminer _examiner = new(subject);
    private Recording _recording = null!;
    private HistoryMatcher _matcher = null!;
    private Action<Violation> _report = null!;
    private Dictionary<ulong, TreeSnapshot?> _seen = [];
    private HashSet<ulong> _deep = [];
    private HashSet<ulong> _recoverySeen = [];
    private ReadTree _reads = new();
    private (int Least, int Most) _recovered;
    private int _reported;

    /// <summary>Hashes of the trees that were recovered.</summary>
    public IReadOnlySet<ulong> TreeHashes => _deep;

    public ExplorationCounts Counts { get; } = new();

    /// <summary>Explores all points; stops after <paramref name="maxViolations"/> or when cancelled.</summary>
    public void Explore(Recording recording, Action<Violation> report, int maxViolations, CancellationToken cancel)
    {
        Begin(recording, report);
        var durable = new PageImage(recording.Base);
        var damage = new DamageProbe(subject, _examiner, seed);
        ulong baseHash = 0;
        foreach (CrashPoint point in recording.Points)
        {
            baseHash += StateHasher.MakeDurable(point.NewlyDurable, durable);
            var hasher = new StateHasher(point, durable);
            _reads = new ReadTree();
            var crashed = new PageImage(durable);
            int index = 0;
            foreach (CrashState state in CrashStates.Enumerate(point, profile, seed, profile.MaxStatesPerPoint))
            {
                if (cancel.IsCancellationRequested || _reported >= maxViolations)
                {
                    return;
                }

                ExamineState(point, state, baseHash + hasher.Delta(state), crashed, index++, hasher);
            }

            crashed.Reset();
            int least = recording.Least(point);
            Violation? found = damage.Examine(recording, point, durable, tree => Allowed(tree, least, Math.Max(least, recording.Most(point, new CrashState(point.Number, new byte[point.Pending.Count])))));
            Probed(found);
        }

        Probed(new RollbackProbe(subject, _examiner, seed).Examine(recording));
        Counts.Probes += damage.Mounts;
        Counts.DecisionCases |= _examiner.DecisionCases;
    }

    private void Probed(Violation? found)
    {
        if (found is not null)
        {
            _reported++;
            _report(found);
        }
    }

    /// <summary>Examines one named state, fully.</summary>
    public void Reproduce(Recording recording, string descriptor, Action<Violation> report)
    {
        Begin(recording, report);
        string[] levels = descriptor.Split('/');
        CrashState state = CrashState.Parse(levels[0], recording.Points);
        if (levels.Length == 1)
        {
            PageImage durable = Durable(recording.Base, recording.Points, state.Point);
            ExamineState(recording.Points[state.Point], state, 0, new PageImage(durable), 0, new StateHasher(recording.Points[state.Point], durable));
            return;
        }

        PageImage crashed = Build(recording, state);
        string prefix = levels[0];
        Examination expected = _examiner.Recover(new PageImage(crashed), null, close: true);
        int least = recording.Least(recording.Points[state.Point]);
        int most = Math.Max(least, recording.Most(recording.Points[state.Point], state));
        _recovered = (expected.Tree is null ? least : _matcher.PlaceOf(expected.Tree, least, most), most);
        for (int level = 1; level < levels.Length; level++)
        {
            var trace = new Trace();
            var work = new PageImage(crashed);
            _examiner.Recover(work, trace, close: true);
            List<CrashPoint> points = CrashPoint.Of(trace.Events);
            CrashState next = CrashState.Parse(levels[level], points);
            crashed = Build(crashed, points, next);
            prefix += "/" + levels[level];
            if (level == levels.Length - 1)
            {
                JudgeRecovery(crashed, expected.Tree, prefix);
            }
        }
    }

    /// <summary>The image that a state stands for.</summary>
    public static PageImage Build(Recording recording, CrashState state) => Build(recording.Base, recording.Points, state);

    private static PageImage Build(PageImage start, IReadOnlyList<CrashPoint> points, CrashState state)
    {
        PageImage image = Durable(start, points, state.Point);
        state.Apply(points[state.Point], image);
        return image;
    }

    private static PageImage Durable(PageImage start, IReadOnlyList<CrashPoint> points, int point)
    {
        PageImage image = start.Copy();
        for (int i = 0; i <= point; i++)
        {
            StateHasher.MakeDurable(points[i].NewlyDurable, image);
        }

        return image;
    }

    private void Begin(Recording recording, Action<Violation> report)
    {
        _recording = recording;
        _matcher = new HistoryMatcher(recording);
        _report = report;
        _seen = [];
        _deep = [];
        _recoverySeen = [];
        _reported = 0;
    }

    private void ExamineState(CrashPoint point, CrashState state, ulong hash, PageImage crashed, int index, StateHasher hasher)
    {
        Counts.States++;
        int least = _recording.Least(point);
        int most = Math.Max(least, _recording.Most(point, state));
        if (_seen.TryGetValue(hash, out TreeSnapshot? known))
        {
            if (known is not null && !Allowed(known, least, most))
            {
                Report(state.Describe(point), "P2", _matcher.Explain(known, least, most));
            }

            return;
        }

        Counts.Distinct++;
        bool deeper = profile.RecoveryDepth > 1 && (index < 2 || index % profile.RecoveryEvery == 0);
        if (profile.Prune && !deeper && _reads.TryFind(hasher, out known))
        {
            Counts.Pruned++;
            _seen[hash] = known;
            if (known is not null && !Allowed(known, least, most))
            {
                Report(state.Describe(point), "P2", _matcher.Explain(known, least, most));
            }

            return;
        }

        crashed.Reset();
        state.Apply(point, crashed);
        var work = new PageImage(crashed);
        Trace? trace = deeper ? new Trace() : null;
        Counts.Mounts++;
        List<int> reads = [];
        IDevice device = new ImageDevice(work);
        Examination result = _examiner.Recover(profile.Prune ? new ReadTrackingDevice(device, hasher, reads) : device, trace, close: true);
        _seen[hash] = result.Tree;
        if (profile.Prune)
        {
            _reads.Add(hasher, reads, result.Tree);
        }

        if (result.Rule is not null)
        {
            Report(state.Describe(point), result.Rule, result.Message);
        }
        else if (!Allowed(result.Tree!, least, most))
        {
            Report(state.Describe(point), "P2", _matcher.Explain(result.Tree!, least, most));
        }
        else
        {
            _recovered = (_matcher.PlaceOf(result.Tree!, least, most), most);
            ExamineDeeper(point, state, hash, crashed, work, result.Tree!, least, trace);
        }

        work.Reset();
    }

    private void ExamineDeeper(CrashPoint point, CrashState state, ulong hash, PageImage crashed, PageImage recovered, TreeSnapshot tree, int least, Trace? trace)
    {
        if (_deep.Add(tree.Hash))
        {
            Counts.Trees++;
            Counts.Mounts += 3;
            var used = new HashSet<ulong>(_recording.Created.Take(least).Concat(tree.Entries.Select(entry => entry.Attributes.Inode.Value)));
            used.Remove(0);
            Examination deep = _examiner.Deep(crashed, recovered, tree, used, _recording.EmptyFreeBlocks);
            if (deep.Rule is not null)
            {
                Report(state.Describe(point), deep.Rule, deep.Message);
            }
        }

        if (trace is not null)
        {
            ExploreRecovery(crashed, hash, trace, tree, state.Describe(point), profile.RecoveryDepth - 1);
        }
    }

    /// <summary>Crashes during the recovery of <paramref name="crashed"/>: whatever arrives, the next recovery must give
    /// the same tree, or that after more of the operations that the crash allows.</summary>
    private void ExploreRecovery(PageImage crashed, ulong hash, Trace trace, TreeSnapshot tree, string prefix, int depth)
    {
        List<CrashPoint> points = CrashPoint.Of(trace.Events);
        var durable = new PageImage(crashed);
        foreach (CrashPoint point in points)
        {
            hash += StateHasher.MakeDurable(point.NewlyDurable, durable);
            var hasher = new StateHasher(point, durable);
            int index = 0;
            foreach (CrashState state in CrashStates.Enumerate(point, profile, seed + 1, profile.MaxStatesPerRecoveryPoint))
            {
                ulong imageHash = hash + hasher.Delta(state);
                if (!_recoverySeen.Add(imageHash ^ SeededRandom.Mix(tree.Hash)))
                {
                    continue;
                }

                var image = new PageImage(durable);
                state.Apply(point, image);
                string descriptor = prefix + "/" + state.Describe(point);
                Counts.RecoveryStates++;
                bool deeper = depth > 1 && index++ % profile.RecoveryEvery == 0;
                Trace? next = deeper ? new Trace() : null;
                PageImage? work = JudgeRecovery(image, tree, descriptor, next);
                if (work is not null && next is not null)
                {
                    ExploreRecovery(image, imageHash, next, tree, descriptor, depth - 1);
                }

                work?.Reset();
                image.Reset();
            }
        }

        durable.Reset();
    }

    private PageImage? JudgeRecovery(PageImage image, TreeSnapshot? tree, string descriptor, Trace? trace = null)
    {
        Counts.Mounts++;
        var work = new PageImage(image);
        Examination result = _examiner.Recover(work, trace, close: true);
        if (result.Rule is not null)
        {
            Report(descriptor, result.Rule, "after a crash during recovery: " + result.Message);
            return null;
        }

        // A later state that the crash allows is right, too: an image torn in the journal counts as soon as the interrupted
        // recovery has brought the same content home. An older one, or any other, is not.
        if (tree is null || result.Tree!.Hash == tree.Hash || Allowed(result.Tree, _recovered.Least, _recovered.Most))
        {
            return work;
        }

        Report(descriptor, "I7", "a crash during recovery changed the tree (- before, + after):\n" + tree.Difference(result.Tree, true));
        return null;
    }

    private bool Allowed(TreeSnapshot tree, int least, int most) => _matcher.Matches(tree, least, most);

    private void Report(string state, string rule, string message)
    {
        _reported++;
        _report(new Violation(_recording.Workload.Id, _recording.Workload.ToString(), state, rule, message) { Seed = seed, Options = subject.Options });
    }
}
