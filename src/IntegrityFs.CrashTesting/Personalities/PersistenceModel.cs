// Promise: keeps, for a history of requests, the tree that programs see, the tree that is durable, and the units between
// them. A personality only says how a request splits into units, what each needs, and what a synchronisation covers.
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>The base of all personalities.</summary>
internal abstract class PersistenceModel
{
    private readonly List<PersistenceUnit> _pending = [];
    private int _next;
    private int _covered = int.MaxValue;

    /// <summary>What programs see.</summary>
    public FileTree Current { get; private set; } = null!;

    /// <summary>What every crash leaves.</summary>
    public FileTree Durable { get; private set; } = null!;

    /// <summary>What a crash may take.</summary>
    public IReadOnlyList<PersistenceUnit> Pending => _pending;

    /// <summary>What may be there in part.</summary>
    public virtual Tearing Tears => Tearing.Overwrites;

    /// <summary>Starts from a durable tree.</summary>
    public void Begin(FileTree tree)
    {
        Current = Durable = tree;
        _pending.Clear();
    }

    /// <summary>Takes the next request of the history.</summary>
    public void Take(RecordedRequest request)
    {
        if (request.IsSync)
        {
            // What was answered while it ran may have come too late for it.
            _covered = request.Offset > 0 ? (int)request.Offset : int.MaxValue;
            if (request.Result == Errno.OK)
            {
                Synchronise(request);
            }
            else
            {
                FailSynchronisation(request);
            }

            return;
        }

        RequestEffects effects = RequestEffects.Of(Current, request);
        if (effects.NewNode is { } node)
        {
            // A node shows only once a name leads to it.
            Current = Current.With(request.Inode, node);
            Durable = Durable.With(request.Inode, node);
        }

        Split(request, effects);
        foreach (Effect effect in effects.All)
        {
            Current = effect.Apply(Current);
        }

        if (request.Synchronous)
        {
            _covered = int.MaxValue;
            Synchronise(request with { Kind = RequestKind.SyncData });
        }
    }

    /// <summary>The present moment as a point of a crash.</summary>
    public PersistencePoint Point(int number, int index) => new(number, index, Durable, [.. _pending], Tears);

    /// <summary>Adds the units of a request.</summary>
    protected abstract void Split(RecordedRequest request, RequestEffects effects);

    /// <summary>Makes durable what a successful synchronisation covers.</summary>
    protected abstract void Synchronise(RecordedRequest sync);

    /// <summary>A synchronisation failed: by default nothing changed.</summary>
    protected virtual void FailSynchronisation(RecordedRequest sync)
    {
    }

    /// <summary>Called for each unit that becomes durable.</summary>
    protected virtual void OnDurable(PersistenceUnit unit)
    {
    }

    protected PersistenceUnit Add(RecordedRequest request, UnitClass kind, IReadOnlyList<Effect> effects, IReadOnlyList<int> needs)
    {
        var unit = new PersistenceUnit
        {
            Index = _next++,
            Request = request,
            Class = kind,
            Effects = effects,
            Needs = needs,
            Inode = effects.Count > 0 && kind != UnitClass.Directory ? effects[0].Inode : request.Inode,
        };
        _pending.Add(unit);
        return unit;
    }

    /// <summary>Makes units durable, with all that they need.</summary>
    protected void Settle(Func<PersistenceUnit, bool> covers)
    {
        var needed = new HashSet<int>();
        for (int i = _pending.Count - 1; i >= 0; i--)
        {
            if (needed.Contains(_pending[i].Index) || (_pending[i].Request.Number <= _covered && covers(_pending[i])))
            {
                needed.Add(_pending[i].Index);
                needed.UnionWith(_pending[i].Needs);
            }
        }

        foreach (PersistenceUnit unit in _pending)
        {
            if (needed.Contains(unit.Index))
            {
                Durable = unit.Apply(Durable, UnitOutcome.Whole);
                OnDurable(unit);
            }
        }

        _pending.RemoveAll(unit => needed.Contains(unit.Index));
    }

    /// <summary>Gives units up for ever.</summary>
    protected List<PersistenceUnit> Drop(Predicate<PersistenceUnit> doomed)
    {
        List<PersistenceUnit> dropped = _pending.FindAll(doomed);
        _pending.RemoveAll(doomed);
        return dropped;
    }

    /// <summary>Programs see a file as it is on the disk.</summary>
    protected void Revert(ulong inode)
    {
        if (Durable.Find(inode) is { } durable)
        {
            FileNode node = durable;
            foreach (PersistenceUnit unit in _pending.Where(unit => unit.Inode == inode && unit.Class != UnitClass.Directory))
            {
                node = unit.Apply(new FileTree(Durable.Nodes.SetItem(inode, node)), UnitOutcome.Whole).Find(inode)!;
            }

            Current = Current.With(inode, node);
        }
    }
}

