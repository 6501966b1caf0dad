using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.Images.Tests;

/// <summary>Items, extents and names that cannot be, in trees that are whole.</summary>
internal static class BrokenItems
{
    private const uint DirectoryMode = 0x41ED;

    private static CatalogKey InodeKey(ulong inode) => new(inode, ItemKind.Inode, 0);

    private static byte[] With(byte[] value, int offset, params byte[] bytes)
    {
        bytes.CopyTo(value, offset);
        return value;
    }

    private static CatalogKey FirstXattr(Breaker b, string name) =>
        new(b.Inode("dir/big"), ItemKind.Xattr, b.Hash.Xattr(System.Text.Encoding.ASCII.GetBytes(name)));

    public static IEnumerable<BrokenImage> All => [.. Inodes, .. Extents, .. Names];

    private static IEnumerable<BrokenImage> Inodes =>
    [
        new("an item of a kind that there is not", b => b.Put(new CatalogKey(5, (ItemKind)99, 1), [1, 2]), ProblemCode.ItemUnknown),
        new("an inode item of inode 0", b => b.Put(new CatalogKey(0, ItemKind.Inode, 0), b.Value(InodeKey(1))), ProblemCode.ItemUnknown),
        new("an inode number at the end of all numbers", b => b.Put(InodeKey(ulong.MaxValue - 1), b.Value(InodeKey(1))), ProblemCode.ItemUnknown),
        new("an orphan record with content", b => b.Put(new CatalogKey(0, ItemKind.Orphan, 4), [1]), ProblemCode.ItemUnknown),
        new("an attribute without an inode", b => b.Put(new CatalogKey(50_000, ItemKind.Xattr, 5 << 24), [1, 2, 3]), ProblemCode.ItemWithoutInode),
        new("an inode with four thousand million nanoseconds", b => b.EditItem(InodeKey(b.Inode("dir/big")), static v => With(v, CatalogInodeLayout.MtimeOffset + 8, 255, 255, 255, 255)), ProblemCode.InodeMalformed),
        new("an inode with a negative size", b => b.EditItem(InodeKey(b.Inode("dir/big")), static v => With(v, CatalogInodeLayout.SizeOffset + 7, 0x80)), ProblemCode.InodeMalformed),
        new("an inode of another version", b => b.EditItem(InodeKey(b.Inode("dir/big")), static v => With(v, 0, 4)), ProblemCode.InodeMalformed),
        new("an inode that is too short", b => b.EditItem(InodeKey(b.Inode("dir/small")), static v => v[..50]), ProblemCode.InodeMalformed),
        new("an inode of no type", b => b.EditInode(b.Inode("dir/big"), static (ref InodeRecord r) => r.Mode &= 0xFFF), ProblemCode.InodeTypeUnknown),
        new("a directory of no type", b => b.EditInode(b.Inode("dir"), static (ref InodeRecord r) => r.Mode |= 0xF000), ProblemCode.InodeTypeUnknown),
        new("a directory that says it is a file", b => b.EditInode(b.Inode("dir"), static (ref InodeRecord r) => r.Mode = 0x81A4), ProblemCode.InodeTypeUnknown),
        new("a file that says it is a directory", b => b.EditInode(b.Inode("dir/big"), static (ref InodeRecord r) => r.Mode = DirectoryMode), ProblemCode.InodeTypeUnknown),
        new("a directory that says it is a fifo", b => b.EditInode(b.Inode("dir"), static (ref InodeRecord r) => r.Mode = 0x11A4), ProblemCode.InodeTypeUnknown),
        new("a fifo with a size", b => b.EditInode(b.Inode("dir/fifo"), static (ref InodeRecord r) => r.Size = 1L << 50), ProblemCode.SizeWrong),
        new("a symlink of another length", b => b.EditInode(b.Inode("dir/link"), static (ref InodeRecord r) => r.Size = 5), ProblemCode.SizeWrong),
        new("a symlink without its first piece", b => b.Remove(new CatalogKey(b.Inode("dir/link"), ItemKind.Symlink, 0)), ProblemCode.SymlinkBad),
        new("a symlink of 9000 bytes", b => { ulong link = b.Inode("dir/link"); for (ulong i = 1; i < 10; i++) { b.Put(new CatalogKey(link, ItemKind.Symlink, i), new byte[999]); } }, ProblemCode.SymlinkBad),
        new("a directory that counts a thousand million entries", b => b.EditInode(b.Inode("dir"), static (ref InodeRecord r) => r.Size = 1_000_000_000), ProblemCode.DirectorySizeWrong),
        new("a file that counts more blocks than the volume", b => b.EditInode(b.Inode("dir/big"), static (ref InodeRecord r) => r.Blocks = 1L << 60), ProblemCode.BlockCountWrong),
        new("a file that counts no blocks", b => b.EditInode(b.Inode("dir/big"), static (ref InodeRecord r) => r.Blocks = 0), ProblemCode.BlockCountWrong),
        new("a file of the largest number of bytes", b => b.EditInode(b.Inode("dir/big"), static (ref InodeRecord r) => r.Size = long.MaxValue), ProblemCode.SizeTooLarge),
        new("inline content beside extents", b => b.Put(new CatalogKey(b.Inode("dir/big"), ItemKind.Inline, 0), [1, 2, 3]), ProblemCode.InlineBad),
        new("inline content without a byte", b => b.Put(new CatalogKey(b.Inode("dir/small"), ItemKind.Inline, 0), []), ProblemCode.InlineBad),
        new("inline content longer than its file", b => b.EditInode(b.Inode("dir/small"), static (ref InodeRecord r) => r.Size = 10), ProblemCode.InlineBad),
        new("an attribute without its second piece", b => b.Remove(FirstXattr(b, "user.long") with { Offset = FirstXattr(b, "user.long").Offset + 1 }), ProblemCode.XattrBad),
        new("an attribute that says it has 4 GiB", b => b.EditItem(FirstXattr(b, "user.short"), static v => With(v, 0, 255, 255, 255, 255)), ProblemCode.XattrBad),
        new("an attribute with a name longer than itself", b => b.EditItem(FirstXattr(b, "user.short"), static v => With(v, CatalogXattrLayout.NameLengthOffset, 255)), ProblemCode.XattrBad),
        new("an attribute at another name's place", b => b.Put(new CatalogKey(b.Inode("dir/big"), ItemKind.Xattr, 9UL << 24), b.Value(FirstXattr(b, "user.short"))), ProblemCode.XattrBad),
    ];

