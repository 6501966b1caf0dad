// Removing. A node under a quarter full merges with a neighbour, or takes from it; an empty leaf is dropped without
// reading a neighbour. Nothing is allocated, so removing works on a full volume. A neighbour that does not verify is left
// alone: the node stays small, and damage elsewhere does not stop a removal here.

using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

internal sealed partial class CatalogTree
{
    /// <inheritdoc/>
    public bool Remove(IVolumeOperation operation, in CatalogKey key)
    {
        Path path = default;
        int depth = Descend(key, ref path);
        CatalogNodeAddress address = path[0].Address;
        int index;
        using (BlockLease lease = _nodes.Read(address))
        {
            CatalogNodeView present = CatalogNodeView.Open(lease.Span, 0);
            index = present.LowerBound(key);
            if (index == present.Count || present.Key(index) != key)
            {
                return false;
            }
        }

        Span<byte> leaf = _nodes.Modify(operation, address);
        CatalogNodeCodec.RemoveItem(leaf, index);
        _nodes.Publish(operation, address, leaf);
        _runLeaf = default;
        CatalogNodeView view = CatalogNodeView.Open(leaf, 0);
        if (depth > 1 && view.UsedBytes < Quarter)
        {
            // An empty leaf need not know its neighbour, unless that has to take over the second copy.
            bool drop = view.Count == 0 && !address.HasMirror;
            if (!drop && !Rebalance(operation, ref path, depth, 0))
            {
                drop = view.Count == 0;
            }

            if (drop)
            {
                NodeStore.Free(operation, address);
                DropChild(operation, ref path, depth, 0);
            }
        }

        return true;
    }

    private int Capacity => _volume.BlockSize - CatalogNodeLayout.HeaderSize;

    private int Quarter => Capacity / 4;

    /// <summary>Takes the node of the path at <paramref name="level"/> out of its parent. Its keys' range falls to its
    /// neighbour. The node's blocks are the caller's to free.</summary>
    private void DropChild(IVolumeOperation operation, ref Path path, int depth, int level)
    {
        CatalogNodeAddress parent = path[level + 1].Address;
        Span<byte> node = _nodes.Modify(operation, parent);
        Require(CatalogNodeView.Open(node, level + 1).Count >= 2);
        CatalogNodeCodec.RemoveChild(node, path[level + 1].Index);
        CountNodes(operation, leaves: level == 0 ? -1 : 0, interiors: level == 0 ? 0 : -1);
        AfterRemovedChild(operation, ref path, depth, level + 1, node);
    }

    /// <summary>After an interior node lost a child: publishes it, and shrinks the root or rebalances.</summary>
    private void AfterRemovedChild(IVolumeOperation operation, ref Path path, int depth, int level, Span<byte> node)
    {
        CatalogNodeAddress address = path[level].Address;
        CatalogNodeView view = CatalogNodeView.Open(node, level);
        if (level + 1 == depth && view.Count == 1)
        {
            ShrinkRoot(operation, address, _nodes.Check(view.Child(0), level), level);
            return;
        }

        _nodes.Publish(operation, address, node);
        if (level + 1 < depth && view.UsedBytes < Quarter)
        {
            Rebalance(operation, ref path, depth, level);
        }
    }

    /// <summary>The only child of the root becomes the root.</summary>
    private void ShrinkRoot(IVolumeOperation operation, CatalogNodeAddress old, CatalogNodeAddress child, int oldLevel)
    {
        CatalogRoot root = ReadRoot();
        if (child.HasMirror)
        {
            NodeStore.Free(operation, old);
        }
        else
        {
            // A leaf without a second copy: the root has one, so the old root's becomes its.
            child = child with { Mirror = old.Mirror };
            _nodes.Publish(operation, child, _nodes.Modify(operation, child));
            operation.Free(new BlockRun(old.Block, 1));
        }

        root.Node = child;
        root.Depth = oldLevel;
        root.Interiors--;
        root.Write(operation.Root);
        Remember(root);
    }

