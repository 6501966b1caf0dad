// The catalog's B+tree. Invariants: a node of level n has children of level n − 1 only; all leaves have level 0, so a
// descent is at most MaxDepth steps and a loop is impossible; every key under a child lies between its separator and the
// next one; a leaf other than the root has an item, an interior node two children; interior nodes, the root, and the leaf
// that the root directory's inode belongs to are kept twice.
// The root area is read at every descent and never cached, so undoing an operation undoes the tree. What is cached (depth,
// number of interior nodes) only serves the costs, which allow for its being one operation old.
// Reading needs a scope; changing needs the exclusive one, in which the scratch memory below is used.

using System.Runtime.CompilerServices;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>A B+tree in the blocks of a volume.</summary>
internal sealed partial class CatalogTree : ICatalogTree
{
    /// <summary>Above every key of an item: no item has this kind.</summary>
    internal static readonly CatalogKey Highest = new(ulong.MaxValue, (ItemKind)byte.MaxValue, ulong.MaxValue);

    private readonly IVolume _volume;
    private readonly NodeStore _nodes;
    private readonly byte[] _scratch;
    private int _depth;
    private long _interiors;

    /// <summary>A tree, outside every scope.</summary>
    public CatalogTree(IVolume volume)
        : this(volume, null)
    {
        using ReadScope scope = volume.EnterRead();
        Remember(ReadRoot());
    }

    /// <summary>A tree, inside the exclusive scope of <paramref name="operation"/>.</summary>
    public CatalogTree(IVolume volume, IVolumeOperation? operation)
    {
        _volume = volume;
        _nodes = new NodeStore(volume);
        _scratch = new byte[volume.BlockSize];
        MaxValueLength = CatalogNodeLayout.MaxValueLength(volume.BlockSize);
        if (operation is not null)
        {
            Remember(CatalogRoot.Read(operation.Root, volume.TotalBlocks));
        }
    }

    /// <summary>The nodes' blocks.</summary>
    public NodeStore Nodes => _nodes;

    /// <inheritdoc/>
    public int MaxValueLength { get; }

    /// <inheritdoc/>
    public int BlocksPerChange
    {
        get
        {
            TreeCost cost = CostOf(1, 1);
            return Math.Max(cost.Blocks, cost.Allocations);
        }
    }

    /// <summary>Creates the empty tree and the root area.</summary>
    public static void Format(IVolume volume, IVolumeOperation operation, ulong hashSeed)
    {
        var nodes = new NodeStore(volume);
        CatalogRoot root = default;
        root.Depth = 1;
        root.Node = nodes.Allocate(operation, default, mirrored: true);
        root.NextInode = 1;
        root.HashSeed = hashSeed;
        root.Leaves = 1;
        Span<byte> leaf = NodeStore.Create(operation, root.Node, 0);
        nodes.Publish(operation, root.Node, leaf);
        root.Write(operation.Root);
    }

    /// <inheritdoc/>
    public TreeCost CostOf(int changes, int insertions)
    {
        // One operation may have come between: one level more, a few nodes more. A change touches at each level at most
        // the node, its sibling and a new or freed one; but never more interior nodes than there are. The highest level
        // is a single node, which splits again only after many insertions. Interior nodes change in two copies; a freed
        // node counts once for its bitmap and once more for its copy's.
        long depth = Volatile.Read(ref _depth);
        long interiors = Volatile.Read(ref _interiors) + 3;
        long splits = (Math.Max(depth - 2, 0) * insertions) + (depth > 1 ? 2 : 1) + (insertions / 32);
        long touched = Math.Min(3 * depth * changes, interiors + splits);
        long leaves = (3L * changes) + 2;
        long allocations = insertions == 0 ? 0 : insertions + (2 * splits) + 2;
        long blocks = leaves + (3 * touched) + 3;
        return new TreeCost((int)Math.Min(Math.Max(blocks, allocations), int.MaxValue), (int)Math.Min(allocations, int.MaxValue));
    }

    /// <inheritdoc/>
    public int Reserve => (int)Math.Min(CostOf(8, 2).Allocations, _volume.TotalBlocks / 8);

    /// <inheritdoc/>
    public bool TryGet(in CatalogKey key, Span<byte> value, out int length)
    {
        using BlockLease lease = _nodes.Read(FindLeaf(key, out _, out _));
        CatalogNodeView leaf = CatalogNodeView.Open(lease.Span, 0);
        int index = leaf.LowerBound(key);
        if (index == leaf.Count || leaf.Key(index) != key)
        {
            length = 0;
            return false;
        }

        length = Copy(leaf.Value(index), value);
        return true;
    }

    /// <inheritdoc/>
    public bool TryFloor(in CatalogKey key, out CatalogKey found, Span<byte> value, out int length)
    {
        CatalogKey wanted = key;
        for (bool second = false; ; second = true)
        {
            using BlockLease lease = _nodes.Read(FindLeaf(wanted, out CatalogKey low, out _));
            CatalogNodeView leaf = CatalogNodeView.Open(lease.Span, 0);
            int index = leaf.LowerBound(wanted);
            if (index == leaf.Count || leaf.Key(index) != wanted)
            {
                index--;
            }

            if (index >= 0)
            {
                found = leaf.Key(index);
                Require(found >= low && found <= wanted);
                bool same = found.Inode == key.Inode && found.Kind == key.Kind;
                length = same ? Copy(leaf.Value(index), value) : 0;
                return same;
            }

            // Nothing here: the item before is the last of the leaf before, if that can hold one of this kind at all.
            if (low.Inode != key.Inode || low.Kind != key.Kind || low.Offset == 0)
            {
                found = default;
                length = 0;
                return false;
            }

            Require(!second);
            wanted = low with { Offset = low.Offset - 1 };
        }
    }

