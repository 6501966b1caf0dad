// Promise: every byte offset on the device is computed here, from four numbers of the superblock, and nowhere else.
// Order on the device: header A, header B, journal, the second copy of leaf 0's two slots, then for each leaf of the tag
// tree: the interior nodes that begin with it (4 blocks each: two slots, each twice), the leaf's two slots, the blocks that
// the leaf covers. Leaf 0 stands twice because it covers the volume's state, on which everything hangs.
// The volume grows by adding leaves at the end; nothing before it moves.
namespace IntegrityFs.Format;

/// <summary>Address of a node of the tag tree. Level 0 is a leaf; index counts nodes of the level from the left.</summary>
public readonly record struct TagNode(int Level, long Index)
{
    /// <summary>Level and index in one number: identity of the node in caches and in its own tag.</summary>
    public long Key => ((long)Level << 56) | Index;
}

/// <summary>Where everything lies on the device.</summary>
public sealed class VolumeGeometry
{
    /// <summary>Bytes of one header copy: superblock and key slots.</summary>
    public const int HeaderSize = 65536;

    /// <summary>Header copies.</summary>
    public const int HeaderCopies = 2;

    /// <summary>Smallest block size.</summary>
    public const int MinBlockSize = 4096;

    /// <summary>Largest block size.</summary>
    public const int MaxBlockSize = 65536;

    /// <summary>Fewest journal blocks.</summary>
    public const int MinJournalBlocks = 96;

    /// <summary>Most journal blocks.</summary>
    public const int MaxJournalBlocks = 1 << 22;

    /// <summary>Fewest protected blocks that make a volume.</summary>
    public const int MinBlocks = 16;

    private const int MaxAddressBits = 42;
    private readonly int _fanoutBits;
    private readonly int _maxLevels;

    private VolumeGeometry(int blockSize, long deviceLength, int journalBlocks)
    {
        BlockSize = blockSize;
        DeviceLength = deviceLength;
        JournalBlocks = journalBlocks;
        _fanoutBits = int.Log2(blockSize / TagEntryLayout.Size);
        _maxLevels = (MaxAddressBits + _fanoutBits - 1) / _fanoutBits - 1;
        TotalBlocks = CountBlocks();
        Levels = 1;
        while (TotalBlocks > 1L << (_fanoutBits * (Levels + 1)))
        {
            Levels++;
        }
    }

    /// <summary>Bytes in a block.</summary>
    public int BlockSize { get; }

    /// <summary>Bytes of the device that the volume uses.</summary>
    public long DeviceLength { get; }

    /// <summary>Blocks of the journal.</summary>
    public int JournalBlocks { get; }

    /// <summary>Protected blocks.</summary>
    public long TotalBlocks { get; }

    /// <summary>Interior levels of the tag tree in use: the root is node (Levels, 0).</summary>
    public int Levels { get; }

    /// <summary>Entries in a tree node, blocks under a leaf.</summary>
    public int Fanout => 1 << _fanoutBits;

    /// <summary>The root of the tag tree.</summary>
    public TagNode Root => new(Levels, 0);

    /// <summary>Byte offset of the journal.</summary>
    public static long JournalOffset => HeaderSize * HeaderCopies;

    /// <summary>Byte offset behind the journal.</summary>
    public long JournalEnd => JournalOffset + ((long)JournalBlocks * BlockSize);

