using System.Buffers.Binary;
using IntegrityFs.Catalog;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Images.Tests;

/// <summary>Catalog trees, roots, bitmaps and counters that cannot be.</summary>
internal static class BrokenTrees
{
    private const int FirstChild = CatalogNodeLayout.HeaderSize;

    /// <summary>A key in the middle of /many.</summary>
    private static CatalogKey Middle(Breaker b) => new(b.Inode("many") + 100, ItemKind.Inode, 0);

    private static CatalogNodeAddress Leaf(Breaker b) => b.Node(Middle(b), 0);

    private static CatalogNodeAddress Top(Breaker b) => b.Root.Node;

    private static void SetChild(Breaker b, int index, CatalogNodeAddress child) =>
        b.EditNode(Top(b), node => CatalogNodeCodec.SetChild(node, index, child));

    private static CatalogNodeAddress Child(Breaker b, int index)
    {
        BlockNumber top = Top(b).Block;
        using ReadScope scope = b.Volume.EnterRead();
        using BlockLease lease = b.Volume.Read(top, BlockPurpose.CatalogNode);
        return CatalogNodeView.Open(lease.Span, -1).Child(index);
    }

    private static CatalogKey KeyOf(Breaker b, int index)
    {
        BlockNumber top = Top(b).Block;
        using ReadScope scope = b.Volume.EnterRead();
        using BlockLease lease = b.Volume.Read(top, BlockPurpose.CatalogNode);
        return CatalogNodeView.Open(lease.Span, -1).Key(index);
    }

    private static void Swap(Span<byte> block, int a, int b, int length)
    {
        Span<byte> kept = stackalloc byte[length];
        block.Slice(a, length).CopyTo(kept);
        block.Slice(b, length).CopyTo(block[a..]);
        kept.CopyTo(block[b..]);
    }