    /// <summary>Merges the node of the path at <paramref name="level"/> with a neighbour, or evens them out; false where
    /// the neighbour is a leaf that does not verify.</summary>
    private bool Rebalance(IVolumeOperation operation, ref Path path, int depth, int level)
    {
        Span<byte> parent = _nodes.Modify(operation, path[level + 1].Address);
        CatalogNodeView view = CatalogNodeView.Open(parent, level + 1);
        Require(view.Count >= 2);
        int index = path[level + 1].Index;
        int leftIndex = index + 1 < view.Count ? index : index - 1;
        CatalogNodeAddress left = _nodes.Check(view.Child(leftIndex), level + 1);
        CatalogNodeAddress right = _nodes.Check(view.Child(leftIndex + 1), level + 1);
        Span<byte> leftNode;
        Span<byte> rightNode;
        try
        {
            leftNode = _nodes.Modify(operation, left);
            rightNode = _nodes.Modify(operation, right);
        }
        catch (IntegrityException) when (level == 0)
        {
            return false;
        }

        int used = CatalogNodeView.Open(leftNode, level).UsedBytes + CatalogNodeView.Open(rightNode, level).UsedBytes;
        if (level > 0)
        {
            // The first child's key is its node's bound; moved to the left it needs to be said.
            CatalogNodeCodec.SetKey(rightNode, 0, view.Key(leftIndex + 1));
        }

        if (used <= Capacity - (Capacity / 8))
        {
            Merge(operation, parent, leftIndex, leftNode, rightNode);
            AfterRemovedChild(operation, ref path, depth, level + 1, parent);
        }
        else
        {
            Even(operation, parent, leftIndex, leftNode, rightNode);
            _nodes.Publish(operation, path[level + 1].Address, parent);
        }

        return true;
    }

    private void Merge(
        IVolumeOperation operation, Span<byte> parent, int leftIndex, Span<byte> leftNode, Span<byte> rightNode)
    {
        CatalogNodeView view = CatalogNodeView.Open(parent, -1);
        CatalogNodeAddress left = view.Child(leftIndex);
        CatalogNodeAddress right = view.Child(leftIndex + 1);
        CatalogNodeView rightView = CatalogNodeView.Open(rightNode, view.Level - 1);
        CatalogNodeCodec.Append(rightNode, 0, rightView.Count, leftNode);
        if (!left.HasMirror)
        {
            left = left with { Mirror = right.Mirror };
            right = right with { Mirror = default };
        }

        _nodes.Publish(operation, left, leftNode);
        CatalogNodeCodec.SetChild(parent, leftIndex, left);
        CatalogNodeCodec.RemoveChild(parent, leftIndex + 1);
        NodeStore.Free(operation, right);
        CountNodes(operation, leaves: view.Level == 1 ? -1 : 0, interiors: view.Level == 1 ? 0 : -1);
    }

    /// <summary>Moves items or children from the fuller node to the other until they are about even.</summary>
    private void Even(
        IVolumeOperation operation, Span<byte> parent, int leftIndex, Span<byte> leftNode, Span<byte> rightNode)
    {
        CatalogNodeView view = CatalogNodeView.Open(parent, -1);
        int level = view.Level - 1;
        CatalogNodeAddress left = view.Child(leftIndex);
        CatalogNodeAddress right = view.Child(leftIndex + 1);
        CatalogNodeView leftView = CatalogNodeView.Open(leftNode, level);
        CatalogNodeView rightView = CatalogNodeView.Open(rightNode, level);
        bool toLeft = leftView.UsedBytes < rightView.UsedBytes;
        int moved = CountToMove(toLeft ? rightView : leftView, toLeft ? leftView.UsedBytes : rightView.UsedBytes, !toLeft);
        if (toLeft)
        {
            CatalogNodeCodec.Append(rightNode, 0, moved, leftNode);
            CatalogNodeCodec.Keep(rightNode, moved, rightView.Count - moved, _scratch);
        }
        else
        {
            int stay = leftView.Count - moved;
            CatalogNodeCodec.Initialize(_scratch, level);
            CatalogNodeCodec.Append(leftNode, stay, moved, _scratch);
            CatalogNodeCodec.Append(rightNode, 0, rightView.Count, _scratch);
            _scratch.CopyTo(rightNode);
            CatalogNodeCodec.Keep(leftNode, 0, stay, _scratch);
        }

        CatalogKey separator = CatalogNodeView.Open(rightNode, level).Key(0);
        if (level == 0)
        {
            PlaceHomeCopy(separator, ref left, ref right);
        }

        CatalogNodeCodec.SetKey(parent, leftIndex + 1, separator);
        CatalogNodeCodec.SetChild(parent, leftIndex, left);
        CatalogNodeCodec.SetChild(parent, leftIndex + 1, right);
        _nodes.Publish(operation, left, leftNode);
        _nodes.Publish(operation, right, rightNode);
    }

    /// <summary>How many entries to take from the front or the end of a node, leaving at least one.</summary>
    private static int CountToMove(CatalogNodeView donor, int receiverBytes, bool fromEnd)
    {
        int donorBytes = donor.UsedBytes;
        int count = 0;
        while (count < donor.Count - 1)
        {
            int size = donor.EntrySize(fromEnd ? donor.Count - 1 - count : count);
            if (receiverBytes + size > donorBytes - size && count > 0)
            {
                break;
            }

            donorBytes -= size;
            receiverBytes += size;
            count++;
        }

        Require(count > 0);
        return count;
    }
}
