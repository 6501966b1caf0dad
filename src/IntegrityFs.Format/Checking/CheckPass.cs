// Promise: one going-through of a volume. Findings whose repair is allowed are kept until the pass has ended, because
// nothing changes while it runs; then the repairs of the first stage that has any are made. What cannot be repaired is told
// only by the pass that is the last, so nothing is told twice. Memory: at most MostRepairs findings with their repairs, and
// as many without; and one for each bad node of the catalog.
namespace IntegrityFs.Format;

/// <summary>What one pass over a volume finds, and the repairs that it asks for.</summary>
public sealed class CheckPass(RepairLevel level, ICheckSink sink, CancellationToken cancellation)
{
    /// <summary>Repairs of one pass; more are left to the next.</summary>
    public const int MostRepairs = 1 << 14;

    private readonly List<(Problem Problem, RepairStage Stage, Func<bool> Repair)> _repairs = [];
    private readonly List<Problem> _left = [];
    private RepairStage _blocked = (RepairStage)int.MaxValue;
    private int _later;

    /// <summary>How much may be repaired.</summary>
    public RepairLevel Level { get; } = level;

    /// <summary>Findings so far, whether kept or not.</summary>
    public long Count { get; private set; }

    /// <summary>True where findings need repairs that may be made.</summary>
    public bool WantsRepair => _repairs.Count > 0;

    /// <summary>True where something stays that this pass cannot repair.</summary>
    public bool HasLeft => _left.Count + _repairs.Count > 0;

    /// <summary>True where something of a stage, or one before it, has been found.</summary>
    public bool HasFound(RepairStage stage) => _lowest <= stage;

    private RepairStage _lowest = (RepairStage)int.MaxValue;

    /// <summary>Ends the check where it was cancelled; tells how far it is.</summary>
    public void Progress(string phase, long done)
    {
        cancellation.ThrowIfCancellationRequested();
        sink.Progress(phase, done);
    }

    /// <summary>A finding, and how it would be repaired: false where that did not work.</summary>
    public void Add(RepairStage stage, Problem problem, Func<bool>? repair = null)
    {
        Count++;
        _lowest = stage < _lowest ? stage : _lowest;
        RepairLevel needed = problem.Rule.Repair;
        if (repair is not null && needed != RepairLevel.None && needed <= Level)
        {
            // What must come before all else is never left out.
            if (stage <= RepairStage.Tree || _later++ < MostRepairs)
            {
                _repairs.Add((problem, stage, repair));
            }

            return;
        }

        if (stage < RepairStage.Content && stage < _blocked)
        {
            _blocked = stage;
        }

        if (Level == RepairLevel.None)
        {
            sink.Found(problem);
        }
        else if (_left.Count < MostRepairs)
        {
            _left.Add(problem);
        }
    }

    /// <summary>Makes the repairs of the first stage that has some. A stage behind one with findings that stay is not
    /// begun: what it would do might be wrong.</summary>
    /// <returns>How many succeeded.</returns>
    public int Repair()
    {
        RepairStage first = (RepairStage)int.MaxValue;
        foreach ((_, RepairStage stage, _) in _repairs)
        {
            first = stage != RepairStage.Space && stage < first ? stage : first;
        }

        int done = Make(RepairStage.Space);
        return first <= _blocked ? done + Make(first) : done;
    }

    /// <summary>Makes the repairs of a stage and forgets those that succeeded.</summary>
    private int Make(RepairStage wanted)
    {
        int kept = 0;
        int done = 0;
        for (int i = 0; i < _repairs.Count; i++)
        {
            (Problem problem, RepairStage stage, Func<bool> repair) = _repairs[i];
            cancellation.ThrowIfCancellationRequested();
            if (stage == wanted && repair())
            {
                done++;
                sink.Found(problem with { Repaired = true });
            }
            else
            {
                _repairs[kept++] = _repairs[i];
            }
        }

        _repairs.RemoveRange(kept, _repairs.Count - kept);
        return done;
    }

    /// <summary>Tells what this pass could not repair and <paramref name="later"/>, a pass over the same after other repairs,
    /// does not find any more: that is repaired.</summary>
    public void ReportGone(CheckPass later)
    {
        foreach (Problem problem in _left)
        {
            if (!later._left.Exists(found => found.Code == problem.Code && found.Block == problem.Block))
            {
                sink.Found(problem with { Repaired = true });
            }
        }
    }

    /// <summary>Tells what stays: to be called on the last pass.</summary>
    public void ReportLeft()
    {
        foreach (Problem problem in _left)
        {
            sink.Found(problem);
        }

        foreach ((Problem problem, _, _) in _repairs)
        {
            sink.Found(problem);
        }
    }
}
