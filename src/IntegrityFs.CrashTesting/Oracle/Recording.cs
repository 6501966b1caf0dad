// Promise: what one run of a workload did to the device and what every crash may leave: the expected tree after each
// operation, the trees between for operations that may split, and for each event how far the history had come.
using System.IO.Hashing;

namespace IntegrityFs.CrashTesting;

/// <summary>The history of one recorded run.</summary>
internal sealed class Recording
{
    private int[] _acknowledged = [];
    private int[] _started = [];

    public required Workload Workload { get; init; }

    /// <summary>The durable image at the start.</summary>
    public required PageImage Base { get; init; }

    public required Trace Trace { get; init; }

    /// <summary>Free blocks of the empty volume.</summary>
    public required long EmptyFreeBlocks { get; init; }

    /// <summary>Expected[k]: the tree after k operations.</summary>
    public List<TreeSnapshot> Expected { get; } = [];

    /// <summary>Between[k]: trees (by model hash) that may be seen while operation k is under way.</summary>
    public List<IReadOnlySet<ulong>> Between { get; } = [];

    /// <summary>Inodes[k]: the number that operation k created, or 0.</summary>
    public List<ulong> Created { get; } = [];

    /// <summary>Where the store and the model differed while nothing failed, and broken trace invariants.</summary>
    public List<string> Findings { get; } = [];

    /// <summary>What each operation returned.</summary>
    public List<OperationResult> Results { get; } = [];

    public IReadOnlyList<CrashPoint> Points { get; private set; } = [];

    /// <summary>Equal for two runs that are the same call by call, on the same image, with the same expected trees.</summary>
    public ulong Identity
    {
        get
        {
            ulong hash = 0;
            foreach (TraceEvent item in Trace.Events)
            {
                hash = SeededRandom.Mix(hash + (ulong)item.Kind + ((ulong)item.Offset << 8) + ((ulong)(uint)item.Number << 40)) ^ XxHash3.HashToUInt64(item.Data.Span);
            }

            foreach (TreeSnapshot tree in Expected)
            {
                hash = SeededRandom.Mix(hash ^ tree.Hash);
            }

            for (int page = 0; page < Base.PageCount; page++)
            {
                hash = SeededRandom.Mix(hash ^ XxHash3.HashToUInt64(Base.Page(page)));
            }

            return hash;
        }
    }

    /// <summary>No more events: computes the crash points.</summary>
    public void Seal()
    {
        IReadOnlyList<TraceEvent> events = Trace.Events;
        Points = CrashPoint.Of(events);
        _acknowledged = new int[events.Count + 1];
        _started = new int[events.Count + 1];
        for (int i = 0; i < events.Count; i++)
        {
            TraceEvent item = events[i];
            _acknowledged[i + 1] = item.Kind == TraceEventKind.Acknowledged ? Math.Max(item.Number, _acknowledged[i]) : _acknowledged[i];
            _started[i + 1] = item.Kind == TraceEventKind.OperationStart ? Math.Max(item.Number + 1, _started[i]) : _started[i];
        }
    }

    /// <summary>Operations that a state of this point must contain at least: those acknowledged before the crash.</summary>
    public int Least(CrashPoint point) => _acknowledged[point.Event];

    /// <summary>Operations that it can contain at most: those started before the last write that arrived.</summary>
    public int Most(CrashPoint point, CrashState state)
    {
        int last = point.Number == 0 ? 0 : Points[point.Number - 1].Event;
        for (int i = 0; i < state.Masks.Length; i++)
        {
            last = state.Masks[i] != 0 ? Math.Max(last, point.Pending[i].Event) : last;
        }

        return _started[Math.Min(last + 1, _started.Length - 1)];
    }
}
