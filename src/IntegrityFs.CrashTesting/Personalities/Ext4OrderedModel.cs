// Promise: allows what ext4 with data=ordered and delayed allocation may leave after a crash, at the grain of requests.
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>How a failed fsync behaves afterwards.</summary>
internal enum FailedSync
{
    /// <summary>Nothing special: the changes stay pending.</summary>
    Retried,

    /// <summary>ext4: the pages are clean now and their bytes are lost, while the size that was already allocated stays.</summary>
    Ext4,

    /// <summary>XFS: the pages are clean now; the size follows only bytes that were written.</summary>
    Xfs,

    /// <summary>Btrfs: as XFS, and programs see the old bytes again.</summary>
    Btrfs,
}

/// <summary>
/// ext4 with data=ordered (Documentation/filesystems/ext4, fs/ext4/inode.c, namei.c, file.c; jbd2).
/// <list type="bullet">
/// <item>Names, truncations, attributes and allocations are journalled: they persist in order, whole requests at a time.</item>
/// <item>Bytes in blocks that the file already has are written at any time, in any order, 512-byte sectors apart; a size
/// that grows within such a block is journalled without them.</item>
/// <item>Bytes in new blocks (delayed allocation) get their block some time after the write, in the order of the file;
/// then, and not before, the file's size covers them, and ordered mode writes them before the transaction commits. So
/// their size never shows without them, and never before what was journalled before the write.</item>
/// <item>auto_da_alloc, on by default: a rename over an existing name, and the close after a truncation, allocate the
/// file's delayed blocks first. Without it (noauto_da_alloc) a rename may be durable before the bytes.</item>
/// <item>fsync writes the file's bytes and commits the journal, so all that was journalled before is durable, too;
/// fdatasync of mere overwrites commits nothing. syncfs covers everything.</item>
/// </list>
/// The failures of fsync follow Rebello et al., "Can Applications Recover from fsync Failures?" (ATC 2020): all three file
/// systems mark the pages clean and report once; fs/ext4/page-io.c, fs/xfs/xfs_aops.c. What XFS and Btrfs do besides is
/// taken to be as on ext4.
/// </summary>
internal sealed class Ext4OrderedModel(bool autoAllocate, FailedSync failedSync = FailedSync.Retried) : PersistenceModel
{
    private readonly HashSet<(ulong Inode, long Page)> _mapped = [];
    private readonly HashSet<ulong> _truncated = [];
    private readonly Dictionary<ulong, int> _lastAppend = [];
    private readonly Dictionary<(ulong Inode, long Page), List<ContentEffect>> _lostButCached = [];
    private List<int> _barrier = [];
    private int _lastMetadata = -1;

    protected override void Split(RecordedRequest request, RequestEffects effects)
    {
        if (request.Kind == RequestKind.Close)
        {
            OnClose(request.Inode);
            return;
        }

        if (effects.Entries.Count > 0)
        {
            bool replaces = request.Kind == RequestKind.Rename && Current.Lookup(request.NewParent, request.NewName) != 0;
            AddMetadata(request, UnitClass.Directory, effects.Entries, replaces && autoAllocate ? Delayed(request.Inode) : []);
        }

        if (request.Kind == RequestKind.Truncate && request.Length == 0 && (Current.Find(request.Inode)?.Size ?? 0) > 0)
        {
            _truncated.Add(request.Inode);
        }

        if (effects.Metadata.Count > 0)
        {
            AddMetadata(request, UnitClass.Metadata, effects.Metadata, []);
        }

        SplitContent(request, effects);
    }

    protected override void Synchronise(RecordedRequest sync)
    {
        ulong inode = sync.Inode;
        switch (sync.Kind)
        {
            case RequestKind.SyncAll:
                Settle(_ => true);
                break;
            case RequestKind.SyncData when !Pending.Any(unit => unit.Inode == inode && unit.Class is UnitClass.Append or UnitClass.Metadata && !unit.IsAttribute):
                Settle(unit => unit.Class == UnitClass.Overwrite && unit.Inode == inode);
                break;
            default:
                Settle(unit => unit.Class is UnitClass.Directory or UnitClass.Metadata || unit.Inode == inode);
                break;
        }
    }