    private static IEnumerable<BrokenImage> Extents =>
    [
        new("an extent behind the end of the volume", b => b.PutExtent(b.Extent(b.Inode("dir/big")).Key, 1UL << 45, 3), ProblemCode.ExtentMalformed),
        new("an extent that reaches over the end of the volume", b => b.PutExtent(b.Extent(b.Inode("dir/big")).Key, (ulong)b.Volume.TotalBlocks - 3, 41), ProblemCode.ExtentMalformed),
        new("an extent of no block", b => b.PutExtent(b.Extent(b.Inode("dir/big")).Key, 700, 0), ProblemCode.ExtentMalformed),
        new("an extent of four thousand million blocks", b => b.PutExtent(b.Extent(b.Inode("dir/big")).Key, 700, uint.MaxValue), ProblemCode.ExtentMalformed),
        new("an extent with a flag that there is not", b => b.PutExtent(b.Extent(b.Inode("dir/big")).Key, (ulong)b.Extent(b.Inode("dir/big")).Item.Start.Value, 41, 0x82), ProblemCode.ExtentMalformed),
        new("an extent behind the largest file", b => b.PutExtent(new CatalogKey(b.Inode("dir/big"), ItemKind.Extent, ulong.MaxValue - 5), (ulong)b.Leak(2), 2), ProblemCode.ExtentMalformed),
        new("two extents that overlap in the file", b => b.PutExtent(new CatalogKey(b.Inode("dir/big"), ItemKind.Extent, 10), (ulong)b.Leak(2), 2), ProblemCode.ExtentOverlap),
        new("an extent with content behind the end of its file", b => b.EditInode(b.Inode("dir/other"), static (ref InodeRecord r) => r.Size = 9000), ProblemCode.ExtentBehindEnd),
        new("an extent over a bitmap", b => b.PutExtent(b.Extent(b.Inode("dir/big")).Key, 1, 1), ProblemCode.ExtentOnMetadata),
        new("an extent over a catalog node", b => b.PutExtent(new CatalogKey(b.Inode("dir/big"), ItemKind.Extent, 41), (ulong)b.Root.Node.Block.Value, 1), ProblemCode.ExtentOnMetadata),
        new("an extent over another file's blocks", b => b.PutExtent(b.Extent(b.Inode("dir/big")).Key, (ulong)b.Extent(b.Inode("dir/other")).Item.Start.Value, 15), ProblemCode.ExtentClaimedTwice),
        new("an extent that says it has content in blocks that were never written", b => b.PutExtent(new CatalogKey(b.Inode("dir/small"), ItemKind.Extent, 0), (ulong)b.Leak(3), 1), ProblemCode.InlineBad),
        new("an extent with content that nobody wrote", b => { ulong i = b.Inode("dir/big"); b.PutExtent(new CatalogKey(i, ItemKind.Extent, 50), (ulong)b.Leak(3), 3); b.EditInode(i, static (ref InodeRecord r) => (r.Size, r.Blocks) = (53 * 4096, r.Blocks + 3)); }, ProblemCode.ExtentNeverWritten),
        new("a last block with bytes behind the end of its file", b => b.EditBlock(b.Extent(b.Inode("dir/big")).Item.Start.Value + 40, static c => c[4000] = 1), ProblemCode.TailNotZero),
    ];

