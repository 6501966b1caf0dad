// Promise: every node of the durable tree is read in every copy and held against its parent's entry; what is found bad is
// told, and where asked for and possible the good copy is put over it. That write needs no order: both hold the durable
// tree's content. Not beside Apply. Memory: two nodes for each level. Cost: one read and one HMAC per copy of a node.
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Integrity;

/// <summary>A copy of a tree node that does not fit its parent's entry.</summary>
/// <param name="Node">The node.</param>
/// <param name="Copy">Which copy.</param>
/// <param name="HasGood">True where another copy is good.</param>
/// <param name="FirstBlock">The first block that it covers.</param>
public readonly record struct BadTagNode(TagNode Node, int Copy, bool HasGood, long FirstBlock);

public sealed partial class TagTree
{
    /// <summary>Goes through the durable tree. <paramref name="found"/> is told of each bad copy and answers whether the
    /// good one is to be written over it; <paramref name="progress"/> is told of each node.</summary>
    public void Check(Func<BadTagNode, bool> found, Action progress)
    {
        using var memory = new AlignedMemory(_geometry.BlockSize * 2 * (_geometry.Levels + 1));
        TagEntry root;
        lock (_lock)
        {
            root = _root;
        }

        CheckNode(_geometry.Root, root, found, progress, memory);
    }

    private void CheckNode(TagNode node, TagEntry entry, Func<BadTagNode, bool> found, Action progress, AlignedMemory memory)
    {
        if (entry.IsAbsent)
        {
            return;
        }

        int size = _geometry.BlockSize;
        Span<byte> good = memory.Span.Slice(2 * node.Level * size, size);
        if (!CheckCopies(node, entry, found, good, memory.Span.Slice(((2 * node.Level) + 1) * size, size)))
        {
            return;
        }

        progress();
        for (int i = 0; node.Level > 0 && i < _geometry.Fanout; i++)
        {
            var child = new TagNode(node.Level - 1, (node.Index * _geometry.Fanout) + i);
            if (_geometry.FirstLeafOf(child) * _geometry.Fanout >= _geometry.TotalBlocks)
            {
                return;
            }

            CheckNode(child, EntryAt(good, i), found, progress, memory);
        }
    }

    /// <summary>Reads all copies of the live slot; false where none is good.</summary>
    private bool CheckCopies(TagNode node, TagEntry entry, Func<BadTagNode, bool> found, Span<byte> good, Span<byte> scratch)
    {
        long first = _geometry.FirstLeafOf(node) * _geometry.Fanout;
        int copies = VolumeGeometry.CopiesOf(node);
        int goodCopy = -1;
        uint bad = 0;
        for (int copy = 0; copy < copies; copy++)
        {
            Span<byte> target = goodCopy < 0 ? good : scratch;
            if (entry.Kind <= 1 && ReadCopy(node, entry, copy, target))
            {
                goodCopy = goodCopy < 0 ? copy : goodCopy;
            }
            else
            {
                bad |= 1u << copy;
            }
        }

        for (int copy = 0; copy < copies; copy++)
        {
            if ((bad & (1u << copy)) != 0 && found(new BadTagNode(node, copy, goodCopy >= 0, first)) && goodCopy >= 0)
            {
                RepairCopy(node, entry, copy, good);
            }
        }

        return goodCopy >= 0;
    }

    private bool ReadCopy(TagNode node, TagEntry entry, int copy, Span<byte> bytes)
    {
        for (int attempt = 0; attempt < 2; attempt++)
        {
            try
            {
                _device.Read(_geometry.NodeOffset(node, entry.Kind, copy), bytes);
            }
            catch (DeviceException)
            {
                continue;
            }

            if (_authenticators.Current.TagOfNode(node, entry.Version, bytes) == entry.Tag)
            {
                return true;
            }
        }

        return false;
    }
}
