using System.Text;
using IntegrityFs.Catalog;
using IntegrityFs.Catalog.Content;
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;
using IntegrityFs.Journal;
using IntegrityFs.Volume;

namespace IntegrityFs.Images.Tests;

internal delegate void BlockEdit(Span<byte> block);

internal delegate void RecordEdit(ref InodeRecord record);

internal delegate void RootEdit(ref CatalogRoot root);

/// <summary>Breaks a volume with the real key: every change is an authentic operation, so that nothing but the structure is
/// wrong.</summary>
internal sealed class Breaker : IDisposable
{
    private readonly ProtectedVolume _volume;
    private readonly CatalogTree _tree;
    private readonly CatalogStore _store;

    public Breaker(MemoryDevice device)
    {
        Device = device;
        _volume = SampleVolume.Open(device);
        _tree = new CatalogTree(_volume);
        _store = CatalogStore.Open(_volume);
    }

    public MemoryDevice Device { get; }

    public ProtectedVolume Volume => _volume;

    public NameHash Hash { get; } = new(SampleVolume.HashSeed);

    public CatalogRoot Root
    {
        get
        {
            using ReadScope scope = _volume.EnterRead();
            return _tree.ReadRoot();
        }
    }

    public void Close() => _volume.Close();

    public void Dispose() => _volume.Dispose();

    public ulong Inode(string path)
    {
        using CatalogReadScope scope = _store.EnterRead();
        InodeNumber at = InodeNumber.Root;
        foreach (string name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            Assert.True(_store.TryLookup(at, Encoding.ASCII.GetBytes(name), out Dentry entry), path);
            at = entry.Inode;
        }

        return at.Value;
    }

    public void Change(Action<IVolumeOperation> change)
    {
        SampleVolume.Expect(_volume.Begin(_volume.MaxOperationBlocks, 8, out IVolumeOperation operation));
        using (operation)
        {
            change(operation);
            operation.Complete();
        }
    }

    // ---- items ----

    public void Put(CatalogKey key, byte[] value) => Change(operation => _tree.Put(operation, key, value));

    public void Remove(CatalogKey key) => Change(operation => Assert.True(_tree.Remove(operation, key)));

    public void EditItem(CatalogKey key, Func<byte[], byte[]> edit) => Put(key, edit(Value(key)));

    public byte[] Value(CatalogKey key)
    {
        using ReadScope scope = _volume.EnterRead();
        byte[] value = new byte[_tree.MaxValueLength];
        Assert.True(_tree.TryGet(key, value, out int length), key.ToString());
        return value[..length];
    }

    public void EditInode(ulong inode, RecordEdit edit) => Change(operation =>
    {
        var items = new InodeItems(_tree);
        Assert.True(items.TryGet(new InodeNumber(inode), out InodeRecord record));
        edit(ref record);
        items.Put(operation, new InodeNumber(inode), record);
    });

    public void EditRoot(RootEdit edit) => Change(operation =>
    {
        CatalogRoot root = _tree.ReadRoot();
        edit(ref root);
        root.Write(operation.Root);
    });

    public void AddName(ulong directory, string name, ulong inode, byte type, bool count = true)
    {
        Change(operation => SampleVolume.Expect(new DentryItems(_tree, Hash).Add(operation, new InodeNumber(directory), Encoding.ASCII.GetBytes(name), new Dentry(new InodeNumber(inode), type))));
        if (count)
        {
            EditInode(directory, static (ref InodeRecord record) => record.Size++);
        }
    }

    public void RemoveName(ulong directory, string name, bool count = true)
    {
        Change(operation => SampleVolume.Expect(new DentryItems(_tree, Hash).Remove(operation, new InodeNumber(directory), Encoding.ASCII.GetBytes(name))));
        if (count)
        {
            EditInode(directory, static (ref InodeRecord record) => record.Size--);
        }
    }

    public CatalogKey DentryKey(ulong directory, string name) => new(directory, ItemKind.Dentry, Hash.Dentry(Encoding.ASCII.GetBytes(name)) + 1);

