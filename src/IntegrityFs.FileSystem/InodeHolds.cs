// Promise: an inode without a name lives exactly as long as somebody holds it: a handle, or the kernel. The kernel keeps for
// each inode a count of the answers that named it to the kernel (LOOKUP and whatever makes or links an inode; entries of a
// listing with attributes), and takes some or all of them back by FORGET. Counting the same here is the only way to know
// when the kernel has let go:
// - FORGET has no answer and goes its own way through the kernel's queue and our threads. One that was sent for an earlier
//   life of the inode in the kernel's cache may arrive after a newer lookup and after the removal of the last name, while
//   the kernel holds the inode without a handle: as a working directory, by O_PATH, or on its way to OPEN.
// - So "a FORGET came after the removal" proves nothing; the sum of all counts does. It must include the lookups of the
//   time when the inode had a name, hence every inode that the kernel knows is in the table, not only orphans.
// Counting is done inside the scope of the catalog that found or made the inode: a removal comes wholly before or after.
// Too high a count (an answer that got lost) keeps an orphan until the mount ends; too low a one would take it away from
// its user. Inode numbers are never used twice, so a FORGET never means another inode. The root is always held, and is not
// counted; at unmount the kernel may leave out FORGET, and all orphans are destroyed whoever holds them.
//
// Cost: 22 to 64 bytes for an inode that the kernel knows (HoldTable), beside about 1 KiB in the kernel, which forgets when
// memory is short; one lock and one look into the table for each lookup. There are 64 tables with a lock each, so that
// callers seldom meet, and no copying of a table that grows holds up more than a 64th of the inodes. The locks are leaves:
// nothing is called while one is held, so they may be taken inside a scope of the catalog.
//
// An orphan is doomed by whoever takes its last hold away; from then on it cannot be looked up, opened or linked, and the
// doomer destroys it outside every lock (Orphans). If that fails, the orphan's record in the catalog remains and the next
// mount destroys it.
using System.Runtime.CompilerServices;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>Which inodes the kernel knows, which are open, and which have no name.</summary>
internal sealed class InodeHolds
{
    private const int TableBits = 6;

    private readonly HoldTable[] _tables;

    public InodeHolds()
    {
        _tables = new HoldTable[1 << TableBits];
        for (int i = 0; i < _tables.Length; i++)
        {
            _tables[i] = new HoldTable(TableBits);
        }
    }

    /// <summary>Number of inodes that are known, open or orphans.</summary>
    public int Count => (int)Sum(table => table.Count);

    /// <summary>Memory of the tables in bytes.</summary>
    public long Bytes => Sum(table => table.Bytes);

    /// <summary>Counts one more lookup; false where the inode is being destroyed, and for no inode.</summary>
    public bool TryKnow(InodeNumber inode)
    {
        if (inode.Value <= InodeNumber.Root.Value)
        {
            return inode == InodeNumber.Root;
        }

        HoldTable table = TableOf(inode);
        lock (table.Lock)
        {
            ref Hold hold = ref table.FindOrAdd(inode.Value);
            if (hold.Doomed)
            {
                return false;
            }

            hold.AddLookup();
            return true;
        }
    }

    /// <summary>The kernel takes lookups back (as many as it has, where <paramref name="count"/> is more). True: the caller
    /// must destroy the inode now.</summary>
    public bool Forget(InodeNumber inode, ulong count)
    {
        HoldTable table = TableOf(inode);
        lock (table.Lock)
        {
            ref Hold hold = ref table.Find(inode.Value);
            if (Unsafe.IsNullRef(ref hold) || hold.Doomed)
            {
                return false;
            }

            hold.TakeLookups(count);
            return LetGo(table, inode, ref hold);
        }
    }

    /// <summary>Counts one more handle; false where the inode is being destroyed.</summary>
    public bool TryOpen(InodeNumber inode)
    {
        HoldTable table = TableOf(inode);
        lock (table.Lock)
        {
            ref Hold hold = ref table.FindOrAdd(inode.Value);
            if (hold.Doomed)
            {
                return false;
            }

            hold.AddHandle();
            return true;
        }
    }

    /// <summary>Counts one handle less; false where there was none. <paramref name="destroy"/>: the caller must destroy the
    /// inode now.</summary>
    public bool TryClose(InodeNumber inode, out bool destroy)
    {
        destroy = false;
        HoldTable table = TableOf(inode);
        lock (table.Lock)
        {
            ref Hold hold = ref table.Find(inode.Value);
            if (Unsafe.IsNullRef(ref hold) || hold.Handles == 0)
            {
                return false;
            }

            hold.TakeHandle();
            destroy = LetGo(table, inode, ref hold);
            return true;
        }
    }

    /// <summary>The inode has lost its last name, or never had one (<paramref name="linkable"/>: it may get one). True
    /// where nobody holds it: the caller must destroy it, when it has left its scope.</summary>
    public bool Orphaned(InodeNumber inode, bool linkable)
    {
        HoldTable table = TableOf(inode);
        lock (table.Lock)
        {
            ref Hold hold = ref table.FindOrAdd(inode.Value);
            hold.Orphan = true;
            hold.Linkable = linkable;
            return !hold.Doomed && LetGo(table, inode, ref hold);
        }
    }

    /// <summary>True where a nameless inode may be given a name: a temporary file that was not opened with O_EXCL.</summary>
    public bool IsLinkable(InodeNumber inode)
    {
        HoldTable table = TableOf(inode);
        lock (table.Lock)
        {
            ref Hold hold = ref table.Find(inode.Value);
            return !Unsafe.IsNullRef(ref hold) && hold is { Linkable: true, Doomed: false };
        }
    }

    /// <summary>A temporary file got a name.</summary>
    public void Named(InodeNumber inode)
    {
        HoldTable table = TableOf(inode);
        lock (table.Lock)
        {
            ref Hold hold = ref table.Find(inode.Value);
            if (!Unsafe.IsNullRef(ref hold))
            {
                hold.Orphan = hold.Linkable = false;
                LetGo(table, inode, ref hold);
            }
        }
    }

    /// <summary>The inode is gone.</summary>
    public void Remove(InodeNumber inode)
    {
        HoldTable table = TableOf(inode);
        lock (table.Lock)
        {
            table.Remove(inode.Value);
        }
    }

    /// <summary>In the lock: what nobody holds is no longer remembered where it has a name, and doomed (true) where it has
    /// none.</summary>
    private static bool LetGo(HoldTable table, InodeNumber inode, ref Hold hold)
    {
        if (hold.IsHeld)
        {
            return false;
        }

        if (hold.Orphan)
        {
            return hold.Doomed = true;
        }

        table.Remove(inode.Value);
        return false;
    }

    private HoldTable TableOf(InodeNumber inode) => _tables[HoldTable.Spread(inode.Value) >> (64 - TableBits)];

    private long Sum(Func<HoldTable, long> value)
    {
        long sum = 0;
        foreach (HoldTable table in _tables)
        {
            lock (table.Lock)
            {
                sum += value(table);
            }
        }

        return sum;
    }
}
