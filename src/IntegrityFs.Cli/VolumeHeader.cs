using System.Buffers.Binary;
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Cli;

/// <summary>What a device says of itself to somebody without the key. Nothing of it is authenticated.</summary>
internal sealed record VolumeHeader(Superblock Superblock, int GoodCopies)
{
    /// <summary>Looks without a lock, so also at a volume that is mounted.</summary>
    public static VolumeHeader ReadFrom(string path)
    {
        using FileDevice device = FileDevice.Open(path, new FileDeviceOptions { ReadOnly = true, Direct = false, Unlocked = true });
        return Read(device) ?? throw NotAVolume(path);
    }

    /// <summary>Whether one of the two places holds the beginning of a volume, readable or not.</summary>
    public static bool HasMagic(IDevice device)
    {
        Span<byte> buffer = new byte[SuperblockLayout.Size];
        for (int copy = 0; copy < VolumeGeometry.HeaderCopies; copy++)
        {
            if (TryReadCopy(device, copy, buffer) && Superblock.HasMagic(buffer))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The newer readable copy; null where neither begins like a volume. Refuses a format that is not known,
    /// and a volume whose copies are both unreadable.</summary>
    public static VolumeHeader? Read(IDevice device)
    {
        byte[] buffer = new byte[SuperblockLayout.Size];
        Superblock? best = null;
        CommandFailure? problem = null;
        int good = 0;
        for (int copy = 0; copy < VolumeGeometry.HeaderCopies; copy++)
        {
            if (!TryReadCopy(device, copy, buffer) || !Superblock.HasMagic(buffer))
            {
                continue;
            }

            try
            {
                var superblock = Superblock.Read(buffer);
                good++;
                best = best is null || superblock.Generation > best.Generation ? superblock : best;
            }
            catch (CorruptFormatException e)
            {
                Cause cause = IsOfUnknownFormat(buffer) ? Cause.Unsupported : Cause.Integrity;
                problem = new CommandFailure(cause, $"{device.Name}: superblock {copy}: {e.Message}", e);
            }
        }

        return best is not null ? new VolumeHeader(best, good)
            : problem is not null ? throw problem
            : null;
    }

    public static CommandFailure NotAVolume(string path) => new(Cause.NotAVolume, $"{path}: not an IntegrityFs volume");

    private static bool TryReadCopy(IDevice device, int copy, Span<byte> buffer)
    {
        long offset = VolumeGeometry.SuperblockOffset(copy);
        if (offset + SuperblockLayout.Size > device.Length)
        {
            return false;
        }

        using var memory = new AlignedMemory(SuperblockLayout.Size);
        device.Read(offset, memory.Span);
        memory.Span.CopyTo(buffer);
        return true;
    }

    private static bool IsOfUnknownFormat(ReadOnlySpan<byte> superblock) =>
        BinaryPrimitives.ReadInt32LittleEndian(superblock[SuperblockLayout.VersionOffset..]) != Superblock.CurrentVersion
        || BinaryPrimitives.ReadInt32LittleEndian(superblock[SuperblockLayout.IncompatibleOffset..]) != 0
        || BinaryPrimitives.ReadInt32LittleEndian(superblock[SuperblockLayout.ReadOnlyCompatibleOffset..]) != 0;
}
