// An ICatalogTree that is a sorted list: strict about its costs, which it counts against the running operation of the
// volume, and undone together with it. Costs nothing on the managed heap where a value keeps its length.
using System.Runtime.InteropServices;
using IntegrityFs.Catalog.Content;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Tests.Content;

internal sealed class FakeTree : ICatalogTree
{
    private const int ChangeBlocks = 3;
    private const int InsertionAllocations = 2;

    private readonly MemoryVolume _volume;
    private readonly List<CatalogKey> _keys = [];
    private readonly List<byte[]> _values = [];
    private readonly List<Undo> _undo = new(1024);
    private byte[] _arena = new byte[1 << 16];
    private int _used;

    public FakeTree(MemoryVolume volume)
    {
        _volume = volume;
        volume.OperationEnded += End;
    }

    /// <summary>Puts and Removes so far.</summary>
    public int Changes { get; private set; }

    public IReadOnlyList<CatalogKey> Keys => _keys;

    public int MaxValueLength => _volume.BlockSize / 4;

    public int BlocksPerChange => ChangeBlocks;

    public int Reserve => 0;

    public TreeCost CostOf(int changes, int insertions)
    {
        Assert.True(insertions >= 0 && insertions <= changes, "more insertions than changes");
        return new TreeCost(changes * ChangeBlocks, insertions * InsertionAllocations);
    }

    public byte[] ValueAt(int index) => _values[index];

    public bool TryGet(in CatalogKey key, Span<byte> value, out int length)
    {
        int index = _keys.BinarySearch(key);
        return Copy(index, value, out length);
    }

    public bool TryFloor(in CatalogKey key, out CatalogKey found, Span<byte> value, out int length)
    {
        int index = _keys.BinarySearch(key);
        index = index >= 0 ? index : ~index - 1;
        found = index >= 0 ? _keys[index] : default;
        if (found.Inode != key.Inode || found.Kind != key.Kind)
        {
            length = 0;
            return false;
        }

        return Copy(index, value, out length);
    }

    public bool TryCeiling(in CatalogKey key, out CatalogKey found, Span<byte> value, out int length)
    {
        int index = _keys.BinarySearch(key);
        index = index >= 0 ? index : ~index;
        found = index < _keys.Count ? _keys[index] : default;
        return Copy(index, value, out length);
    }

    public bool Put(IVolumeOperation operation, in CatalogKey key, ReadOnlySpan<byte> value)
    {
        Assert.True(value.Length <= MaxValueLength, "the value is too long");
        Changes++;
        int index = _keys.BinarySearch(key);
        bool grows = index < 0 || value.Length > _values[index].Length;
        _volume.ChargeVirtual(ChangeBlocks, grows ? InsertionAllocations : 0);
        Save(key, index);
        Set(key, index, value);
        return index < 0;
    }

    public bool Remove(IVolumeOperation operation, in CatalogKey key)
    {
        Changes++;
        _volume.ChargeVirtual(ChangeBlocks, 0);
        int index = _keys.BinarySearch(key);
        if (index < 0)
        {
            return false;
        }

        Save(key, index);
        _keys.RemoveAt(index);
        _values.RemoveAt(index);
        return true;
    }

    private bool Copy(int index, Span<byte> value, out int length)
    {
        Assert.True(value.Length >= MaxValueLength, "the value's memory is too short");
        if (index < 0 || index >= _keys.Count)
        {
            length = 0;
            return false;
        }

        value.Fill(0xDE);
        _values[index].CopyTo(value);
        length = _values[index].Length;
        return true;
    }

    private void Set(in CatalogKey key, int index, ReadOnlySpan<byte> value)
    {
        if (index < 0)
        {
            _keys.Insert(~index, key);
            _values.Insert(~index, value.ToArray());
        }
        else if (_values[index].Length == value.Length)
        {
            value.CopyTo(_values[index]);
        }
        else
        {
            _values[index] = value.ToArray();
        }
    }

    private void Save(in CatalogKey key, int index)
    {
        if (index < 0)
        {
            _undo.Add(new Undo(key, 0, -1));
            return;
        }

        byte[] value = _values[index];
        if (_arena.Length < _used + value.Length)
        {
            Array.Resize(ref _arena, 2 * (_used + value.Length));
        }

        value.CopyTo(_arena, _used);
        _undo.Add(new Undo(key, _used, value.Length));
        _used += value.Length;
    }

    private void End(bool completed)
    {
        for (int i = _undo.Count - 1; i >= 0 && !completed; i--)
        {
            Undo undo = _undo[i];
            int index = _keys.BinarySearch(undo.Key);
            if (undo.Length >= 0)
            {
                Set(undo.Key, index, _arena.AsSpan(undo.Offset, undo.Length));
            }
            else if (index >= 0)
            {
                _keys.RemoveAt(index);
                _values.RemoveAt(index);
            }
        }

        _undo.Clear();
        _used = 0;
    }

    private readonly record struct Undo(CatalogKey Key, int Offset, int Length);
}

/// <summary>Inodes as items of the fake tree.</summary>
internal sealed class FakeInodes(FakeTree tree) : IContentInodes
{
    public static readonly CatalogKey AnyCapability = new(0, ItemKind.Xattr, 77);

    public int CapabilityChanges => 1;

    public int EraseChanges => 2;

    public static CatalogKey Capability(InodeNumber inode) => new(inode.Value, ItemKind.Xattr, 77);

    public bool TryGet(InodeNumber inode, out InodeRecord record)
    {
        Span<byte> value = stackalloc byte[tree.MaxValueLength];
        bool found = tree.TryGet(Key(inode), value, out _);
        record = found ? MemoryMarshal.Read<InodeRecord>(value) : default;
        return found;
    }

    public void Replace(IVolumeOperation operation, InodeNumber inode, in InodeRecord record) =>
        Assert.False(tree.Put(operation, Key(inode), MemoryMarshal.AsBytes(new ReadOnlySpan<InodeRecord>(in record))));

    public void Create(IVolumeOperation operation, InodeNumber inode, in InodeRecord record) =>
        Assert.True(tree.Put(operation, Key(inode), MemoryMarshal.AsBytes(new ReadOnlySpan<InodeRecord>(in record))));

    public void RemoveCapability(IVolumeOperation operation, InodeNumber inode) =>
        tree.Remove(operation, Capability(inode));

    public void Erase(IVolumeOperation operation, InodeNumber inode)
    {
        tree.Remove(operation, new CatalogKey(0, ItemKind.Orphan, inode.Value));
        Assert.True(tree.Remove(operation, Key(inode)));
    }

    private static CatalogKey Key(InodeNumber inode) => new(inode.Value, ItemKind.Inode, 0);
}
