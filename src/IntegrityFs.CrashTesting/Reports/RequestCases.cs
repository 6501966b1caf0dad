// Promise: every state comes from a personality's model of the recorded requests; the device plays no part.
namespace IntegrityFs.CrashTesting;

/// <summary>Crash states that a weaker file system would allow.</summary>
public sealed class RequestCases : ICaseSource
{
    private readonly ProgramRecording _recording;
    private readonly ExploreProfile _profile;
    private readonly ulong _seed;
    private readonly int _limit;
    private readonly List<PersistencePoint> _points = [];
    private readonly RequestHistory _history;

    /// <summary>Replays the requests through the personality's model.</summary>
    /// <param name="recording">The recording.</param>
    /// <param name="start">The tree before the first request.</param>
    /// <param name="personality">A name of <see cref="PersonalityTable"/>.</param>
    /// <param name="profile">How many states.</param>
    /// <param name="seed">Chooses samples.</param>
    /// <param name="mostStates">About so many states are built at most.</param>
    public RequestCases(ProgramRecording recording, FileTree start, string personality, ExploreProfile profile, ulong seed, long mostStates)
    {
        ArgumentNullException.ThrowIfNull(recording);
        _recording = recording;
        _profile = profile;
        _seed = seed;
        _history = new RequestHistory(recording, start, withTrees: false);
        PersistenceModel model = PersonalityTable.Create(personality);
        model.Begin(start);
        Replay(model);
        _limit = (int)Math.Clamp(mostStates / Math.Max(1, _points.Count), 12, 4096);
    }

    /// <inheritdoc/>
    public int Points => _points.Count;

    /// <inheritdoc/>
    public IEnumerable<CrashCase> Cases(int worker, int workers, CancellationToken cancel)
    {
        for (int number = worker; number < _points.Count; number += workers)
        {
            PersistencePoint point = _points[number];
            long count = PersistenceStates.Enumerate(point, _profile, _seed).LongCount();
            var choice = new SeededRandom(_seed + 17 + (ulong)number);
            ulong threshold = count <= _limit ? ulong.MaxValue : (ulong)_limit * (ulong.MaxValue / (ulong)count);
            int listed = 0;
            foreach (byte[] outcomes in PersistenceStates.Enumerate(point, _profile, _seed))
            {
                if (cancel.IsCancellationRequested)
                {
                    yield break;
                }

                if (listed++ < 2 || choice.Next() <= threshold)
                {
                    yield return Case(point, outcomes);
                }
            }
        }
    }

    /// <inheritdoc/>
    public CrashCase Find(string id)
    {
        (PersistencePoint point, byte[] outcomes) = PersistenceStates.Parse(id, _points);
        return Case(point, outcomes);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Lost(CrashCase state)
    {
        ArgumentNullException.ThrowIfNull(state);
        (PersistencePoint point, byte[] outcomes) = PersistenceStates.Parse(state.Id, _points);
        var lost = new List<string>();
        for (int i = 0; i < outcomes.Length; i++)
        {
            if (outcomes[i] == UnitOutcome.Whole)
            {
                continue;
            }

            PersistenceUnit unit = point.Pending[i];
            string what = outcomes[i] switch
            {
                UnitOutcome.Lost => "",
                UnitOutcome.Zeroes => " (its size is there, its bytes are zeroes)",
                UnitOutcome.Garbage => " (its size is there, its bytes are garbage)",
                _ => $" (only {outcomes[i]} sectors)",
            };
            string part = unit.Content is { } content && unit.Request.Length > content.Data.Length
                ? $" [{content.Data.Length} bytes at {content.Offset}]"
                : unit.Effects.Count > 0 && unit.Effects[0] is GrowEffect && unit.Content is null ? " [the size]" : "";
            string line = _history.Text(unit.Request) + part + what;
            if (lost.Count == 0 || lost[^1] != line)
            {
                lost.Add(line);
            }
        }

        return lost;
    }

    /// <inheritdoc/>
    public IEnumerable<CrashCase> Smaller(string id)
    {
        (PersistencePoint point, byte[] outcomes) = PersistenceStates.Parse(id, _points);

        // Give back all but one, then one each.
        for (int i = 0; i < outcomes.Length; i++)
        {
            if (outcomes[i] != UnitOutcome.Whole && outcomes.AsSpan().ContainsAnyExcept(UnitOutcome.Whole))
            {
                byte[] only = new byte[outcomes.Length];
                only.AsSpan().Fill(UnitOutcome.Whole);
                only[i] = outcomes[i];
                if (!Same(point, only, outcomes))
                {
                    yield return Case(point, only);
                }
            }
        }

        for (int i = 0; i < outcomes.Length; i++)
        {
            if (outcomes[i] != UnitOutcome.Whole)
            {
                byte[] more = [.. outcomes];
                more[i] = UnitOutcome.Whole;
                point.Complete(more);
                yield return Case(point, more);
            }
        }
    }

    private static bool Same(PersistencePoint point, byte[] outcomes, byte[] other)
    {
        byte[] closed = [.. outcomes];
        point.Close(closed);
        return closed.AsSpan().SequenceEqual(other);
    }

    private CrashCase Case(PersistencePoint point, byte[] outcomes)
    {
        point.Close(outcomes);
        FileTree tree = point.Build(outcomes);
        return new CrashCase(PersistenceStates.Describe(point, outcomes), point.Event, _recording.OutputBefore(point.Event), tree, tree.Hash());
    }

    /// <summary>A point before each synchronisation (most is pending then), after each change, and where something was
    /// printed or marked.</summary>
    private void Replay(PersistenceModel model)
    {
        for (int i = 0; i < _recording.Events.Count; i++)
        {
            RecordingEvent item = _recording.Events[i];
            switch (item.Kind)
            {
                case RecordingEventKind.Request:
                    bool counts = item.Request!.Kind != RequestKind.Close;
                    if (item.Request.IsSync)
                    {
                        AddPoint(model, i);
                    }

                    model.Take(item.Request);
                    if (counts)
                    {
                        AddPoint(model, i + 1);
                    }

                    break;
                case RecordingEventKind.Output or RecordingEventKind.Mark:
                    AddPoint(model, i + 1);
                    break;
                case RecordingEventKind.End:
                    AddPoint(model, i + 1);
                    return;
                default:
                    break;
            }
        }

        AddPoint(model, _recording.Events.Count);
    }

    private void AddPoint(PersistenceModel model, int index)
    {
        bool same = _points.Count > 0 && _points[^1] is { } last
            && ReferenceEquals(last.Durable.Nodes, model.Durable.Nodes) && last.Pending.Count == model.Pending.Count
            && (model.Pending.Count == 0 || ReferenceEquals(last.Pending[^1], model.Pending[^1]))
            && _recording.OutputBefore(last.Event) == _recording.OutputBefore(index);
        if (!same)
        {
            _points.Add(model.Point(_points.Count, index));
        }
    }
}