    /// <summary>Builds the geometry; <see cref="CorruptFormatException"/> where the numbers are impossible.</summary>
    public static VolumeGeometry Create(int blockSize, long deviceLength, long journalBlocks)
    {
        if (blockSize < MinBlockSize || blockSize > MaxBlockSize || !int.IsPow2(blockSize))
        {
            throw new CorruptFormatException($"block size {blockSize} is not a power of two from {MinBlockSize} to {MaxBlockSize}");
        }

        if (journalBlocks < MinJournalBlocks || journalBlocks > MaxJournalBlocks)
        {
            throw new CorruptFormatException($"journal of {journalBlocks} blocks is not within {MinJournalBlocks} to {MaxJournalBlocks}");
        }

        if (deviceLength < 0 || deviceLength > 1L << (MaxAddressBits + 11))
        {
            throw new CorruptFormatException($"device length {deviceLength} is out of range");
        }

        var geometry = new VolumeGeometry(blockSize, deviceLength, (int)journalBlocks);
        if (geometry.TotalBlocks < MinBlocks)
        {
            throw new CorruptFormatException($"{deviceLength} bytes are too small for a journal of {journalBlocks} blocks of {blockSize} bytes");
        }

        return geometry;
    }

    /// <summary>Byte offset of a superblock copy (0 or 1).</summary>
    public static long SuperblockOffset(int copy) => (long)copy * HeaderSize;

    /// <summary>Byte offset of a journal block; the position counts on for ever and wraps here.</summary>
    public long JournalBlockOffset(ulong position) => JournalOffset + ((long)(position % (ulong)JournalBlocks) * BlockSize);

    /// <summary>Byte offset of a protected block.</summary>
    public long BlockOffset(long block) => GroupOffset(block >> _fanoutBits) + ((2 + (block & (Fanout - 1))) * BlockSize);

    /// <summary>How many protected blocks, from <paramref name="block"/> on, lie one behind the other on the device.</summary>
    public long ContiguousFrom(long block) => Fanout - (block & (Fanout - 1));

    /// <summary>The leaf that covers a block.</summary>
    public TagNode LeafOf(long block) => new(0, block >> _fanoutBits);

    /// <summary>Index of a block's entry within its leaf.</summary>
    public int IndexInLeaf(long block) => (int)(block & (Fanout - 1));

    /// <summary>A node's parent.</summary>
    public TagNode ParentOf(TagNode node) => new(node.Level + 1, node.Index >> _fanoutBits);

    /// <summary>Index of a node's entry within its parent.</summary>
    public int IndexInParent(TagNode node) => (int)(node.Index & (Fanout - 1));

    /// <summary>The first leaf below a node.</summary>
    public long FirstLeafOf(TagNode node) => node.Index << (_fanoutBits * node.Level);

    /// <summary>Copies of a node: what the whole volume hangs on, interior nodes and leaf 0, has two, other leaves one.</summary>
    public static int CopiesOf(TagNode node) => node.Level == 0 && node.Index != 0 ? 1 : 2;

    /// <summary>Byte offset of a node: slot 0 or 1, copy 0 or 1 (see <see cref="CopiesOf"/>).</summary>
    public long NodeOffset(TagNode node, int slot, int copy)
    {
        long leaf = FirstLeafOf(node);
        long group = GroupOffset(leaf);
        if (node.Level == 0)
        {
            return (copy == 0 ? group : JournalEnd) + ((long)slot * BlockSize);
        }

        int levelsHere = 0;
        while (levelsHere < _maxLevels && (leaf & ((1L << (_fanoutBits * (levelsHere + 1))) - 1)) == 0)
        {
            levelsHere++;
        }

        long area = group - (4L * BlockSize * levelsHere);
        return area + (((4L * (node.Level - 1)) + (2 * copy) + slot) * BlockSize);
    }

    private long GroupOffset(long leaf)
    {
        long blocks = 2 + (leaf * (Fanout + 2));
        for (int level = 1; level <= _maxLevels; level++)
        {
            blocks += 4 * ((leaf >> (_fanoutBits * level)) + 1);
        }

        return JournalEnd + (blocks * BlockSize);
    }

    private long CountBlocks()
    {
        long low = 0;
        long high = Math.Min(DeviceLength / BlockSize, 1L << MaxAddressBits);
        while (low < high)
        {
            long middle = low + ((high - low + 1) / 2);
            if (BlockOffset(middle - 1) + BlockSize <= DeviceLength)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return low;
    }
}