    /// <inheritdoc/>
    public bool TryCeiling(in CatalogKey key, out CatalogKey found, Span<byte> value, out int length)
    {
        CatalogKey wanted = key;
        for (bool second = false; ; second = true)
        {
            using BlockLease lease = _nodes.Read(FindLeaf(wanted, out _, out CatalogKey high));
            CatalogNodeView leaf = CatalogNodeView.Open(lease.Span, 0);
            int index = leaf.LowerBound(wanted);
            if (index < leaf.Count)
            {
                found = leaf.Key(index);
                Require(found >= wanted && found < high);
                length = Copy(leaf.Value(index), value);
                return true;
            }

            if (high == Highest)
            {
                found = default;
                length = 0;
                return false;
            }

            Require(!second);
            wanted = high;
        }
    }

    /// <summary>The catalog's root, as the scope sees it.</summary>
    public CatalogRoot ReadRoot() => CatalogRoot.Read(_volume.ReadRoot(), _volume.TotalBlocks);

    /// <summary>Leases the leaf that a key belongs to; its keys end before <paramref name="high"/>.</summary>
    public BlockLease LeaseLeaf(in CatalogKey key, out CatalogKey high) =>
        _nodes.Read(FindLeaf(key, out _, out high));

    /// <summary>A walk from the first item that is not before <paramref name="key"/>.</summary>
    public CatalogCursor From(in CatalogKey key) => new(this, key);

    /// <summary>The node of a level that a key belongs to; none where the tree is not that deep.</summary>
    public CatalogNodeAddress NodeAt(in CatalogKey key, int level)
    {
        CatalogRoot root = ReadRoot();
        return level < root.Depth ? FindNode(root, key, level, out _, out _) : default;
    }

    /// <summary>Descends to the leaf that a key belongs to, whose keys lie in [low, high).</summary>
    private CatalogNodeAddress FindLeaf(in CatalogKey key, out CatalogKey low, out CatalogKey high) =>
        FindNode(ReadRoot(), key, 0, out low, out high);

    private CatalogNodeAddress FindNode(
        in CatalogRoot root, in CatalogKey key, int wanted, out CatalogKey low, out CatalogKey high)
    {
        CatalogNodeAddress address = root.Node;
        low = CatalogKey.Lowest;
        high = Highest;
        for (int level = root.Depth - 1; level > wanted; level--)
        {
            using BlockLease lease = _nodes.Read(address);
            CatalogNodeView node = CatalogNodeView.Open(lease.Span, level);
            address = _nodes.Check(Narrow(node, node.ChildFor(key), ref low, ref high), level);
        }

        return address;
    }

    /// <summary>The address of a child, and the bounds of its keys.</summary>
    private static CatalogNodeAddress Narrow(CatalogNodeView node, int index, ref CatalogKey low, ref CatalogKey high)
    {
        CatalogKey first = index > 0 ? node.Key(index) : low;
        CatalogKey end = index + 1 < node.Count ? node.Key(index + 1) : high;
        Require(low <= first && first < end && end <= high);
        low = first;
        high = end;
        return node.Child(index);
    }

    /// <summary>Descends like <see cref="FindLeaf"/> and keeps the way.</summary>
    private int Descend(in CatalogKey key, ref Path path)
    {
        CatalogRoot root = ReadRoot();
        Remember(root);
        CatalogKey low = CatalogKey.Lowest;
        CatalogKey high = Highest;
        path[root.Depth - 1].Address = root.Node;
        for (int level = root.Depth - 1; level > 0; level--)
        {
            using BlockLease lease = _nodes.Read(path[level].Address);
            CatalogNodeView node = CatalogNodeView.Open(lease.Span, level);
            path[level].Index = node.ChildFor(key);
            path[level - 1].Address = _nodes.Check(Narrow(node, path[level].Index, ref low, ref high), level);
        }

        return root.Depth;
    }

    private void Remember(in CatalogRoot root)
    {
        Volatile.Write(ref _depth, root.Depth);
        Volatile.Write(ref _interiors, (long)Math.Min(root.Interiors, long.MaxValue / 8));
    }

    private static int Copy(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        source.CopyTo(destination);
        return source.Length;
    }

    private static void Require(bool rule)
    {
        if (!rule)
        {
            throw new CorruptFormatException("catalog tree: a node's keys are outside its bounds");
        }
    }

    /// <summary>A node on the way from the root to a leaf.</summary>
    private struct Step
    {
        /// <summary>The node.</summary>
        public CatalogNodeAddress Address;

        /// <summary>Which of its children the way takes.</summary>
        public int Index;
    }

    /// <summary>The way, indexed by level.</summary>
    [InlineArray(CatalogNodeLayout.MaxDepth)]
    private struct Path
    {
        private Step _leaf;
    }
}
