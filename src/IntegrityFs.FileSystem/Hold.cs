// Promise: all that is remembered of one inode fits 8 bytes, because the kernel may know millions of them. A count that has
// reached its highest value stays there: such an inode is held until the mount ends, and never freed too early.
namespace IntegrityFs.FileSystem;

/// <summary>Who holds one inode, and whether it has a name.</summary>
internal struct Hold
{
    /// <summary>Highest number of lookups that is told apart.</summary>
    public const uint MostLookups = uint.MaxValue;

    /// <summary>Highest number of handles that is told apart.</summary>
    public const uint MostHandles = LinkableBit - 1;

    private const uint LinkableBit = 1u << 29;
    private const uint OrphanBit = 1u << 30;
    private const uint DoomedBit = 1u << 31;

    private uint _rest;

    /// <summary>Lookups that were answered and not yet taken back.</summary>
    public uint Lookups { get; set; }

    /// <summary>Open handles.</summary>
    public uint Handles
    {
        readonly get => _rest & MostHandles;
        set => _rest = (_rest & ~MostHandles) | value;
    }

    /// <summary>True where it has no name.</summary>
    public bool Orphan
    {
        readonly get => (_rest & OrphanBit) != 0;
        set => Set(OrphanBit, value);
    }

    /// <summary>True where an orphan may be given a name.</summary>
    public bool Linkable
    {
        readonly get => (_rest & LinkableBit) != 0;
        set => Set(LinkableBit, value);
    }

    /// <summary>True where somebody is about to destroy it.</summary>
    public bool Doomed
    {
        readonly get => (_rest & DoomedBit) != 0;
        set => Set(DoomedBit, value);
    }

    /// <summary>True where the kernel knows it or has it open.</summary>
    public readonly bool IsHeld => Lookups != 0 || Handles != 0;

    /// <summary>One lookup more.</summary>
    public void AddLookup() => Lookups += Lookups == MostLookups ? 0u : 1u;

    /// <summary>Takes lookups back; more than there are, all of them.</summary>
    public void TakeLookups(ulong count) => Lookups = Lookups == MostLookups ? MostLookups : (uint)(Lookups - Math.Min(Lookups, count));

    /// <summary>One handle more.</summary>
    public void AddHandle() => Handles += Handles == MostHandles ? 0u : 1u;

    /// <summary>One handle less; there must be one.</summary>
    public void TakeHandle() => Handles -= Handles == MostHandles ? 0u : 1u;

    private void Set(uint bit, bool value) => _rest = value ? _rest | bit : _rest & ~bit;
}