    private static IEnumerable<BrokenImage> Names =>
    [
        new("a name with a slash", b => b.EditItem(b.DentryKey(b.Inode("dir"), "small"), static v => With(v, CatalogDentryLayout.NameOffset, (byte)'/')), ProblemCode.DentryMalformed),
        new("an entry without a name", b => b.EditItem(b.DentryKey(b.Inode("dir"), "small"), static v => v[..9]), ProblemCode.DentryMalformed),
        new("a name at another name's place", b => { ulong d = b.Inode("dir"); byte[] v = b.Value(b.DentryKey(d, "small")); b.Remove(b.DentryKey(d, "small")); b.Put(new CatalogKey(d, ItemKind.Dentry, (77UL << 8) + 1), v); }, ProblemCode.DentryMisplaced),
        new("a name that stands twice", b => b.Put(b.DentryKey(b.Inode("dir"), "small") with { Offset = b.DentryKey(b.Inode("dir"), "small").Offset + 1 }, b.Value(b.DentryKey(b.Inode("dir"), "small"))), ProblemCode.DentryDuplicate),
        new("an entry below a file", b => b.Put(new CatalogKey(b.Inode("dir/big"), ItemKind.Dentry, 257), b.Value(b.DentryKey(b.Inode("dir"), "small"))), ProblemCode.ItemOfOtherType),
        new("no root directory", b => b.Remove(InodeKey(1)), ProblemCode.ItemWithoutInode),
        new("a root directory that is a file", b => b.EditInode(1, static (ref InodeRecord r) => r.Mode = 0x81A4), ProblemCode.InodeTypeUnknown),
        new("a name that leads nowhere", b => b.AddName(1, "nowhere", 777_777, 8), ProblemCode.NameWithoutInode),
        new("a name that leads to inode 0", b => b.AddName(1, "zero", 0, 8), ProblemCode.NameWithoutInode),
        new("a name of the wrong type", b => b.EditItem(b.DentryKey(b.Inode("dir"), "fifo"), static v => With(v, CatalogDentryLayout.TypeOffset, 4)), ProblemCode.NameTypeWrong),
        new("a second name of a directory", b => b.AddName(1, "again", b.Inode("dir/inner"), 4), ProblemCode.DirectoryNamedTwice),
        new("a name of the root directory", b => b.AddName(b.Inode("dir"), "root", 1, 4), ProblemCode.DirectoryNamedTwice),
        new("a directory in itself", b => b.AddName(b.Inode("dir/inner"), "self", b.Inode("dir/inner"), 4), ProblemCode.DirectoryNamedTwice),
        new("a file that counts no links", b => b.EditInode(b.Inode("dir/big"), static (ref InodeRecord r) => r.Links = 0), ProblemCode.LinkCountWrong),
        new("a directory that counts too many links", b => b.EditInode(b.Inode("dir"), static (ref InodeRecord r) => r.Links = uint.MaxValue), ProblemCode.LinkCountWrong),
        new("a directory with another parent", b => b.EditInode(b.Inode("dir/inner"), static (ref InodeRecord r) => r.Parent = new InodeNumber(4_000)), ProblemCode.ParentWrong),
        new("a file without a name", b => b.RemoveName(b.Inode("dir"), "small"), ProblemCode.Unreachable),
        new("a directory without a name", b => { b.RemoveName(1, "dir"); b.EditInode(1, static (ref InodeRecord r) => r.Links--); }, ProblemCode.Unreachable),
        new("two directories in each other", Cycle, ProblemCode.DirectoryCycle),
        new("an orphan that does not exist", b => b.Put(new CatalogKey(0, ItemKind.Orphan, 888_888), []), ProblemCode.OrphanWithoutInode),
        new("an orphan with a name", b => b.Put(new CatalogKey(0, ItemKind.Orphan, b.Inode("dir/big")), []), ProblemCode.OrphanNamed),
        new("the root directory as an orphan", b => b.Put(new CatalogKey(0, ItemKind.Orphan, 1), []), ProblemCode.OrphanNamed),
        new("an orphan that counts links", b => { ulong s = b.Inode("dir/small"); b.RemoveName(b.Inode("dir"), "small"); b.Put(new CatalogKey(0, ItemKind.Orphan, s), []); }, ProblemCode.OrphanLinks),
    ];

    /// <summary>/dir/inner is taken out of /dir and put into its own child.</summary>
    private static void Cycle(Breaker b)
    {
        ulong directory = b.Inode("dir");
        ulong inner = b.Inode("dir/inner");
        ulong innermost = b.Inode("dir/inner/innermost");
        b.RemoveName(directory, "inner");
        b.EditInode(directory, static (ref InodeRecord r) => r.Links--);
        b.AddName(innermost, "inner", inner, 4);
        b.EditInode(innermost, static (ref InodeRecord r) => r.Links++);
        b.EditInode(inner, (ref InodeRecord r) => r.Parent = new InodeNumber(innermost));
    }
}
