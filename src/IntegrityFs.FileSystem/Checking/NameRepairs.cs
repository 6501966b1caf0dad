// Promise: each repair is one atomic operation of the catalog, in which links, sizes and parents go along; it looks again at
// what it changes, and does nothing where that is no longer as it was.
using System.Text;
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

internal delegate void InodeChange(ref InodeRecord record);

/// <summary>Repairs of names and links.</summary>
internal sealed class NameRepairs(Func<ICatalog> catalog, Timestamp now)
{
    private const uint PrivateDirectory = ModeBits.Directory | 0x1C0;
    private const uint PublicDirectory = ModeBits.Directory | 0x1ED;
    private const int Attempts = 16;

    /// <summary>Changes an inode.</summary>
    public Func<bool> Change(InodeNumber inode, InodeChange change) => () => Run(1, adds: false, operation =>
    {
        if (!catalog().TryGetInode(inode, out InodeRecord record))
        {
            return false;
        }

        change(ref record);
        operation.PutInode(inode, record);
        return true;
    });

    /// <summary>Drops a name, and counts it out of its directory.</summary>
    public Func<bool> Drop(InodeNumber directory, byte[] name) => () => Run(2, adds: false, operation => Drop(operation, directory, name));

    /// <summary>Drops the name that an inode has in a directory.</summary>
    public Func<bool> Remove(InodeNumber inode, InodeNumber holder) => () => Detach(inode, holder);

    /// <summary>Makes a name say its inode's type.</summary>
    public Func<bool> SetType(InodeNumber directory, byte[] name, Dentry entry) => () => Run(1, adds: false, operation =>
        operation.ReplaceDentry(directory, name, entry) == Errno.OK);

    public Func<bool> DropOrphan(InodeNumber inode) => () => Run(1, adds: false, operation =>
    {
        operation.RemoveOrphan(inode);
        return true;
    });

    /// <summary>Makes an empty root directory.</summary>
    public Func<bool> MakeRoot(bool exists) => () => Run(1, adds: true, operation =>
    {
        if (exists && catalog().TryGetInode(InodeNumber.Root, out InodeRecord present))
        {
            present.Mode = PublicDirectory;
            operation.PutInode(InodeNumber.Root, present);
            return true;
        }

        operation.PutInode(InodeNumber.Root, New(PublicDirectory, InodeNumber.Root));
        return true;
    });

    /// <summary>Gives an inode a name in /lost+found. A directory that lies below itself is first taken from where it is.</summary>
    public Func<bool> Reconnect(InodeNumber inode, InodeNumber holder) => () =>
        (holder == InodeNumber.None || Detach(inode, holder)) && TryLostAndFound(out InodeNumber home) && Run(4, adds: true, operation =>
        {
            ICatalog store = catalog();
            if (!store.TryGetInode(inode, out InodeRecord record) || !store.TryGetInode(home, out InodeRecord parent))
            {
                return false;
            }

            byte[] name = Encoding.ASCII.GetBytes($"#{inode}");
            Errno error = operation.AddDentry(home, name, new Dentry(inode, (byte)(record.Mode >> 12)));
            for (int i = 1; error == Errno.EEXIST && i < Attempts; i++)
            {
                error = operation.AddDentry(home, Encoding.ASCII.GetBytes($"#{inode}.{i}"), new Dentry(inode, (byte)(record.Mode >> 12)));
            }

            if (error != Errno.OK)
            {
                return false;
            }

            bool isDirectory = (record.Mode & ModeBits.TypeMask) == ModeBits.Directory;
            parent.Size++;
            parent.Links += isDirectory ? 1u : 0;
            operation.PutInode(home, parent);
            record.Parent = home;
            record.Links = isDirectory ? record.Links : 1;
            operation.PutInode(inode, record);
            return true;
        });

    private bool Detach(InodeNumber inode, InodeNumber holder)
    {
        byte[] name = new byte[NameRules.MaxLength];
        int length;
        using (catalog().EnterRead())
        {
            if (!catalog().TryFindName(holder, inode, name, out length))
            {
                return false;
            }
        }

        return Run(2, adds: false, operation => Drop(operation, holder, name.AsSpan(0, length).ToArray()));
    }

    private bool Drop(CatalogOperation operation, InodeNumber directory, byte[] name)
    {
        if (operation.RemoveDentry(directory, name) != Errno.OK)
        {
            return false;
        }

        if (catalog().TryGetInode(directory, out InodeRecord record))
        {
            record.Size = Math.Max(0, record.Size - 1);
            operation.PutInode(directory, record);
        }

        return true;
    }

    private bool TryLostAndFound(out InodeNumber home)
    {
        home = InodeNumber.None;
        for (int i = 0; i < Attempts; i++)
        {
            byte[] name = Encoding.ASCII.GetBytes(i == 0 ? "lost+found" : $"lost+found.{i}");
            using (catalog().EnterRead())
            {
                if (catalog().TryLookup(InodeNumber.Root, name, out Dentry entry))
                {
                    if (catalog().TryGetInode(entry.Inode, out InodeRecord record) && (record.Mode & ModeBits.TypeMask) == ModeBits.Directory)
                    {
                        home = entry.Inode;
                        return true;
                    }

                    continue;
                }
            }

            return MakeDirectory(name, out home);
        }

        return false;
    }

    private bool MakeDirectory(byte[] name, out InodeNumber made)
    {
        InodeNumber number = InodeNumber.None;
        bool done = Run(4, adds: true, operation =>
        {
            if (!catalog().TryGetInode(InodeNumber.Root, out InodeRecord root))
            {
                return false;
            }

            number = operation.NewInode();
            operation.PutInode(number, New(PrivateDirectory, InodeNumber.Root));
            root.Size++;
            root.Links++;
            operation.PutInode(InodeNumber.Root, root);
            return operation.AddDentry(InodeNumber.Root, name, new Dentry(number, (byte)(ModeBits.Directory >> 12))) == Errno.OK;
        });
        made = number;
        return done;
    }

    private InodeRecord New(uint mode, InodeNumber parent) => new()
    {
        Mode = mode,
        Links = 2,
        Atime = now,
        Mtime = now,
        Ctime = now,
        Btime = now,
        Parent = parent,
    };

    private bool Run(int changes, bool adds, Func<CatalogOperation, bool> body)
    {
        try
        {
            CatalogOperation operation;
            Errno error = adds ? catalog().BeginWrite(changes, out operation) : catalog().BeginRemoval(changes, out operation);
            if (error != Errno.OK)
            {
                return false;
            }

            using (operation)
            {
                bool done = body(operation);
                if (done)
                {
                    operation.Complete();
                }

                return done;
            }
        }
        catch (Exception e) when (e is CorruptFormatException or IntegrityException)
        {
            return false;
        }
    }

}
