namespace IntegrityFs.Format;

/// <summary>The part of the device that a block or structure lies in, for messages and counters.</summary>
public enum Zone
{
    /// <summary>The two superblocks.</summary>
    Superblock,

    /// <summary>The two key slot tables.</summary>
    KeySlots,

    /// <summary>The journal.</summary>
    Journal,

    /// <summary>The tag tree.</summary>
    TagTree,

    /// <summary>Blocks of the volume's state and allocation bitmaps.</summary>
    Allocation,

    /// <summary>Nodes of the catalog.</summary>
    Catalog,

    /// <summary>File content.</summary>
    Data,
}

/// <summary>Something read from the device is not what the key holder's file system wrote there.</summary>
/// <param name="zone">Where.</param>
/// <param name="block">The protected block, or the index within the zone.</param>
/// <param name="message">One line: what failed; never keys or content.</param>
public sealed class IntegrityException(Zone zone, long block, string message) : IOException(message)
{
    /// <summary>Where.</summary>
    public Zone Zone { get; } = zone;

    /// <summary>The protected block, or the index within the zone.</summary>
    public long Block { get; } = block;
}
