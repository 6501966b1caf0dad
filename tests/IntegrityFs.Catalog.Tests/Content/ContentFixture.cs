// File content over a strict volume and a strict tree, and what tests want to know of it.
using IntegrityFs.Catalog.Content;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Tests.Content;

internal sealed class ContentFixture : IDisposable
{
    public static readonly ContentChange Change = new(new Timestamp(1000, 5), 0, false);

    public ContentFixture(MemoryVolumeOptions? options = null, int files = 3)
    {
        Volume = new MemoryVolume(options ?? new MemoryVolumeOptions());
        Tree = new FakeTree(Volume);
        Inodes = new FakeInodes(Tree);
        Content = new FileContent(Volume, Tree, Inodes);
        for (int i = 0; i < files; i++)
        {
            Create(File(i));
        }
    }

    public MemoryVolume Volume { get; }

    public FakeTree Tree { get; }

    public FakeInodes Inodes { get; }

    public FileContent Content { get; private set; }

    public int BlockSize => Volume.BlockSize;

    public int InlineLimit => Math.Min(InlineLayout.MaxLength, Tree.MaxValueLength);

    public static InodeNumber File(int index) => new((ulong)(100 + index));

    public static byte[] Bytes(int length, int seed)
    {
        byte[] data = new byte[length];
        new Random(seed).NextBytes(data);
        return data;
    }

    public void Create(InodeNumber inode) => InOperation(operation =>
        Inodes.Create(operation, inode, new InodeRecord { Mode = 0x81ED, Links = 1 }));

    public void InOperation(Action<IVolumeOperation> action)
    {
        Assert.Equal(Errno.OK, Volume.Begin(20, 8, out IVolumeOperation operation));
        using (operation)
        {
            action(operation);
            operation.Complete();
        }
    }

    /// <summary>As after a restart: what was in memory is gone.</summary>
    public void Reopen()
    {
        Volume.BeginsUntilCrash = long.MaxValue;
        Content = new FileContent(Volume, Tree, Inodes);
    }

    public Errno Write(InodeNumber inode, long offset, ReadOnlySpan<byte> data, out int written) =>
        Content.Write(inode, offset, data, Change, out written);

    public void Write(InodeNumber inode, long offset, ReadOnlySpan<byte> data)
    {
        Assert.Equal(Errno.OK, Write(inode, offset, data, out int written));
        Assert.Equal(data.Length, written);
    }

    public InodeRecord Record(InodeNumber inode)
    {
        using ReadScope scope = Volume.EnterRead();
        Assert.True(Inodes.TryGet(inode, out InodeRecord record));
        return record;
    }

    public byte[] Read(InodeNumber inode, long offset, int length)
    {
        byte[] buffer = new byte[length];
        using ReadScope scope = Volume.EnterRead();
        Assert.True(Inodes.TryGet(inode, out InodeRecord record));
        int count = Content.Read(inode, record, offset, buffer);
        return buffer[..count];
    }

    public long? Seek(InodeNumber inode, long offset, bool hole)
    {
        using ReadScope scope = Volume.EnterRead();
        Assert.True(Inodes.TryGet(inode, out InodeRecord record));
        Errno error = Content.Seek(inode, record, offset, hole, out long result);
        Assert.True(error is Errno.OK or Errno.ENXIO);
        return error == Errno.OK ? result : null;
    }

    /// <summary>The file's extents as they lie in the tree; checks order and that neighbours are joined.</summary>
    public List<FileExtent> Extents(InodeNumber inode)
    {
        var extents = new List<FileExtent>();
        for (int i = 0; i < Tree.Keys.Count; i++)
        {
            CatalogKey key = Tree.Keys[i];
            if (key.Inode == inode.Value && key.Kind == ItemKind.Extent)
            {
                ExtentItem item = ExtentItem.Read(Tree.ValueAt(i), Volume.TotalBlocks);
                var extent = new FileExtent((long)key.Offset, item.Start, item.Length, item.Unwritten);
                if (extents.Count > 0)
                {
                    Assert.True(extents[^1].End <= extent.FileBlock, "extents overlap");
                    Assert.False(extents[^1].Joins(extent), "neighbours are not joined");
                }

                extents.Add(extent);
            }
        }

        return extents;
    }

    /// <summary>Every block belongs to one extent of one file, or is free; block counts are right.</summary>
    public void CheckBlocks(params InodeNumber[] files)
    {
        var owned = new HashSet<long> { 0 };
        foreach (InodeNumber file in files)
        {
            long blocks = 0;
            foreach (FileExtent extent in Extents(file))
            {
                blocks += extent.Length;
                for (int i = 0; i < extent.Length; i++)
                {
                    long block = extent.Start.Value + i;
                    Assert.True(owned.Add(block), $"block {block} belongs to two extents");
                    Assert.True(Volume.IsAllocated(block), $"block {block} is free");
                    Assert.Equal(extent.Unwritten, extent.Unwritten || Volume.PurposeOf(block) != BlockPurpose.Data);
                }
            }

            Assert.Equal(blocks, Record(file).Blocks);
        }

        Assert.Equal(Volume.TotalBlocks - owned.Count, Volume.FreeBlocks);
    }

    public void Dispose() => Volume.Dispose();
}
