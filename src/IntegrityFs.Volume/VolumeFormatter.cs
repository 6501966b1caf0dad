// Promise: makes an empty volume in a handful of writes, whatever its size: the state block, the tag tree's path to it,
// and the two superblocks last. A crash in the middle leaves no valid superblock: no volume, never half of one.
// Order: old superblocks zeroed → flush → state block and tree → flush → superblock A → flush → superblock B → flush.
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Volume;

/// <summary>Makes volumes.</summary>
public static class VolumeFormatter
{
    private const long DefaultJournal = 64L << 20;

    /// <summary>Bytes of the smallest volume for a block size.</summary>
    public static long SmallestVolume(int blockSize) => (1L << 20) * (blockSize / VolumeGeometry.MinBlockSize);

    /// <summary>Journal blocks for a volume where the user does not say.</summary>
    public static long DefaultJournalBlocks(long deviceLength, int blockSize) =>
        Math.Clamp(deviceLength / 16, (long)VolumeGeometry.MinJournalBlocks * blockSize, DefaultJournal) / blockSize;

    /// <summary>Makes an empty volume on the device; everything on it is lost. The key slots are the caller's to write.</summary>
    /// <exception cref="CorruptFormatException">The parameters are impossible; nothing was written.</exception>
    public static void Format(IDevice device, ReadOnlySpan<byte> masterKey, VolumeFormatOptions options)
    {
        if (!Superblock.IsValidLabel(options.Label))
        {
            throw new CorruptFormatException($"the label is longer than {SuperblockLayout.LabelSize} bytes or holds control characters");
        }

        long length = device.Length / VolumeGeometry.MinBlockSize * VolumeGeometry.MinBlockSize;
        long journal = options.JournalBytes == 0
            ? DefaultJournalBlocks(length, Math.Max(options.BlockSize, VolumeGeometry.MinBlockSize))
            : options.JournalBytes / Math.Max(options.BlockSize, 1);
        VolumeGeometry geometry = VolumeGeometry.Create(options.BlockSize, length, journal);
        using var keys = new SubKeys(masterKey, options.Uuid);
        using var authenticators = new AuthenticatorPool(keys);
        using var superblocks = new SuperblockStore(device, authenticators);
        ZeroSuperblocks(device);
        const ulong First = 1;
        using var tree = new TagTree(device, geometry, authenticators, TagEntry.Absent, 0);
        TagEntry root = tree.Apply(
            [
                (VolumeStateBlock.BlockNumber, WriteState(device, geometry, authenticators, VolumeStateBlock.BlockNumber, First)),
                (VolumeStateBlock.MirrorNumber, WriteState(device, geometry, authenticators, VolumeStateBlock.MirrorNumber, First)),
            ],
            First);
        device.Flush();
        var superblock = new Superblock
        {
            Uuid = options.Uuid,
            Label = options.Label,
            BlockSize = geometry.BlockSize,
            DeviceLength = length,
            JournalBlocks = geometry.JournalBlocks,
            State = VolumeState.Clean,
            Generation = First,
            NextSequence = First + 1,
            Root = root,
            Created = options.Created.ToUnixTimeSeconds(),
            Written = options.Created.ToUnixTimeSeconds(),
        };
        for (int copy = 0; copy < VolumeGeometry.HeaderCopies; copy++)
        {
            superblocks.WriteCopy(copy, superblock);
            device.Flush();
        }
    }

    private static void ZeroSuperblocks(IDevice device)
    {
        using var zero = new AlignedMemory(SuperblockLayout.Size);
        for (int copy = 0; copy < VolumeGeometry.HeaderCopies; copy++)
        {
            device.Write(VolumeGeometry.SuperblockOffset(copy), zero.Span);
        }

        device.Flush();
    }

    private static TagEntry WriteState(IDevice device, VolumeGeometry geometry, AuthenticatorPool authenticators, long number, ulong version)
    {
        using var buffer = new AlignedMemory(geometry.BlockSize);
        var allocator = new Allocator(geometry.BlockSize, geometry.TotalBlocks);
        new VolumeStateBlock(geometry.TotalBlocks - allocator.ReservedBlocks, 0).Write(buffer.Span);
        device.Write(geometry.BlockOffset(number), buffer.Span);
        Tag tag = authenticators.Current.TagOfBlock(BlockPurpose.State, number, version, buffer.Span);
        return new TagEntry(version, (byte)BlockPurpose.State, tag);
    }
}
