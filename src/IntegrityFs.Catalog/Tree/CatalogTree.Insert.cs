// Inserting. A full node splits: where keys arrive in ascending order at the point of insertion, so that a sequence of
// new inodes or extents leaves full nodes behind; else in the middle. New nodes are written before their parent names
// them, all in one operation.

using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

internal sealed partial class CatalogTree
{
    private BlockNumber _runLeaf;
    private int _runIndex;

    /// <inheritdoc/>
    public bool Put(IVolumeOperation operation, in CatalogKey key, ReadOnlySpan<byte> value)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value.Length, MaxValueLength, nameof(value));
        Path path = default;
        int depth = Descend(key, ref path);
        CatalogNodeAddress address = path[0].Address;
        Span<byte> leaf = _nodes.Modify(operation, address);
        CatalogNodeView view = CatalogNodeView.Open(leaf, 0);
        int index = view.LowerBound(key);
        bool exists = index < view.Count && view.Key(index) == key;
        if (exists && view.Value(index).Length == value.Length)
        {
            CatalogNodeCodec.OverwriteValue(leaf, index, value);
            _nodes.Publish(operation, address, leaf);
            return false;
        }

        if (exists)
        {
            CatalogNodeCodec.RemoveItem(leaf, index);
        }

        if (CatalogNodeCodec.Fits(leaf, value.Length))
        {
            CatalogNodeCodec.InsertItem(leaf, index, key, value);
            _nodes.Publish(operation, address, leaf);
            _runLeaf = address.Block;
            _runIndex = index + 1;
        }
        else
        {
            SplitLeaf(operation, ref path, depth, index, key, value);
        }

        return !exists;
    }

    private void SplitLeaf(
        IVolumeOperation operation, ref Path path, int depth, int index, in CatalogKey key, ReadOnlySpan<byte> value)
    {
        CatalogNodeAddress left = path[0].Address;
        Span<byte> leftNode = _nodes.Modify(operation, left);
        CatalogNodeView view = CatalogNodeView.Open(leftNode, 0);
        int keep = ChooseSplit(view, index, CatalogNodeLayout.ItemSize(value.Length), left.Block);
        bool newIsRight = keep <= index;
        int firstMoved = newIsRight ? keep : keep - 1;
        CatalogNodeAddress right = _nodes.Allocate(operation, left.Block, mirrored: false);
        Span<byte> rightNode = NodeStore.Create(operation, right, 0);
        CatalogNodeCodec.Append(leftNode, firstMoved, view.Count - firstMoved, rightNode);
        CatalogNodeCodec.Keep(leftNode, 0, firstMoved, _scratch);
        int position = newIsRight ? index - keep : index;
        CatalogNodeCodec.InsertItem(newIsRight ? rightNode : leftNode, position, key, value);
        _runLeaf = newIsRight ? right.Block : left.Block;
        _runIndex = position + 1;

        CatalogKey separator = CatalogNodeView.Open(rightNode, 0).Key(0);
        PlaceHomeCopy(separator, ref left, ref right);
        _nodes.Publish(operation, left, leftNode);
        _nodes.Publish(operation, right, rightNode);
        CountNodes(operation, leaves: 1, interiors: 0);
        InsertIntoParent(operation, ref path, depth, 0, left, right, separator);
    }

    /// <summary>How many of the items, the new one among them at <paramref name="index"/>, stay in the left leaf.</summary>
    private int ChooseSplit(CatalogNodeView leaf, int index, int newSize, BlockNumber block)
    {
        int count = leaf.Count;
        Require(count >= 1);
        bool ascending = index == count || (block == _runLeaf && index == _runIndex && index > 0);
        if (ascending)
        {
            int left = 0;
            for (int i = 0; i < index; i++)
            {
                left += leaf.EntrySize(i);
            }

            // The run goes on at the end of the left leaf where there is room, else it begins the right one.
            if (index < count && left + newSize <= Capacity)
            {
                return index + 1;
            }

            if (newSize + leaf.UsedBytes - left <= Capacity)
            {
                return index;
            }
        }

        int half = (leaf.UsedBytes + newSize) / 2;
        int keep = 0;
        for (int bytes = 0; keep < count && bytes < half; keep++)
        {
            bytes += keep < index ? leaf.EntrySize(keep) : keep == index ? newSize : leaf.EntrySize(keep - 1);
        }

        return Math.Max(keep, 1);
    }

    /// <summary>After a split of <paramref name="left"/> at <paramref name="level"/>.</summary>
    private void InsertIntoParent(
        IVolumeOperation operation, ref Path path, int depth, int level, CatalogNodeAddress left, CatalogNodeAddress right,
        in CatalogKey separator)
    {
        if (level + 1 == depth)
        {
            GrowRoot(operation, level, left, right, separator);
            return;
        }

        CatalogNodeAddress address = path[level + 1].Address;
        int position = path[level + 1].Index + 1;
        Span<byte> node = _nodes.Modify(operation, address);
        int count = CatalogNodeView.Open(node, level + 1).Count;
        CatalogNodeCodec.SetChild(node, position - 1, left);
        if (count < CatalogNodeLayout.MaxChildren(_volume.BlockSize))
        {
            CatalogNodeCodec.InsertChild(node, position, separator, right);
            _nodes.Publish(operation, address, node);
            return;
        }

        // At the end: leave the node full, but the new one two children, the least that an interior node has.
        int keep = position == count ? count - 1 : (count + 1) / 2;
        bool newIsRight = keep <= position;
        int firstMoved = newIsRight ? keep : keep - 1;
        CatalogNodeAddress second = _nodes.Allocate(operation, address.Block, mirrored: true);
        Span<byte> secondNode = NodeStore.Create(operation, second, level + 1);
        CatalogNodeCodec.Append(node, firstMoved, count - firstMoved, secondNode);
        CatalogNodeCodec.Keep(node, 0, firstMoved, _scratch);
        CatalogNodeCodec.InsertChild(
            newIsRight ? secondNode : node, newIsRight ? position - keep : position, separator, right);
        _nodes.Publish(operation, address, node);
        _nodes.Publish(operation, second, secondNode);
        CountNodes(operation, leaves: 0, interiors: 1);
        CatalogKey middle = CatalogNodeView.Open(secondNode, level + 1).Key(0);
        InsertIntoParent(operation, ref path, depth, level + 1, address, second, middle);
    }

    private void GrowRoot(
        IVolumeOperation operation, int level, CatalogNodeAddress left, CatalogNodeAddress right, in CatalogKey separator)
    {
        if (level + 2 > CatalogNodeLayout.MaxDepth)
        {
            throw new CorruptFormatException("catalog tree: more levels than a volume can need");
        }

        CatalogNodeAddress address = _nodes.Allocate(operation, left.Block, mirrored: true);
        Span<byte> node = NodeStore.Create(operation, address, level + 1);
        CatalogNodeCodec.InsertChild(node, 0, CatalogKey.Lowest, left);
        CatalogNodeCodec.InsertChild(node, 1, separator, right);
        _nodes.Publish(operation, address, node);
        CatalogRoot root = ReadRoot();
        root.Node = address;
        root.Depth = level + 2;
        root.Interiors++;
        root.Write(operation.Root);
        Remember(root);
    }

    /// <summary>Of two neighbouring leaves, at most one of which has a second copy: the copy goes to the one that the root
    /// directory's inode belongs to.</summary>
    private static void PlaceHomeCopy(in CatalogKey separator, ref CatalogNodeAddress left, ref CatalogNodeAddress right)
    {
        BlockNumber copy = left.HasMirror ? left.Mirror : right.Mirror;
        bool homeIsRight = separator <= CatalogKey.Home;
        left = left with { Mirror = homeIsRight ? default : copy };
        right = right with { Mirror = homeIsRight ? copy : default };
    }

    private void CountNodes(IVolumeOperation operation, int leaves, int interiors)
    {
        CatalogRoot root = ReadRoot();
        root.Leaves += (ulong)leaves;
        root.Interiors += (ulong)interiors;
        root.Write(operation.Root);
        Remember(root);
    }
}