    public static IEnumerable<BrokenImage> All =>
    [
        new("a child that is the root: a loop", b => SetChild(b, 2, Top(b)), ProblemCode.NodeClaimedTwice),
        new("two children in one block", b => SetChild(b, 3, Child(b, 4)), ProblemCode.NodeClaimedTwice),
        new("a child behind the end of the volume", b => SetChild(b, 2, new CatalogNodeAddress(new BlockNumber(1L << 40), default)), ProblemCode.NodeAddress),
        new("a child in block 0", b => SetChild(b, 2, default), ProblemCode.NodeAddress),
        new("a child in a bitmap", b => SetChild(b, 2, new CatalogNodeAddress(new BlockNumber(1), default)), ProblemCode.NodeAddress),
        new("a child that is file content", b => SetChild(b, 2, new CatalogNodeAddress(b.Extent(b.Inode("dir/big")).Item.Start, default)), ProblemCode.NodeLost),
        new("a child that was never written", b => SetChild(b, 2, new CatalogNodeAddress(new BlockNumber(b.Leak(1)), default)), ProblemCode.NodeLost),
        new("a root without a second copy", b => b.EditState(s => s.Slice(VolumeStateLayout.RootOffset + CatalogRootLayout.MirrorOffset, 8).Clear()), ProblemCode.RootImpossible),
        new("a leaf that claims a level", b => b.EditNode(Leaf(b), n => n[CatalogNodeLayout.LevelOffset] = 3), ProblemCode.NodeMalformed),
        new("a leaf of another version", b => b.EditNode(Leaf(b), n => n[CatalogNodeLayout.VersionOffset] = 9), ProblemCode.NodeMalformed),
        new("a leaf with its keys out of order", b => b.EditNode(Leaf(b), n => Swap(n, FirstChild, FirstChild + 8, 2)), ProblemCode.NodeMalformed),
        new("a leaf with a value as long as 60000 bytes", b => b.EditNode(Leaf(b), n => BinaryPrimitives.WriteUInt16LittleEndian(n[(BinaryPrimitives.ReadUInt16LittleEndian(n[FirstChild..]) + CatalogCellLayout.LengthOffset)..], 60000)), ProblemCode.NodeMalformed),
        new("a leaf with a million items", b => b.EditNode(Leaf(b), n => BinaryPrimitives.WriteUInt32LittleEndian(n[CatalogNodeLayout.CountOffset..], 1_000_000)), ProblemCode.NodeMalformed),
        new("a leaf without items", b => b.EditNode(Leaf(b), n => CatalogNodeCodec.Initialize(n, 0)), ProblemCode.NodeMalformed),
        new("a leaf full of zeros", b => b.EditNode(Leaf(b), n => n.Clear()), ProblemCode.NodeMalformed),
        new("a leaf that has the items of another one", b => { byte[] other = CopyOf(b, b.Node(CatalogKey.Home, 0)); b.EditNode(Leaf(b), n => other.CopyTo(n)); }, ProblemCode.NodeOrder),
        new("an interior node whose keys do not ascend", b => b.EditNode(Top(b), n => Swap(n, FirstChild + (2 * CatalogChildLayout.Size), FirstChild + (5 * CatalogChildLayout.Size), CatalogKeyLayout.Size)), ProblemCode.NodeMalformed),
        new("an interior node with a separator too high", b => { CatalogKey higher = KeyOf(b, 5); b.EditNode(Top(b), n => CatalogNodeCodec.SetKey(n, 4, higher with { Inode = higher.Inode - 1 })); }, ProblemCode.NodeOrder),
        new("an interior node with a single child", b => b.EditNode(Top(b), n => CatalogNodeCodec.Keep(n, 0, 1, new byte[n.Length])), ProblemCode.NodeMalformed),
        new("a root that is deeper than the tree", b => b.EditRoot(static (ref CatalogRoot r) => r.Depth = 7), ProblemCode.NodeMalformed),
        new("a root in the wrong block", b => b.EditRoot((ref CatalogRoot r) => r.Node = new CatalogNodeAddress(new BlockNumber(1500), new BlockNumber(1400))), ProblemCode.NodeLost),
        new("a root without magic", b => b.EditState(static s => s[VolumeStateLayout.RootOffset] ^= 0xFF), ProblemCode.RootImpossible),
        new("a second copy that differs", b => { BlockNumber mirror = Top(b).Mirror; b.Change(o => o.Modify(mirror, BlockPurpose.CatalogNode)[100] ^= 1); }, ProblemCode.NodeCopy),
        new("a count of leaves that is wrong", b => b.EditRoot(static (ref CatalogRoot r) => r.Leaves += 5), ProblemCode.NodeCountWrong),
        new("a count of inodes that is wrong", b => b.EditRoot(static (ref CatalogRoot r) => r.Inodes = ulong.MaxValue), ProblemCode.InodeCountWrong),
        new("a next inode number that is in use", b => b.EditRoot(static (ref CatalogRoot r) => r.NextInode = 3), ProblemCode.NextInodeTooLow),
        new("a next inode number at the end of all numbers", b => b.EditRoot(static (ref CatalogRoot r) => r.NextInode = ulong.MaxValue), ProblemCode.NextInodeTooLow),
        new("an unfinished truncation of nothing", b => b.Change(static o => new PendingTruncation(new InodeNumber(999_999), 3).Write(o.Root)), ProblemCode.TruncationNoteBad),
        new("an unfinished truncation that keeps more than can be", b => b.Change(static o => new PendingTruncation(new InodeNumber(7), -5).Write(o.Root)), ProblemCode.TruncationNoteBad),
        new("blocks in use that the bitmap says are free", b => { int at = (int)(b.Extent(b.Inode("dir/big")).Item.Start.Value / 8); b.EditBitmap(m => m.Slice(at, 4).Clear()); }, ProblemCode.UsedButFree),
        new("a bitmap that says that all is free", b => b.EditBitmap(static m => m.Clear()), ProblemCode.UsedButFree),
        new("a bitmap that says that all is used", b => b.EditBitmap(static m => m.Fill(0xFF)), ProblemCode.Leaked, ProblemCode.BitmapTail),
        new("blocks that nothing uses", b => b.Leak(20), ProblemCode.Leaked),
        new("a free count that is too high", b => b.EditState(static s => s[VolumeStateLayout.FreeBlocksOffset] ^= 0x7F), ProblemCode.FreeCountWrong),
        new("a free count of nothing", b => b.EditState(static s => s.Slice(VolumeStateLayout.FreeBlocksOffset, 8).Clear()), ProblemCode.FreeCountWrong),
        new("a free count beyond the volume", b => b.EditState(static s => s.Slice(VolumeStateLayout.FreeBlocksOffset, 8).Fill(0x7F)), ProblemCode.StateImpossible),
        new("no group with a bitmap", b => b.EditState(static s => s[VolumeStateLayout.InitializedGroupsOffset] = 0), ProblemCode.GroupCountWrong),
        new("a second copy of the state that differs", b => b.Change(static o => o.Modify(new BlockNumber(VolumeStateBlock.MirrorNumber), BlockPurpose.State)[VolumeStateLayout.RootOffset + 900] ^= 1), ProblemCode.StateCopy),
        new("more groups than there are", b => b.EditState(static s => s[VolumeStateLayout.InitializedGroupsOffset] = 200), ProblemCode.StateImpossible),
        new("a state block full of zeros", b => b.EditState(static s => s.Clear()), ProblemCode.StateImpossible, ProblemCode.RootImpossible),
    ];

    private static byte[] CopyOf(Breaker b, CatalogNodeAddress node)
    {
        using ReadScope scope = b.Volume.EnterRead();
        using BlockLease lease = b.Volume.Read(node.Block, BlockPurpose.CatalogNode);
        return lease.Span.ToArray();
    }
}
