// The blocks under the tree's nodes. Promises: an address is inside the volume before it is used; a node kept twice is
// read from its second copy where the first does not verify, and the next change of it, or Heal, writes the first anew
// from the second (which did verify: nothing is ever re-tagged unverified); after a change of a node kept twice, Publish
// makes both copies equal within the same operation.

using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>Reads, changes, allocates and frees nodes.</summary>
internal sealed class NodeStore(IVolume volume)
{
    private readonly Lock _damageLock = new();
    private DamagedNode _damaged;
    private volatile bool _isDamaged;

    /// <summary>True where a first copy did not verify and its second did, since the last <see cref="Heal"/>.</summary>
    public bool IsDamaged => _isDamaged;

    /// <summary>Leases a node.</summary>
    public BlockLease Read(CatalogNodeAddress address)
    {
        try
        {
            return volume.Read(address.Block, BlockPurpose.CatalogNode);
        }
        catch (IntegrityException) when (address.HasMirror)
        {
            BlockLease lease = volume.Read(address.Mirror, BlockPurpose.CatalogNode);
            NoteDamage(address, lease.Span);
            return lease;
        }
    }

    /// <summary>A node, writable. <see cref="Publish"/> must follow the change.</summary>
    public Span<byte> Modify(IVolumeOperation operation, CatalogNodeAddress address)
    {
        try
        {
            return operation.Modify(address.Block, BlockPurpose.CatalogNode);
        }
        catch (IntegrityException) when (address.HasMirror)
        {
            return Restore(operation, address);
        }
    }

    /// <summary>Makes the second copy, where there is one, equal to the first.</summary>
    public void Publish(IVolumeOperation operation, CatalogNodeAddress address, ReadOnlySpan<byte> content)
    {
        if (address.HasMirror)
        {
            content.CopyTo(operation.Create(address.Mirror, BlockPurpose.CatalogNode));
        }
    }

    /// <summary>A new node: near another, its second copy far from it, so that one accident does not take both.</summary>
    public CatalogNodeAddress Allocate(IVolumeOperation operation, BlockNumber near, bool mirrored)
    {
        long total = volume.TotalBlocks;
        BlockNumber block = operation.Allocate(1, new BlockNumber(Math.Min(near.Value + 1, total - 1))).First;
        BlockNumber mirror = mirrored
            ? operation.Allocate(1, new BlockNumber((block.Value + (total / 2)) % total)).First
            : default;
        return new CatalogNodeAddress(block, mirror);
    }

    /// <summary>An allocated node, to be written whole.</summary>
    public static Span<byte> Create(IVolumeOperation operation, CatalogNodeAddress address, int level)
    {
        Span<byte> node = operation.Create(address.Block, BlockPurpose.CatalogNode);
        CatalogNodeCodec.Initialize(node, level);
        return node;
    }

    /// <summary>Gives both blocks of a node back.</summary>
    public static void Free(IVolumeOperation operation, CatalogNodeAddress address)
    {
        operation.Free(new BlockRun(address.Block, 1));
        if (address.HasMirror)
        {
            operation.Free(new BlockRun(address.Mirror, 1));
        }
    }

    /// <summary>Checks an address that was read from a node of level <paramref name="parentLevel"/>.</summary>
    public CatalogNodeAddress Check(CatalogNodeAddress address, int parentLevel)
    {
        long total = volume.TotalBlocks;
        bool valid = address.Block.Value > 0 && address.Block.Value < total
            && address.Mirror.Value < total
            && address.Block != address.Mirror
            && (parentLevel == 1 || address.HasMirror);
        return valid ? address : throw new CorruptFormatException("catalog node: address of a child");
    }

    /// <summary>Writes the noted damaged copy anew from the good one; changes at most one block. Another operation may
    /// have changed or freed the node since: then nothing is done.</summary>
    public void Heal(IVolumeOperation operation, CatalogTree tree)
    {
        DamagedNode damaged;
        lock (_damageLock)
        {
            damaged = _damaged;
            _isDamaged = false;
        }

        if (tree.NodeAt(damaged.Key, damaged.Level) == damaged.Address)
        {
            Modify(operation, damaged.Address);
        }
    }

    private Span<byte> Restore(IVolumeOperation operation, CatalogNodeAddress address)
    {
        using BlockLease good = volume.Read(address.Mirror, BlockPurpose.CatalogNode);
        Span<byte> content = operation.Create(address.Block, BlockPurpose.CatalogNode);
        good.Span.CopyTo(content);
        return content;
    }

    private void NoteDamage(CatalogNodeAddress address, ReadOnlySpan<byte> good)
    {
        if (CatalogNodeView.TryPlace(good, out int level, out CatalogKey key))
        {
            lock (_damageLock)
            {
                _damaged = new DamagedNode(address, level, key);
                _isDamaged = true;
            }
        }
    }

    /// <summary>A node whose first copy is bad, and how to find it again.</summary>
    private readonly record struct DamagedNode(CatalogNodeAddress Address, int Level, CatalogKey Key);
}
