using System.Text;
using IntegrityFs.Catalog.Tests.Tree;
using IntegrityFs.Format;

namespace IntegrityFs.Catalog.Tests.Items;

/// <summary>A catalog on a volume in memory.</summary>
internal sealed class StoreFixture : IDisposable
{
    public static readonly Timestamp Now = new(1_700_000_000, 5);

    public StoreFixture(MemoryVolumeOptions? options = null, ulong hashMask = ulong.MaxValue)
    {
        Volume = new MemoryVolume(options);
        CatalogStore.Format(Volume, Now, 77);
        Store = CatalogStore.Open(Volume, null, hashMask);
    }

    public MemoryVolume Volume { get; }

    public CatalogStore Store { get; }

    public static byte[] Name(string name) => Encoding.UTF8.GetBytes(name);

    public Errno Change(int changes, Func<CatalogOperation, Errno> change, bool removal = false)
    {
        Errno error = removal
            ? Store.BeginRemoval(changes, out CatalogOperation operation)
            : Store.BeginWrite(changes, out operation);
        if (error != Errno.OK)
        {
            return error;
        }

        using (operation)
        {
            error = change(operation);
            if (error == Errno.OK)
            {
                operation.Complete();
            }

            return error;
        }
    }

    public void Change(int changes, Action<CatalogOperation> change) => Assert.Equal(Errno.OK, Change(changes, o =>
    {
        change(o);
        return Errno.OK;
    }));

    public InodeNumber Create(InodeNumber directory, string name, uint mode = 0x8000 | 0x1A4)
    {
        InodeNumber inode = default;
        Change(3, o =>
        {
            inode = o.NewInode();
            o.PutInode(inode, new InodeRecord { Mode = mode, Links = 1, Parent = directory, Atime = Now, Mtime = Now, Ctime = Now, Btime = Now });
            Assert.Equal(Errno.OK, o.AddDentry(directory, Name(name), new Dentry(inode, (byte)(mode >> 12))));
            Store.TryGetInode(directory, out InodeRecord parent);
            parent.Size++;
            o.PutInode(directory, parent);
        });
        return inode;
    }

    public Errno Unlink(InodeNumber directory, string name) => Change(
        4,
        o =>
        {
            if (!Store.TryLookup(directory, Name(name), out Dentry entry))
            {
                return Errno.ENOENT;
            }

            Store.TryGetInode(directory, out InodeRecord parent);
            Store.TryGetInode(entry.Inode, out InodeRecord record);
            parent.Size--;
            record.Links--;
            o.PutInode(directory, parent);
            o.PutInode(entry.Inode, record);
            o.AddOrphan(entry.Inode);
            return o.RemoveDentry(directory, Name(name));
        },
        removal: true);

    public T Read<T>(Func<T> read)
    {
        using CatalogReadScope scope = Store.EnterRead();
        return read();
    }

    public List<string> List(InodeNumber directory)
    {
        var names = new Collector();
        Read(() =>
        {
            Store.ReadDirectory(directory, 0, names);
            return 0;
        });
        return [.. names.Entries.Select(e => e.Name)];
    }

    public void Dispose() => Volume.Dispose();

    /// <summary>Collects entries, at most <paramref name="limit"/>.</summary>
    internal sealed class Collector(int limit = int.MaxValue) : IDentryVisitor
    {
        public List<(string Name, Dentry Entry, ulong Cookie)> Entries { get; } = [];

        public bool Visit(ReadOnlySpan<byte> name, Dentry entry, ulong cookie)
        {
            if (Entries.Count == limit)
            {
                return false;
            }

            Entries.Add((Encoding.UTF8.GetString(name), entry, cookie));
            return true;
        }
    }
}
