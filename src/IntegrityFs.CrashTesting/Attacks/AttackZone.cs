using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;
using IntegrityFs.Volume;

namespace IntegrityFs.CrashTesting;

/// <summary>What a page of a used volume holds.</summary>
public enum AttackZone
{
    /// <summary>A superblock copy.</summary>
    Superblock,

    /// <summary>A copy of the key slots.</summary>
    KeySlots,

    /// <summary>Journal that recovery has to read.</summary>
    JournalInUse,

    /// <summary>Journal that is done with.</summary>
    JournalSpent,

    /// <summary>The live slot of a tag tree node.</summary>
    TagLive,

    /// <summary>The other slot.</summary>
    TagSpare,

    /// <summary>The volume's state block.</summary>
    State,

    /// <summary>An allocation bitmap.</summary>
    Bitmap,

    /// <summary>A node of the catalog.</summary>
    Catalog,

    /// <summary>File content.</summary>
    Data,

    /// <summary>Nothing that is in use.</summary>
    Free,
}

/// <summary>Tells the zone of each page of an image, from a closed volume and its key.</summary>
internal sealed class ZoneMap
{
    private readonly AttackZone[] _zones;

    private ZoneMap(AttackZone[] zones) => _zones = zones;

    public AttackZone this[int page] => _zones[page];

    /// <summary>Pages of a zone, in order.</summary>
    public IReadOnlyList<int> Pages(AttackZone zone) =>
        [.. Enumerable.Range(0, _zones.Length).Where(page => _zones[page] == zone)];

    /// <summary>Looks at a volume of 4096-byte blocks that was closed in order.</summary>
    public static ZoneMap Of(PageImage closed, ReadOnlySpan<byte> key, VolumeGeometry geometry, Guid uuid)
    {
        var zones = new AttackZone[closed.PageCount];
        Array.Fill(zones, AttackZone.Free);
        Array.Fill(zones, AttackZone.KeySlots, 0, (int)(VolumeGeometry.JournalOffset / PageImage.PageSize));
        for (int copy = 0; copy < VolumeGeometry.HeaderCopies; copy++)
        {
            zones[VolumeGeometry.SuperblockOffset(copy) / PageImage.PageSize] = AttackZone.Superblock;
        }

        Array.Fill(zones, AttackZone.JournalSpent, (int)(VolumeGeometry.JournalOffset / PageImage.PageSize), geometry.JournalBlocks);
        var device = new ImageDevice(new PageImage(closed), readOnly: true);
        using var keys = new SubKeys(key, uuid);
        using var authenticators = new AuthenticatorPool(keys);
        using var superblocks = new SuperblockStore(device, authenticators);
        Superblock superblock = superblocks.ReadNewest(uuid, out _);
        MarkNodes(zones, device, geometry, superblock.Root);
        using var tree = new TagTree(device, geometry, authenticators, superblock.Root, 64);
        using ProtectedVolume volume = ProtectedVolume.Open(device, key, new VolumeOptions { ReadOnly = true, CacheBytes = 1 << 20 });
        for (long block = 0; block < geometry.TotalBlocks; block++)
        {
            using ReadScope scope = volume.EnterRead();
            TagEntry entry = tree.Find(block);
            if (!entry.IsAbsent && volume.IsAllocated(new BlockNumber(block)))
            {
                zones[geometry.BlockOffset(block) / PageImage.PageSize] = (BlockPurpose)entry.Kind switch
                {
                    BlockPurpose.State => AttackZone.State,
                    BlockPurpose.Bitmap => AttackZone.Bitmap,
                    BlockPurpose.CatalogNode => AttackZone.Catalog,
                    _ => AttackZone.Data,
                };
            }
        }

        return new ZoneMap(zones);
    }

    /// <summary>The same pages, with the given ones of the journal in use.</summary>
    public ZoneMap WithJournal(IEnumerable<int> pages)
    {
        var zones = (AttackZone[])_zones.Clone();
        foreach (int page in pages)
        {
            zones[page] = AttackZone.JournalInUse;
        }

        return new ZoneMap(zones);
    }

    private static void MarkNodes(AttackZone[] zones, ImageDevice device, VolumeGeometry geometry, TagEntry root)
    {
        if (geometry.Levels != 1)
        {
            throw new InvalidOperationException("the zone map knows volumes whose tag tree has one interior node");
        }

        Mark(geometry.Root, root);
        byte[] content = new byte[geometry.BlockSize];
        device.Read(geometry.NodeOffset(geometry.Root, root.Kind, 0), content);
        for (long leaf = 0; leaf <= geometry.LeafOf(geometry.TotalBlocks - 1).Index; leaf++)
        {
            Mark(new TagNode(0, leaf), TagEntry.Read(content.AsSpan((int)leaf * TagEntryLayout.Size)));
        }

        void Mark(TagNode node, TagEntry entry)
        {
            for (int slot = 0; slot < 2; slot++)
            {
                for (int copy = 0; copy < VolumeGeometry.CopiesOf(node); copy++)
                {
                    bool live = !entry.IsAbsent && entry.Kind == slot;
                    zones[geometry.NodeOffset(node, slot, copy) / PageImage.PageSize] = live ? AttackZone.TagLive : AttackZone.TagSpare;
                }
            }
        }
    }
}
