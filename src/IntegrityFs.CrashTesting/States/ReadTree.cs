// Promise: pruning that weakens nothing. Recovery is deterministic, so which sector it looks at next depends only on what
// it has read so far. The tree follows those reads: a state that answers every read as an examined state did leads to the
// same recovery, whatever its other sectors hold, and need not be mounted.
namespace IntegrityFs.CrashTesting;

/// <summary>What recovery found at one crash point, by what it read of the sectors that may differ there.</summary>
internal sealed class ReadTree
{
    private Node _root = new();
    private bool _trusted = true;

    /// <summary>The outcome for the state whose hash was computed last; false where it must be examined.</summary>
    public bool TryFind(StateHasher sectors, out TreeSnapshot? tree)
    {
        Node? node = _root;
        while (node is { IsLeaf: false })
        {
            node = node.Slot >= 0 && node.Children.TryGetValue(sectors.ContentOf(node.Slot), out Node? next) ? next : null;
        }

        tree = node?.Tree;
        return node is not null;
    }

    /// <summary>Adds what an examination of that state read and found.</summary>
    public void Add(StateHasher sectors, IReadOnlyList<int> reads, TreeSnapshot? tree)
    {
        if (!_trusted)
        {
            return;
        }

        Node node = _root;
        foreach (int slot in reads)
        {
            if (node.IsLeaf || (node.Slot >= 0 && node.Slot != slot))
            {
                // Not deterministic after all: better slow than wrong.
                _trusted = false;
                _root = new Node();
                return;
            }

            node.Slot = slot;
            ulong content = sectors.ContentOf(slot);
            if (!node.Children.TryGetValue(content, out Node? next))
            {
                node.Children.Add(content, next = new Node());
            }

            node = next;
        }

        node.IsLeaf = true;
        node.Tree = tree;
    }

    private sealed class Node
    {
        public int Slot { get; set; } = -1;

        public Dictionary<ulong, Node> Children { get; } = [];

        public bool IsLeaf { get; set; }

        public TreeSnapshot? Tree { get; set; }
    }
}
