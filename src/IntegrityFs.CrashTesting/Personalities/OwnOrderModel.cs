namespace IntegrityFs.CrashTesting;

/// <summary>
/// IntegrityFs as it promises to be: the state after some prefix of the requests, where a large write may split at a block,
/// and every successful synchronisation makes all that came before it durable. A recorded device shows only the prefixes
/// that its commits happened to make; a commit may come at any moment, so all of them count.
/// </summary>
internal sealed class OwnOrderModel : PersistenceModel
{
    private int _last = -1;

    public override Tearing Tears => Tearing.Nothing;

    protected override void Split(RecordedRequest request, RequestEffects effects)
    {
        if (effects.Entries.Count > 0)
        {
            AddNext(request, UnitClass.Directory, effects.Entries);
        }

        if (effects.Metadata.Count > 0)
        {
            AddNext(request, UnitClass.Metadata, effects.Metadata);
        }

        foreach (ContentEffect piece in effects.Content)
        {
            long size = Math.Min(effects.Growth, piece.Offset + piece.Data.Length);
            AddNext(request, UnitClass.Overwrite, effects.Growth > 0 ? [new GrowEffect(piece.Inode, size), piece] : [piece]);
        }
    }

    protected override void Synchronise(RecordedRequest sync) => Settle(_ => true);

    private void AddNext(RecordedRequest request, UnitClass kind, IReadOnlyList<Effect> effects) =>
        _last = Add(request, kind, effects, _last < 0 ? [] : [_last]).Index;
}