    protected override void FailSynchronisation(RecordedRequest sync)
    {
        if (failedSync == FailedSync.Retried || sync.Kind is not (RequestKind.Sync or RequestKind.SyncData))
        {
            return;
        }

        ulong inode = sync.Inode;
        foreach (PersistenceUnit unit in Drop(unit => unit.Inode == inode && unit.Class is UnitClass.Overwrite or UnitClass.Append && unit.Inode == inode))
        {
            if (failedSync == FailedSync.Ext4 && unit.Effects[0] is GrowEffect growth)
            {
                AddMetadata(unit.Request, UnitClass.Metadata, [growth], []);
            }

            if (failedSync != FailedSync.Btrfs && unit.Content is { } content)
            {
                if (!_lostButCached.TryGetValue((inode, content.Page), out List<ContentEffect>? lost))
                {
                    _lostButCached.Add((inode, content.Page), lost = []);
                }

                lost.Add(content);
            }
        }

        _lastAppend.Remove(inode);
        if (failedSync == FailedSync.Btrfs)
        {
            Revert(inode);
        }
    }

    protected override void OnDurable(PersistenceUnit unit)
    {
        if (unit.Content is { } content)
        {
            _mapped.Add((unit.Inode, content.Page));
        }

        if (unit.Effects is [SizeEffect { Size: var size }, ..])
        {
            _mapped.RemoveWhere(page => page.Inode == unit.Inode && page.Page * FilePage.Size >= size);
        }
    }

    private void SplitContent(RecordedRequest request, RequestEffects effects)
    {
        foreach (ContentEffect piece in effects.Content)
        {
            long size = effects.Growth > 0 ? Math.Min(effects.Growth, piece.Offset + piece.Data.Length) : 0;
            var page = (piece.Inode, piece.Page);
            List<Effect> bytes = [piece];
            if (_lostButCached.Remove(page, out List<ContentEffect>? cached))
            {
                // The page goes to the disk as it is in memory, with what the failed fsync had lost.
                bytes.InsertRange(0, cached);
                size = Math.Max(size, cached.Max(lost => lost.Offset + lost.Data.Length));
            }

            if (IsMapped(piece.Inode, piece.Page))
            {
                if (size > (Current.Find(piece.Inode)?.Size ?? 0))
                {
                    AddMetadata(request, UnitClass.Metadata, [new GrowEffect(piece.Inode, size)], []);
                }

                Add(request, UnitClass.Overwrite, bytes, []);
                continue;
            }

            var needs = new List<int>();
            Need(needs, _lastMetadata);
            Need(needs, _lastAppend.GetValueOrDefault(piece.Inode, -1));
            bytes.Insert(0, new GrowEffect(piece.Inode, Math.Max(size, Math.Min(piece.Offset + piece.Data.Length, Current.Find(piece.Inode)?.Size ?? 0))));
            _lastAppend[piece.Inode] = Add(request, UnitClass.Append, bytes, needs).Index;
        }
    }

    /// <summary>True where the block is on the disk already: it is in the durable file, and no truncation is pending.</summary>
    private bool IsMapped(ulong inode, long page) =>
        !_truncated.Contains(inode)
        && (_mapped.Contains((inode, page)) || Durable.Find(inode)?.Pages.ContainsKey(page) == true);

    private void OnClose(ulong inode)
    {
        if (_truncated.Contains(inode) && autoAllocate)
        {
            // Allocated now: whatever is journalled from here on commits with or after it.
            _barrier = [.. _barrier, .. Delayed(inode)];
        }
    }

    private List<int> Delayed(ulong inode) =>
        [.. Pending.Where(unit => unit.Inode == inode && unit.Class == UnitClass.Append).Select(unit => unit.Index)];

    private void AddMetadata(RecordedRequest request, UnitClass kind, IReadOnlyList<Effect> effects, List<int> needs)
    {
        Need(needs, _lastMetadata);
        needs.AddRange(_barrier);
        _barrier = [];
        _lastMetadata = Add(request, kind, effects, needs).Index;
    }

    private static void Need(List<int> needs, int index)
    {
        if (index >= 0)
        {
            needs.Add(index);
        }
    }
}
