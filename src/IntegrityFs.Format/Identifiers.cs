namespace IntegrityFs.Format;

/// <summary>Number of a protected block: 0 .. volume size in blocks − 1. Not a physical position and not a byte
/// offset; only the tag tree's geometry turns it into one.</summary>
public readonly record struct BlockNumber(long Value) : IComparable<BlockNumber>
{
    /// <summary>Largest number that the format can hold: 2^48 − 1.</summary>
    public const long MaxValue = (1L << 48) - 1;

    /// <inheritdoc/>
    public int CompareTo(BlockNumber other) => Value.CompareTo(other.Value);

    /// <summary>The block <paramref name="count"/> further on.</summary>
    public static BlockNumber operator +(BlockNumber block, long count) => new(block.Value + count);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>A run of <paramref name="Count"/> consecutive blocks that starts at <paramref name="First"/>.</summary>
public readonly record struct BlockRun(BlockNumber First, int Count)
{
    /// <summary>The block after the last one.</summary>
    public BlockNumber End => First + Count;

    /// <summary>True where the run holds no block.</summary>
    public bool IsEmpty => Count == 0;
}

/// <summary>Number of an inode. 0 is "none", 1 the root directory. A number is never used twice in a volume's life,
/// so a stale number can never name another file.</summary>
public readonly record struct InodeNumber(ulong Value)
{
    /// <summary>"No inode".</summary>
    public static readonly InodeNumber None;

    /// <summary>The root directory.</summary>
    public static readonly InodeNumber Root = new(1);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>Sequence number of a journal transaction, and thereby the version of every block that it wrote.
/// 0 is "never written". Never repeats: 56 bits are used, and each recovery jumps ahead.</summary>
public readonly record struct TransactionId(ulong Value) : IComparable<TransactionId>
{
    /// <summary>Largest id that the format can hold: 2^56 − 1.</summary>
    public const ulong MaxValue = (1UL << 56) - 1;

    /// <inheritdoc/>
    public int CompareTo(TransactionId other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>What a protected block is for. Bound into its tag: a block of one purpose never passes as another.</summary>
public enum BlockPurpose : byte
{
    /// <summary>Not a block; never valid.</summary>
    None = 0,

    /// <summary>File content.</summary>
    Data = 1,

    /// <summary>Node of the catalog's B+tree.</summary>
    CatalogNode = 2,

    /// <summary>Allocation bitmap of one group.</summary>
    Bitmap = 3,

    /// <summary>The volume's state: counters and the catalog's root.</summary>
    State = 4,

    /// <summary>Node of the tag tree. Its tag lies in its parent, the root's in the superblock.</summary>
    TagNode = 5,
}