    /// <summary>The first extent of a file.</summary>
    public (CatalogKey Key, ExtentItem Item) Extent(ulong inode)
    {
        using ReadScope scope = _volume.EnterRead();
        byte[] value = new byte[_tree.MaxValueLength];
        Assert.True(_tree.TryCeiling(new CatalogKey(inode, ItemKind.Extent, 0), out CatalogKey key, value, out int length));
        Assert.Equal(ItemKind.Extent, key.Kind);
        return (key, ExtentItem.Read(value.AsSpan(0, length), _volume.TotalBlocks));
    }

    public void PutExtent(CatalogKey key, ulong start, uint length, byte flags = 0)
    {
        byte[] value = new byte[ExtentLayout.Size];
        BitConverter.TryWriteBytes(value, start);
        BitConverter.TryWriteBytes(value.AsSpan(ExtentLayout.LengthOffset), length);
        value[ExtentLayout.FlagsOffset] = flags;
        Put(key, value);
    }

    // ---- blocks ----

    /// <summary>The node of a level over a key.</summary>
    public CatalogNodeAddress Node(CatalogKey key, int level)
    {
        using ReadScope scope = _volume.EnterRead();
        return _tree.NodeAt(key, level);
    }

    /// <summary>Edits a node, in both copies.</summary>
    public void EditNode(CatalogNodeAddress node, BlockEdit edit) => Change(operation =>
    {
        edit(operation.Modify(node.Block, BlockPurpose.CatalogNode));
        if (node.HasMirror)
        {
            edit(operation.Modify(node.Mirror, BlockPurpose.CatalogNode));
        }
    });

    public void EditState(BlockEdit edit)
    {
        // The volume holds its counters in memory and writes them over the block; nothing may change after this.
        Change(operation => edit(operation.Modify(new BlockNumber(0), BlockPurpose.State)));
    }

    public void EditBitmap(BlockEdit edit) => Change(operation => edit(operation.Modify(new BlockNumber(1), BlockPurpose.Bitmap)));

    public void EditBlock(long block, BlockEdit edit) => Change(operation => edit(operation.Modify(new BlockNumber(block), BlockPurpose.Data)));

    /// <summary>An allocated block that nothing uses.</summary>
    public long Leak(int count)
    {
        long first = 0;
        Change(operation => first = operation.Allocate(count, new BlockNumber(500)).First.Value);
        return first;
    }

    // ---- below the volume: closed first ----

    /// <summary>Writes both superblocks anew with their right MAC.</summary>
    public static void EditSuperblock(MemoryDevice device, Func<Superblock, Superblock> edit)
    {
        Superblock old;
        using (ProtectedVolume volume = SampleVolume.Open(device, readOnly: true))
        {
            old = volume.Superblock;
        }

        using var keys = new SubKeys(SampleVolume.Key, old.Uuid);
        using var authenticators = new AuthenticatorPool(keys);
        using var store = new SuperblockStore(device, authenticators);
        store.WriteCopy(0, edit(old));
        store.WriteCopy(1, edit(old));
    }

    /// <summary>Appends a transaction of given entries to the journal of a closed volume and says that it is in use.</summary>
    public static void AppendTransaction(MemoryDevice device, params JournalEntry[] entries)
    {
        EditSuperblock(device, static s => s with { State = VolumeState.InUse });
        using ProtectedVolume volume = SampleVolume.Open(device, readOnly: true);
        Superblock superblock = volume.Superblock;
        using var keys = new SubKeys(SampleVolume.Key, superblock.Uuid);
        using var authenticators = new AuthenticatorPool(keys);
        using var journal = new JournalLog(device, volume.Geometry, authenticators, superblock.Tail, superblock.Tail, superblock.Chain.Span);
        using var content = new AlignedMemory(SampleVolume.BlockSize);
        nint[] images = new nint[entries.Count(e => e.Kind == JournalEntryKind.Image)];
        Array.Fill(images, content.Address);
        for (int i = 0; i < entries.Length; i++)
        {
            if (entries[i].Kind == JournalEntryKind.Image)
            {
                entries[i] = entries[i] with { Tag = authenticators.Current.TagOfBlock(entries[i].Purpose, entries[i].Block, superblock.NextSequence, content.Span) };
            }
        }

        journal.Append(superblock.NextSequence, entries, images);
    }
}
