// Promise: every state of the device that a crash may leave is built from the recorded writes, recovered by the file
// system itself, and shown as the tree that it gives. Images that were seen already are not recovered again.
using System.Collections.Concurrent;

namespace IntegrityFs.CrashTesting;

/// <summary>Crash states of the recorded device.</summary>
public sealed class DeviceCases : ICaseSource
{
    private readonly ProgramRecording _recording;
    private readonly Func<PageImage, FileTree>? _recover;
    private readonly CrashProfile _profile;
    private readonly ulong _seed;
    private readonly List<CrashPoint> _points;
    private readonly Lazy<RequestHistory> _history;
    private readonly ConcurrentDictionary<ulong, (ulong Hash, FileTree? Tree, string? Problem)> _known = [];

    /// <summary>Prepares.</summary>
    /// <param name="recording">The recording.</param>
    /// <param name="recover">Opens an image and reads its tree; null: states are images, for the user's own commands.</param>
    /// <param name="profile">How many states.</param>
    /// <param name="seed">Chooses samples.</param>
    public DeviceCases(ProgramRecording recording, Func<PageImage, FileTree>? recover, ExploreProfile profile, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(recording);
        _recording = recording;
        _recover = recover;
        _profile = ProfileOf(profile, foreign: recover is null);
        _seed = seed;
        _points = CrashPoint.Of(recording.DeviceTrace());
        _history = new Lazy<RequestHistory>(() => new RequestHistory(recording, recover!(recording.Image.ForkForThread()), withTrees: true));
    }

    /// <inheritdoc/>
    public int Points => _points.Count;

    /// <inheritdoc/>
    public IEnumerable<CrashCase> Cases(int worker, int workers, CancellationToken cancel)
    {
        PageImage durable = _recording.Image.ForkForThread();
        ulong durableHash = 0;
        foreach (CrashPoint point in _points)
        {
            durableHash += StateHasher.MakeDurable(point.NewlyDurable, durable);
            if (point.Number % workers != worker)
            {
                continue;
            }

            var hasher = new StateHasher(point, durable);
            var image = new PageImage(durable);
            foreach (CrashState state in CrashStates.Enumerate(point, _profile, _seed, _profile.MaxStatesPerPoint))
            {
                if (cancel.IsCancellationRequested)
                {
                    yield break;
                }

                ulong hash = durableHash + hasher.Delta(state);
                if (!_known.TryGetValue(hash, out (ulong Hash, FileTree? Tree, string? Problem) known))
                {
                    image.Reset();
                    state.Apply(point, image);
                    known = Recover(hash, image);
                    _known[hash] = known;
                }

                yield return Case(point, state, known);
            }

            image.Reset();
        }
    }

    /// <inheritdoc/>
    public CrashCase Find(string id)
    {
        (CrashPoint point, CrashState state) = Parse(id);
        PageImage image = Image(id);
        return Case(point, state, Recover(0, image));
    }

    /// <summary>The image of a state, before any recovery.</summary>
    public PageImage Image(string id)
    {
        (CrashPoint point, CrashState state) = Parse(id);
        PageImage image = _recording.Image.ForkForThread();
        for (int i = 0; i <= point.Number; i++)
        {
            StateHasher.MakeDurable(_points[i].NewlyDurable, image);
        }

        state.Apply(point, image);
        return image;
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Lost(CrashCase state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return Lost(Parse(state.Id), state);
    }

    private IReadOnlyList<string> Lost((CrashPoint, CrashState) parsed, CrashCase found)
    {
        (CrashPoint point, CrashState state) = parsed;
        if (_recover is null)
        {
            return LostWrites(point, state);
        }

        int last = _recording.RequestBefore(point.Event)?.Number ?? 0;
        int place = found.Tree is null ? -1 : _history.Value.FindTree(found.Hash);
        return place < 0 ? LostWrites(point, state) : _history.Value.Between(place, last);
    }

    /// <inheritdoc/>
    public IEnumerable<CrashCase> Smaller(string id)
    {
        // With an order of its own, the file system decides; only single writes can be given back to a foreign one.
        if (_recover is not null)
        {
            yield break;
        }

        (CrashPoint point, CrashState state) = Parse(id);
        for (int i = 0; i < state.Masks.Length; i++)
        {
            if (state.Masks[i] != point.Pending[i].Whole)
            {
                byte[] masks = [.. state.Masks];
                masks[i] = point.Pending[i].Whole;
                yield return Find(new CrashState(point.Number, masks).Describe(point));
            }
        }
    }

    private static List<string> LostWrites(CrashPoint point, CrashState state)
    {
        var lost = new List<string>();
        for (int i = 0; i < state.Masks.Length; i++)
        {
            WriteUnit unit = point.Pending[i];
            if (state.Masks[i] != unit.Whole)
            {
                lost.Add($"write of {unit.Data.Length} bytes at {unit.Offset}{(state.Masks[i] == 0 ? "" : $" (of its sectors only {Convert.ToString(state.Masks[i], 2)})")}");
            }
        }

        return lost;
    }

    private (CrashPoint Point, CrashState State) Parse(string id)
    {
        CrashState state = CrashState.Parse(id, _points);
        return (_points[state.Point], state);
    }

    private CrashCase Case(CrashPoint point, CrashState state, (ulong Hash, FileTree? Tree, string? Problem) known) =>
        new(state.Describe(point), point.Event, _recording.OutputBefore(point.Event), known.Tree, known.Hash, known.Problem);

    private (ulong Hash, FileTree? Tree, string? Problem) Recover(ulong imageHash, PageImage image)
    {
        if (_recover is null)
        {
            return (imageHash, null, null);
        }

        var work = new PageImage(image);
        try
        {
            FileTree tree = _recover(work);
            return (tree.Hash(), tree, null);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return (imageHash, null, $"the volume did not recover: {error.Message}");
        }
        finally
        {
            work.Reset();
        }
    }

    /// <summary>Our own journal takes or leaves a transaction as a whole, however torn; tears are for foreign logs.</summary>
    private static CrashProfile ProfileOf(ExploreProfile profile, bool foreign) => profile switch
    {
        ExploreProfile.Prefix => new CrashProfile { ExhaustiveUnits = 0, PairUnits = 0, Samples = 0, Torn = false, MaxStatesPerPoint = 200 },
        ExploreProfile.Sampled => new CrashProfile { ExhaustiveUnits = 0, PairUnits = 0, Samples = 64, Torn = false, MaxStatesPerPoint = 100 },
        ExploreProfile.Exhaustive => new CrashProfile { ExhaustiveUnits = 12, PairUnits = 48, Samples = 64, MaxStatesPerPoint = 8192 },
        _ when foreign => new CrashProfile { ExhaustiveUnits = 6, PairUnits = 16, Samples = 16, MaxStatesPerPoint = 4096 },
        _ => new CrashProfile { ExhaustiveUnits = 5, PairUnits = 8, Samples = 8, Torn = false, MaxStatesPerPoint = 64 },
    };
}
