namespace IntegrityFs.CrashTesting;

/// <summary>
/// What POSIX promises and no more: the abstract persistence model that ALICE uses by default (Pillai et al., "All File
/// Systems Are Not Created Equal", OSDI 2014, section 4; its micro-operations in alicedefaultfs.py).
/// <list type="bullet">
/// <item>Each changed name is a unit of its own; units of directories persist in any order. fsync of a directory covers
/// the changes of its own names, and nothing else does (fsync of a file does not cover its name).</item>
/// <item>A write splits at pages of 4096 bytes, each of which persists in any order, or in part. Appended bytes may be
/// zeroes or garbage under the new size. fsync of a file covers its own bytes, size and attributes.</item>
/// <item>fdatasync covers bytes and size, not owner, mode or attributes. syncfs covers everything.</item>
/// <item>rename(2) is one unit within a directory, and one in each of two; with <c>splitRenames</c> (ALICE's own default)
/// it is the removal of the target, the removal of the old name and the new name, apart.</item>
/// </list>
/// </summary>
internal sealed class PosixMinimalModel(bool splitRenames) : PersistenceModel
{
    public override Tearing Tears => Tearing.Everything;

    protected override void Split(RecordedRequest request, RequestEffects effects)
    {
        SplitNames(request, effects.Entries);
        foreach (Effect effect in effects.Metadata)
        {
            Add(request, UnitClass.Metadata, [effect], []);
        }

        foreach (ContentEffect piece in effects.Content)
        {
            long size = Math.Min(effects.Growth, piece.Offset + piece.Data.Length);
            if (effects.Growth > 0 && size > (Current.Find(piece.Inode)?.Size ?? 0))
            {
                Add(request, UnitClass.Append, [new GrowEffect(piece.Inode, size), piece], []);
            }
            else
            {
                Add(request, UnitClass.Overwrite, [piece], []);
            }
        }
    }

    protected override void Synchronise(RecordedRequest sync)
    {
        ulong inode = sync.Inode;
        Settle(sync.Kind switch
        {
            RequestKind.SyncAll => _ => true,
            RequestKind.SyncDirectory => unit => unit.Touches(inode) || (unit.Class != UnitClass.Directory && unit.Inode == inode),
            RequestKind.SyncData => unit => unit.Class != UnitClass.Directory && unit.Inode == inode && !unit.IsAttribute,
            _ => unit => unit.Class != UnitClass.Directory && unit.Inode == inode,
        });
    }

    private void SplitNames(RecordedRequest request, IReadOnlyList<EntryEffect> entries)
    {
        if (entries.Count == 0)
        {
            return;
        }

        if (entries.Count == 1 || (!splitRenames && entries[0].Directory == entries[1].Directory))
        {
            Add(request, UnitClass.Directory, entries, []);
            return;
        }

        if (splitRenames && Current.Lookup(entries[1].Directory, entries[1].Name) != 0 && entries[0].Child == 0)
        {
            Add(request, UnitClass.Directory, [entries[1] with { Child = 0 }], []);
        }

        foreach (EntryEffect entry in entries)
        {
            Add(request, UnitClass.Directory, [entry], []);
        }
    }
}
