// Promise: items in ascending order become leaves, full to seven eighths, and nodes above them, each written into free
// blocks by an operation of its own before its parent names it. Nothing refers to any of it before the caller makes it so.
// Invariants of the tree hold: no leaf is empty, an interior node has two children, what is to be kept twice is.
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>Builds a tree from the bottom up.</summary>
internal sealed class TreeBuilder(ProtectedVolume volume)
{
    private readonly NodeStore _nodes = new(volume);
    private readonly byte[] _leaf = new byte[volume.BlockSize];
    private readonly List<Level> _levels = [];
    private readonly int _mostChildren = CatalogNodeLayout.MaxChildren(volume.BlockSize);
    private CatalogKey _low = CatalogKey.Lowest;
    private int _items;
    private long _leaves;
    private long _interiors;

    /// <summary>Adds an item behind all others; false where there is no room.</summary>
    public bool Append(in CatalogKey key, ReadOnlySpan<byte> value)
    {
        Span<byte> leaf = _leaf;
        if (_items == 0 && _leaves == 0)
        {
            CatalogNodeCodec.Initialize(leaf, 0);
        }

        int room = (volume.BlockSize - CatalogNodeLayout.HeaderSize) * 7 / 8;
        bool full = _items > 0 && CatalogNodeView.Open(leaf, 0).UsedBytes + CatalogNodeLayout.ItemSize(value.Length) > room;
        if (full)
        {
            if (!WriteLeaf(key, isRoot: false))
            {
                return false;
            }

            _low = key;
            _items = 0;
            CatalogNodeCodec.Initialize(leaf, 0);
        }

        CatalogNodeCodec.InsertItem(leaf, _items++, key, value);
        return true;
    }

    /// <summary>Writes what is left; the root's place, depth and numbers of nodes.</summary>
    public bool Finish(out CatalogRoot root)
    {
        root = default;
        bool single = _leaves == 0;
        if (_items == 0)
        {
            CatalogNodeCodec.Initialize(_leaf, 0);
        }

        if (!WriteLeaf(CatalogTree.Highest, single))
        {
            return false;
        }

        for (int i = 0; i < _levels.Count; i++)
        {
            Level level = _levels[i];
            bool top = i + 1 == _levels.Count;
            if (top && level.Children.Count == 1)
            {
                root.Node = level.Children[0].Address;
                root.Depth = i + 1;
                break;
            }

            if (!WriteInterior(i, level.Children.Count))
            {
                return false;
            }
        }

        root.Leaves = (ulong)_leaves;
        root.Interiors = (ulong)_interiors;
        return true;
    }

    private bool WriteLeaf(in CatalogKey high, bool isRoot)
    {
        bool twice = isRoot || (_low <= CatalogKey.Home && CatalogKey.Home < high);
        if (!Write(_leaf, twice, out CatalogNodeAddress address))
        {
            return false;
        }

        _leaves++;
        return AddChild(0, _low, address);
    }

    /// <summary>Adds a node of a level to its parents-to-be. A parent is written when it is full and one more comes, but
    /// for its last child, so that the next has two.</summary>
    private bool AddChild(int level, in CatalogKey key, CatalogNodeAddress address)
    {
        if (_levels.Count == level)
        {
            _levels.Add(new Level());
        }

        List<(CatalogKey Key, CatalogNodeAddress Address)> children = _levels[level].Children;
        if (children.Count == _mostChildren && !WriteInterior(level, _mostChildren - 1))
        {
            return false;
        }

        children.Add((key, address));
        return true;
    }

    private bool WriteInterior(int level, int count)
    {
        List<(CatalogKey Key, CatalogNodeAddress Address)> children = _levels[level].Children;
        byte[] block = new byte[volume.BlockSize];
        CatalogNodeCodec.Initialize(block, level + 1);
        for (int i = 0; i < count; i++)
        {
            CatalogNodeCodec.InsertChild(block, i, children[i].Key, children[i].Address);
        }

        if (!Write(block, twice: true, out CatalogNodeAddress address))
        {
            return false;
        }

        CatalogKey key = children[0].Key;
        children.RemoveRange(0, count);
        _interiors++;
        return AddChild(level + 1, key, address);
    }

    private bool Write(ReadOnlySpan<byte> content, bool twice, out CatalogNodeAddress address)
    {
        address = default;
        if (volume.Begin(8, 2, out IVolumeOperation operation) != Errno.OK)
        {
            return false;
        }

        using (operation)
        {
            address = _nodes.Allocate(operation, default, twice);
            content.CopyTo(operation.Create(address.Block, BlockPurpose.CatalogNode));
            _nodes.Publish(operation, address, content);
            operation.Complete();
            return true;
        }
    }

    private sealed class Level
    {
        public List<(CatalogKey Key, CatalogNodeAddress Address)> Children { get; } = [];
    }
}
