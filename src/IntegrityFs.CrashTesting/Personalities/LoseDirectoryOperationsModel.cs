namespace IntegrityFs.CrashTesting;

/// <summary>
/// Everything as IntegrityFs keeps it, but for names: bytes, sizes and attributes persist in order, and any successful
/// synchronisation makes all earlier ones durable; a created, removed or renamed name is lost in a crash unless its
/// directory was synchronised afterwards (fsync of the directory, or syncfs). Within one directory names persist in order,
/// as in a directory that is written block by block; between directories there is no order. A name that is there implies the bytes written before it. Each operation is atomic.
/// </summary>
internal sealed class LoseDirectoryOperationsModel : PersistenceModel
{
    private readonly Dictionary<ulong, int> _lastName = [];
    private int _lastData = -1;

    public override Tearing Tears => Tearing.Nothing;

    protected override void Split(RecordedRequest request, RequestEffects effects)
    {
        if (effects.Entries.Count > 0)
        {
            List<int> needs = _lastData < 0 ? [] : [_lastData];
            foreach (EntryEffect entry in effects.Entries)
            {
                if (_lastName.TryGetValue(entry.Directory, out int before))
                {
                    needs.Add(before);
                }
            }

            int index = Add(request, UnitClass.Directory, effects.Entries, needs).Index;
            foreach (EntryEffect entry in effects.Entries)
            {
                _lastName[entry.Directory] = index;
            }
        }

        foreach (Effect effect in effects.Metadata)
        {
            AddData(request, UnitClass.Metadata, [effect]);
        }

        foreach (ContentEffect piece in effects.Content)
        {
            long size = Math.Min(effects.Growth, piece.Offset + piece.Data.Length);
            AddData(request, UnitClass.Overwrite, effects.Growth > 0 ? [new GrowEffect(piece.Inode, size), piece] : [piece]);
        }
    }

    protected override void Synchronise(RecordedRequest sync) => Settle(unit =>
        sync.Kind == RequestKind.SyncAll
        || (unit.Class == UnitClass.Directory ? sync.Kind == RequestKind.SyncDirectory && unit.Touches(sync.Inode) : true));

    private void AddData(RecordedRequest request, UnitClass kind, IReadOnlyList<Effect> effects) =>
        _lastData = Add(request, kind, effects, _lastData < 0 ? [] : [_lastData]).Index;
}
