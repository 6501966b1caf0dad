// Promise: a request is answered only after it stands in the history, and no request is answered after the crash was
// decided; so whatever a program knows to be synchronised is durable in the state that comes back.
namespace IntegrityFs.CrashTesting;

/// <summary>Follows the requests of a live mount under a personality.</summary>
public sealed class LiveHistory : IEventSink, IDisposable
{
    private readonly Lock _gate = new();
    private readonly PersistenceModel _model;
    private readonly ManualResetEventSlim _thawed = new(initialState: true);
    private readonly Dictionary<ulong, string> _paths;
    private int _requests;

    /// <summary>Starts from what is durable now.</summary>
    public LiveHistory(string personality, FileTree start)
    {
        ArgumentNullException.ThrowIfNull(start);
        _model = PersonalityTable.Create(personality);
        _model.Begin(start);
        _paths = start.Paths();
    }

    /// <inheritdoc/>
    public int Requests => Volatile.Read(ref _requests);

    /// <inheritdoc/>
    public void Append(RecordingEvent item)
    {
        ArgumentNullException.ThrowIfNull(item);
        if (item.Request is not { } request)
        {
            return;
        }

        while (true)
        {
            lock (_gate)
            {
                if (_thawed.IsSet)
                {
                    Learn(request);
                    _model.Take(request with { Number = ++_requests });
                    return;
                }
            }

            // The answer to this request never leaves: the connection is being broken.
            _thawed.Wait();
        }
    }

    /// <summary>Stops all answers and decides what a crash leaves.</summary>
    /// <returns>The tree, and what it lacks, one line each.</returns>
    public (FileTree Tree, IReadOnlyList<string> Lost) Freeze(CrashPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        lock (_gate)
        {
            _thawed.Reset();
            PersistencePoint point = _model.Point(0, 0);
            byte[] outcomes = Choose(point, plan);
            point.Close(outcomes);
            var lost = new List<string>();
            for (int i = 0; i < outcomes.Length; i++)
            {
                if (outcomes[i] != UnitOutcome.Whole)
                {
                    PersistenceUnit unit = point.Pending[i];
                    string part = unit.Content is { } content ? $" [{content.Data.Length} bytes at {content.Offset}]" : "";
                    lost.Add($"request {unit.Request.Number}: {RequestText.Describe(unit.Request, Find)}{part}{(outcomes[i] == UnitOutcome.Lost ? "" : " (torn)")}");
                }
            }

            return (point.Build(outcomes), lost);
        }
    }

    /// <summary>Lets the waiting threads go, when nothing that they answer arrives any more.</summary>
    public void Thaw() => _thawed.Set();

    /// <inheritdoc/>
    public void Dispose() => _thawed.Dispose();

    private string? Find(ulong inode) => _paths.GetValueOrDefault(inode);

    private void Learn(RecordedRequest request)
    {
        string Join(ulong directory, string name) => _paths.GetValueOrDefault(directory, "?").TrimEnd('/') + "/" + name;
        if (request.Kind is RequestKind.Create or RequestKind.MakeNode or RequestKind.MakeDirectory or RequestKind.Symlink)
        {
            _paths[request.Inode] = Join(request.Parent, request.Name);
        }
        else if (request.Kind == RequestKind.Rename)
        {
            _paths[request.Inode] = Join(request.NewParent, request.NewName);
        }
    }

    private static byte[] Choose(PersistencePoint point, CrashPlan plan)
    {
        byte[] outcomes = new byte[point.Pending.Count];
        var random = new SeededRandom(plan.Seed);
        int keep = 1 + (int)random.Below(15);
        int lastContent = -1;
        for (int i = 0; i < outcomes.Length; i++)
        {
            PersistenceUnit unit = point.Pending[i];
            bool stays = plan.Loss switch
            {
                CrashLoss.None => true,
                CrashLoss.All => false,
                CrashLoss.Data => unit.Class is UnitClass.Directory or UnitClass.Metadata,
                CrashLoss.DirectoryOperations => unit.Class != UnitClass.Directory,
                _ => (int)random.Below(16) < keep,
            };
            outcomes[i] = stays ? UnitOutcome.Whole : UnitOutcome.Lost;
            lastContent = stays && point.MayTear(i) && unit.Content!.Data.Length > 512 ? i : lastContent;
        }

        if (plan.Torn && lastContent >= 0)
        {
            outcomes[lastContent] = (byte)Math.Clamp(point.Pending[lastContent].Content!.Data.Length / 1024, 1, UnitOutcome.MostSectors);
        }

        return outcomes;
    }
}