/// <summary>What a request does, sorted by what may be lost apart.</summary>
internal sealed class RequestEffects
{
    /// <summary>A node that the request creates.</summary>
    public FileNode? NewNode { get; private init; }

    /// <summary>Names.</summary>
    public IReadOnlyList<EntryEffect> Entries { get; private init; } = [];

    /// <summary>Size, holes, attributes.</summary>
    public IReadOnlyList<Effect> Metadata { get; private init; } = [];

    /// <summary>Bytes, in pieces of one page.</summary>
    public IReadOnlyList<ContentEffect> Content { get; private init; } = [];

    /// <summary>The size that the bytes need, where the file was shorter; else 0.</summary>
    public long Growth { get; private init; }

    /// <summary>All, in order.</summary>
    public IEnumerable<Effect> All
    {
        get
        {
            foreach (Effect effect in Entries)
            {
                yield return effect;
            }

            foreach (Effect effect in Metadata)
            {
                yield return effect;
            }

            foreach (ContentEffect effect in Content)
            {
                if (Growth > 0)
                {
                    yield return new GrowEffect(effect.Inode, Math.Min(Growth, effect.Offset + effect.Data.Length));
                }

                yield return effect;
            }
        }
    }

    public static RequestEffects Of(FileTree tree, RecordedRequest request) => request.Kind switch
    {
        RequestKind.Create or RequestKind.MakeNode or RequestKind.MakeDirectory or RequestKind.Symlink => new RequestEffects
        {
            NewNode = NodeOf(request),
            Entries = [new EntryEffect(request.Parent, request.Name, request.Inode)],
        },
        RequestKind.CreateTemporary => new RequestEffects { NewNode = NodeOf(request) },
        RequestKind.Link => new RequestEffects { Entries = [new EntryEffect(request.Parent, request.Name, request.Inode)] },
        RequestKind.Unlink or RequestKind.RemoveDirectory => new RequestEffects { Entries = [new EntryEffect(request.Parent, request.Name, 0)] },
        RequestKind.Rename => new RequestEffects { Entries = RenameEntries(tree, request) },
        RequestKind.Write => OfWrite(tree, request),
        RequestKind.Truncate => new RequestEffects { Metadata = [new SizeEffect(request.Inode, request.Length)] },
        RequestKind.Fallocate => new RequestEffects { Metadata = OfFallocate(request) },
        RequestKind.SetAttributes => new RequestEffects { Metadata = [new AttributesEffect(request)] },
        RequestKind.SetXattr => new RequestEffects { Metadata = [new XattrEffect(request.Inode, request.NewName, request.Data.ToArray())] },
        RequestKind.RemoveXattr => new RequestEffects { Metadata = [new XattrEffect(request.Inode, request.NewName, null)] },
        _ => new RequestEffects(),
    };

    private static FileNode NodeOf(RecordedRequest request) => new()
    {
        Mode = request.Mode,
        Uid = request.Uid,
        Gid = request.Gid,
        Rdev = request.Rdev,
        Target = request.Kind == RequestKind.Symlink ? request.Data : default,
        Size = request.Kind == RequestKind.Symlink ? request.Data.Length : 0,
        Time = request.Time,
    };

    private static EntryEffect[] RenameEntries(FileTree tree, RecordedRequest request)
    {
        ulong target = tree.Lookup(request.NewParent, request.NewName);
        if (target == request.Inode)
        {
            // Two names of one file: rename(2) does nothing.
            return [];
        }

        bool exchange = ((RenameMode)request.Flags & RenameMode.Exchange) != 0;
        return
        [
            new EntryEffect(request.Parent, request.Name, exchange ? target : 0),
            new EntryEffect(request.NewParent, request.NewName, request.Inode),
        ];
    }

    private static RequestEffects OfWrite(FileTree tree, RecordedRequest request)
    {
        var pieces = new List<ContentEffect>();
        int done = 0;
        while (done < request.Data.Length)
        {
            long offset = request.Offset + done;
            int count = (int)Math.Min(FilePage.Size - (offset % FilePage.Size), request.Data.Length - done);
            pieces.Add(new ContentEffect(request.Inode, offset, request.Data.Slice(done, count), request.Time));
            done += count;
        }

        long end = request.Offset + request.Data.Length;
        return new RequestEffects { Content = pieces, Growth = end > (tree.Find(request.Inode)?.Size ?? 0) ? end : 0 };
    }

    private static Effect[] OfFallocate(RecordedRequest request)
    {
        var mode = (FallocateMode)request.Flags;
        var effects = new List<Effect>();
        if ((mode & (FallocateMode.PunchHole | FallocateMode.ZeroRange)) != 0)
        {
            effects.Add(new ZeroEffect(request.Inode, request.Offset, request.Length));
        }

        if ((mode & FallocateMode.KeepSize) == 0)
        {
            effects.Add(new GrowEffect(request.Inode, request.Offset + request.Length));
        }

        return [.. effects];
    }
}
