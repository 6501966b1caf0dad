// Promise: looks at the superblock pair before the volume is opened (opening a writable volume makes both equal). Reads only.
using System.Security.Cryptography;
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Volume;

/// <summary>Which of the two superblocks are authentic. A volume opens with one; a checker wants to know of both.</summary>
public static class SuperblockCheck
{
    /// <summary>The copies (0, 1) whose MAC is wrong, or that cannot be read.</summary>
    public static List<int> FindBad(IDevice device, ReadOnlySpan<byte> masterKey, Guid volume)
    {
        using var keys = new SubKeys(masterKey, volume);
        using var authenticator = new Authenticator(keys);
        using var buffer = new AlignedMemory(SuperblockLayout.Size);
        byte[] mac = new byte[SuperblockLayout.MacSize];
        var bad = new List<int>();
        for (int copy = 0; copy < VolumeGeometry.HeaderCopies; copy++)
        {
            try
            {
                device.Read(VolumeGeometry.SuperblockOffset(copy), buffer.Span);
            }
            catch (DeviceException)
            {
                bad.Add(copy);
                continue;
            }

            authenticator.MacOfSuperblock(buffer.Span, mac);
            if (!CryptographicOperations.FixedTimeEquals(mac, buffer.Span.Slice(SuperblockLayout.MacOffset, SuperblockLayout.MacSize)))
            {
                bad.Add(copy);
            }
        }

        return bad;
    }
}
