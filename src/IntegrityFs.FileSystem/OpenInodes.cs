// Promise: an inode without a name lives exactly as long as somebody holds it: a handle, or the kernel (which lets go by
// FORGET). The table knows open inodes and orphans only, so its size follows what is in use, never the volume's size.
//
// The lock is a leaf: nothing is called while it is held, so it may be taken inside a scope of the catalog.
//
// An orphan is doomed by whoever takes its last hold away; from then on it cannot be opened or linked, and the doomer
// destroys it outside every lock. If that fails, the orphan's record in the catalog remains and the next mount destroys it.
using System.Runtime.InteropServices;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>Who is open, and who has no name.</summary>
internal sealed class OpenInodes
{
    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, Entry> _entries = [];

    /// <summary>Number of inodes that are open or orphans.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>Counts one more handle; false where the inode is being destroyed.</summary>
    public bool TryOpen(InodeNumber inode)
    {
        lock (_lock)
        {
            ref Entry entry = ref CollectionsMarshal.GetValueRefOrAddDefault(_entries, inode.Value, out _);
            if (entry.Doomed)
            {
                return false;
            }

            entry.Handles++;
            return true;
        }
    }

    /// <summary>Counts one handle less; false where there was none. <paramref name="destroy"/>: the caller must destroy
    /// the inode now and then call <see cref="Remove"/>.</summary>
    public bool TryClose(InodeNumber inode, out bool destroy)
    {
        destroy = false;
        lock (_lock)
        {
            ref Entry entry = ref CollectionsMarshal.GetValueRefOrNullRef(_entries, inode.Value);
            if (System.Runtime.CompilerServices.Unsafe.IsNullRef(ref entry) || entry.Handles == 0)
            {
                return false;
            }

            entry.Handles--;
            if (entry.Handles == 0 && !entry.Orphan)
            {
                _entries.Remove(inode.Value);
            }
            else if (entry.Handles == 0 && entry.Forgotten)
            {
                entry.Doomed = destroy = true;
            }

            return true;
        }
    }

    /// <summary>The inode has lost its last name, or never had one (<paramref name="linkable"/>: it may get one).</summary>
    public void Orphaned(InodeNumber inode, bool linkable)
    {
        lock (_lock)
        {
            ref Entry entry = ref CollectionsMarshal.GetValueRefOrAddDefault(_entries, inode.Value, out _);
            entry.Orphan = true;
            entry.Linkable = linkable;
        }
    }

    /// <summary>True where a nameless inode may be given a name: a temporary file that was not opened with O_EXCL.</summary>
    public bool IsLinkable(InodeNumber inode)
    {
        lock (_lock)
        {
            return _entries.TryGetValue(inode.Value, out Entry entry) && entry is { Linkable: true, Doomed: false };
        }
    }

    /// <summary>A temporary file got a name.</summary>
    public void Named(InodeNumber inode)
    {
        lock (_lock)
        {
            ref Entry entry = ref CollectionsMarshal.GetValueRefOrNullRef(_entries, inode.Value);
            if (System.Runtime.CompilerServices.Unsafe.IsNullRef(ref entry))
            {
                return;
            }

            entry.Orphan = entry.Linkable = entry.Forgotten = false;
            if (entry.Handles == 0)
            {
                _entries.Remove(inode.Value);
            }
        }
    }

    /// <summary>The kernel let go. True: the caller must destroy the inode now and then call <see cref="Remove"/>.</summary>
    public bool Forget(InodeNumber inode)
    {
        lock (_lock)
        {
            ref Entry entry = ref CollectionsMarshal.GetValueRefOrNullRef(_entries, inode.Value);
            if (System.Runtime.CompilerServices.Unsafe.IsNullRef(ref entry) || !entry.Orphan || entry.Doomed)
            {
                return false;
            }

            entry.Forgotten = true;
            entry.Doomed = entry.Handles == 0;
            return entry.Doomed;
        }
    }

    /// <summary>The inode is gone.</summary>
    public void Remove(InodeNumber inode)
    {
        lock (_lock)
        {
            _entries.Remove(inode.Value);
        }
    }

    private struct Entry
    {
        public int Handles;
        public bool Orphan;
        public bool Linkable;
        public bool Forgotten;
        public bool Doomed;
    }
}
