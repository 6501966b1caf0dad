// Promise: the two superblocks are equal whenever nothing is going on, so damage to either costs nothing; the journal
// space and tree slots that the older one needs are not reused before the newer one stands twice (the volume's duty).
using System.Security.Cryptography;
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Volume;

/// <summary>Reads and writes the superblock pair.</summary>
internal sealed class SuperblockStore(IDevice device, AuthenticatorPool authenticators) : IDisposable
{
    private readonly AlignedMemory _buffer = new(SuperblockLayout.Size);
    private readonly byte[] _mac = new byte[SuperblockLayout.MacSize];
    private DeviceException? _failure;

    /// <summary>The newest authentic copy of this volume, and the number of the other one where that is older or bad.</summary>
    public Superblock ReadNewest(Guid uuid, out int? toRepair)
    {
        Superblock? first = ReadCopy(0, uuid, out bool firstMagic);
        Superblock? second = ReadCopy(1, uuid, out bool secondMagic);
        bool secondCounts = first is null || (second is not null && second.Generation > first.Generation);
        Superblock? newest = secondCounts ? second : first;
        toRepair = secondCounts ? 0 : second?.Generation == first!.Generation ? null : 1;
        if (newest is null && _failure is not null)
        {
            throw _failure;
        }

        if (newest is null)
        {
            throw new IntegrityException(Zone.Superblock, 0, firstMagic || secondMagic
                ? "neither superblock is authentic: wrong key, or both copies are damaged"
                : "no superblock found: not an IntegrityFs volume");
        }

        if (newest.DeviceLength > device.Length)
        {
            throw new IntegrityException(Zone.Superblock, 0, $"the device has {device.Length} bytes but the volume was made for {newest.DeviceLength}: the device is truncated");
        }

        return newest;
    }

    /// <summary>Writes one copy; the caller flushes.</summary>
    public void WriteCopy(int copy, Superblock superblock)
    {
        superblock.Write(_buffer.Span);
        authenticators.Current.MacOfSuperblock(_buffer.Span, _buffer.Span.Slice(SuperblockLayout.MacOffset, SuperblockLayout.MacSize));
        device.Write(VolumeGeometry.SuperblockOffset(copy), _buffer.Span);
    }

    /// <summary>True where a copy on the device is the one given, byte for byte.</summary>
    public bool IsEqual(int copy, Superblock superblock)
    {
        using var expected = new AlignedMemory(SuperblockLayout.Size);
        superblock.Write(expected.Span);
        authenticators.Current.MacOfSuperblock(expected.Span, expected.Span.Slice(SuperblockLayout.MacOffset, SuperblockLayout.MacSize));
        try
        {
            device.Read(VolumeGeometry.SuperblockOffset(copy), _buffer.Span);
        }
        catch (DeviceException)
        {
            return false;
        }

        return _buffer.Span.SequenceEqual(expected.Span);
    }

    /// <inheritdoc/>
    public void Dispose() => _buffer.Dispose();

    /// <summary>One copy where it is authentic. What is not, or cannot be read, is asked for once more before it counts as
    /// bad; a device that fails is thrown only where the other copy does not help.</summary>
    private Superblock? ReadCopy(int copy, Guid uuid, out bool magic)
    {
        magic = false;
        if (device.Length < VolumeGeometry.SuperblockOffset(copy) + SuperblockLayout.Size)
        {
            return null;
        }

        for (int attempt = 0; attempt < 2; attempt++)
        {
            try
            {
                device.Read(VolumeGeometry.SuperblockOffset(copy), _buffer.Span);
            }
            catch (DeviceException e)
            {
                _failure = e;
                continue;
            }

            magic |= Superblock.HasMagic(_buffer.Span);
            authenticators.Current.MacOfSuperblock(_buffer.Span, _mac);
            if (CryptographicOperations.FixedTimeEquals(_mac, _buffer.Span.Slice(SuperblockLayout.MacOffset, SuperblockLayout.MacSize)))
            {
                Superblock superblock = Superblock.Read(_buffer.Span);
                return superblock.Uuid == uuid ? superblock : null;
            }
        }

        return null;
    }
}
