// Promise: goes through the nodes of a tree that may be anything, and ends: a block that has served as a node is not
// entered again, and no path is longer than the tree is said to be deep. Every node is read in every copy. Leaves are given
// in key order, each with the bounds that its parents set. Memory: one block of node addresses for each level.
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>A leaf of the tree under check.</summary>
internal readonly record struct CheckedLeaf(CatalogNodeAddress Address, CatalogKey Low, CatalogKey High);

/// <summary>Walks and checks nodes; inside a read scope.</summary>
internal sealed class NodeWalk(ProtectedVolume volume, CatalogRepairs repairs, BlockMap used, CheckPass pass)
{
    private readonly List<CheckedLeaf> _leaves = [];
    private long _nodes;

    /// <summary>Leaves in key order. 64 bytes for each: less than a fiftieth of the tree.</summary>
    public IReadOnlyList<CheckedLeaf> Leaves => _leaves;

    public long Interiors { get; private set; }

    /// <summary>True where the tree needs to be built anew.</summary>
    public bool IsDamaged { get; private set; }

    /// <summary>True where nodes could not be looked into, so that leaves may be missing.</summary>
    public bool IsIncomplete { get; private set; }

    /// <summary>Goes through all nodes above the leaves, and lists the leaves.</summary>
    public void Run(in CatalogRoot root) =>
        Visit(root.Node, root.Depth - 1, CatalogKey.Lowest, CatalogTree.Highest, isRoot: true);

    /// <summary>Something is wrong with the tree.</summary>
    public void Damage(ProblemCode code, string message, long block, bool incomplete)
    {
        IsDamaged = true;
        IsIncomplete |= incomplete;
        pass.Add(RepairStage.Tree, new Problem(code, message, block), repairs.RebuildOnce);
    }

    /// <summary>Leases a node from its first copy that verifies, and tells of copies that do not; false where none does.</summary>
    public bool TryLease(CatalogNodeAddress address, bool isLeaf, out BlockLease lease)
    {
        bool first = TryRead(address.Block, out lease, out string? problem);
        if (!address.HasMirror)
        {
            if (!first)
            {
                Damage(ProblemCode.NodeLost, $"catalog node {address.Block}: {problem}", address.Block.Value, !isLeaf);
            }

            return first;
        }

        bool second = TryRead(address.Mirror, out BlockLease mirror, out string? mirrorProblem);
        if (!first && !second)
        {
            Damage(ProblemCode.NodeLost, $"catalog node {address.Block}, second copy {address.Mirror}: {problem}; {mirrorProblem}", address.Block.Value, !isLeaf);
            return false;
        }

        if (!first)
        {
            lease = mirror;
            AddCopy(address.Mirror, address.Block, problem!);
            return true;
        }

        if (!second)
        {
            AddCopy(address.Block, address.Mirror, mirrorProblem!);
        }
        else
        {
            if (!lease.Span.SequenceEqual(mirror.Span))
            {
                AddCopy(address.Block, address.Mirror, "it differs from the first copy");
            }

            mirror.Dispose();
        }

        return true;
    }

    private void AddCopy(BlockNumber good, BlockNumber bad, string problem) => pass.Add(
        RepairStage.Space,
        new Problem(ProblemCode.NodeCopy, $"catalog node: copy in block {bad}: {problem}; the copy in block {good} is good", bad.Value),
        repairs.CopyNode(good, bad));

    private bool TryRead(BlockNumber block, out BlockLease lease, out string? problem)
    {
        try
        {
            lease = volume.Read(block, BlockPurpose.CatalogNode);
            problem = null;
            return true;
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException or DeviceException)
        {
            lease = default;
            problem = e.Message;
            return false;
        }
    }

    private void Visit(CatalogNodeAddress address, int level, CatalogKey low, CatalogKey high, bool isRoot)
    {
        if (!Claim(address, level, low, high, isRoot))
        {
            return;
        }

        if ((++_nodes & 255) == 0)
        {
            pass.Progress("catalog", _nodes);
        }

        if (level == 0)
        {
            _leaves.Add(new CheckedLeaf(address, low, high));
            return;
        }

        Interiors++;
        CheckedLeaf[]? children = TryLease(address, isLeaf: false, out BlockLease lease) ? Children(address, lease, level, low, high) : null;
        foreach (CheckedLeaf child in children ?? [])
        {
            Visit(child.Address, level - 1, child.Low, child.High, isRoot: false);
        }
    }

    private bool Claim(CatalogNodeAddress address, int level, in CatalogKey low, in CatalogKey high, bool isRoot)
    {
        if (!InRange(address.Block) || (address.HasMirror && (!InRange(address.Mirror) || address.Mirror == address.Block)))
        {
            Damage(ProblemCode.NodeAddress, $"a catalog node is said to be in blocks {address.Block} and {address.Mirror}", address.Block.Value, incomplete: true);
            return false;
        }

        bool twice = level > 0 || isRoot || (low <= CatalogKey.Home && CatalogKey.Home < high);
        if (twice != address.HasMirror)
        {
            Damage(ProblemCode.NodeAddress, $"catalog node {address.Block} of level {level} is {(twice ? "not kept twice" : "kept twice for no reason")}", address.Block.Value, incomplete: false);
        }

        if (!used.Add(address.Block.Value) | (address.HasMirror && !used.Add(address.Mirror.Value)))
        {
            Damage(ProblemCode.NodeClaimedTwice, $"block {address.Block} or {address.Mirror} serves as two catalog nodes", address.Block.Value, incomplete: true);
            return false;
        }

        return true;
    }

    private bool InRange(BlockNumber block) => block.Value > 0 && block.Value < volume.TotalBlocks && !volume.IsReserved(block);

    private CheckedLeaf[]? Children(CatalogNodeAddress address, BlockLease lease, int level, in CatalogKey low, in CatalogKey high)
    {
        using (lease)
        {
            try
            {
                CatalogNodeView node = CatalogNodeView.Open(lease.Span, level);
                node.Verify();
                var children = new CheckedLeaf[node.Count];
                for (int i = 0; i < node.Count; i++)
                {
                    CatalogKey first = i > 0 ? node.Key(i) : low;
                    CatalogKey end = i + 1 < node.Count ? node.Key(i + 1) : high;
                    if (first < low || first >= end || end > high)
                    {
                        Damage(ProblemCode.NodeOrder, $"catalog node {address.Block} of level {level}: child {i} has bounds outside the node's", address.Block.Value, incomplete: true);
                        return null;
                    }

                    children[i] = new CheckedLeaf(node.Child(i), first, end);
                }

                return children;
            }
            catch (CorruptFormatException e)
            {
                Damage(ProblemCode.NodeMalformed, $"catalog node {address.Block} of level {level}: {e.Message}", address.Block.Value, incomplete: true);
                return null;
            }
        }
    }
}
