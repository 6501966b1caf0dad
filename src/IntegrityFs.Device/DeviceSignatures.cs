// What mkfs asks before it destroys: does anything known live here? libblkid knows far more formats than we could. It is
// loaded when asked for and never needed: without it the answer is "not checked", which is not "nothing found".
using System.Globalization;
using System.Runtime.InteropServices;
using IntegrityFs.Format;
using Microsoft.Win32.SafeHandles;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Device;

/// <summary>One thing found on a device.</summary>
/// <param name="Type">What libblkid calls it: ext4, crypto_LUKS, LVM2_member, gpt, dos ...</param>
/// <param name="Usage">filesystem, raid, crypto, other, or "partition table".</param>
/// <param name="Label">Its label, or "".</param>
/// <param name="Uuid">Its UUID as text, or "".</param>
/// <param name="MagicOffset">Byte at which its magic stands, or −1 where libblkid does not say.</param>
public sealed record DeviceSignature(string Type, string Usage, string Label, string Uuid, long MagicOffset);

/// <summary>The outcome of looking for signatures.</summary>
/// <param name="Checked">False where nobody could look; then nothing is known.</param>
/// <param name="Reason">Why it was not checked, or "".</param>
/// <param name="Found">What was found.</param>
public sealed record SignatureReport(bool Checked, string Reason, IReadOnlyList<DeviceSignature> Found);

/// <summary>Finds and removes the signatures of other formats.</summary>
public static class DeviceSignatures
{
    private const int WipedAtEachEnd = 128 * 1024;
    private const int WipedAtMagic = 4096;
    private const int MostSignatures = 64;

    // BLKID_SUBLKS_ LABEL, UUID, TYPE, USAGE, MAGIC, BADCSUM; BLKID_PARTS_MAGIC.
    private const int SuperblockFlags = 1 << 1 | 1 << 3 | 1 << 5 | 1 << 7 | 1 << 9 | 1 << 10;
    private const int PartitionFlags = 1 << 3;

    /// <summary>Looks for file systems, volume members, encryption and partition tables on an image or device.</summary>
    /// <exception cref="DeviceException">It cannot be opened for reading.</exception>
    public static SignatureReport Probe(string path)
    {
        SafeFileHandle? handle = Native.TryOpen(path, O_RDONLY, 0, out Errno error);
        if (handle is null)
        {
            throw OpenedFile.Failure(error, path, Native.Describe(error));
        }

        using (handle)
        {
            try
            {
                return Probe(handle);
            }
            catch (DllNotFoundException)
            {
                return NotChecked("libblkid.so.1 is not installed");
            }
            catch (EntryPointNotFoundException)
            {
                return NotChecked("libblkid.so.1 lacks a needed function");
            }
        }
    }

    /// <summary>Zeroes 128 KiB at each end of the device and the block around each magic of
    /// <paramref name="report"/>, and flushes.</summary>
    public static void Wipe(IDevice device, SignatureReport? report = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        using var zeros = new AlignedMemory(WipedAtEachEnd);
        long end = Math.Min(device.Length, WipedAtEachEnd);
        Zero(device, zeros, 0, end);
        Zero(device, zeros, Math.Max(end, device.Length - WipedAtEachEnd), device.Length);
        foreach (DeviceSignature signature in report?.Found ?? [])
        {
            if (signature.MagicOffset >= 0 && signature.MagicOffset < device.Length)
            {
                long start = signature.MagicOffset & -(long)WipedAtMagic;
                Zero(device, zeros, start, Math.Min(start + 2 * WipedAtMagic, device.Length));
            }
        }

        device.Flush();
    }

    private static void Zero(IDevice device, AlignedMemory zeros, long from, long to)
    {
        if (to > from)
        {
            device.Write(from, zeros.Span[..(int)(to - from)]);
        }
    }

    private static SignatureReport Probe(SafeFileHandle handle)
    {
        nint probe = Native.BlkidNewProbe();
        if (probe == 0)
        {
            return NotChecked("libblkid has no memory");
        }

        try
        {
            using var held = new HeldDescriptor(handle);
            if (Native.BlkidSetDevice(probe, held.Number, 0, 0) != 0
                || Native.BlkidEnableSuperblocks(probe, 1) != 0
                || Native.BlkidSetSuperblocksFlags(probe, SuperblockFlags) != 0
                || Native.BlkidEnablePartitions(probe, 1) != 0
                || Native.BlkidSetPartitionsFlags(probe, PartitionFlags) != 0)
            {
                return NotChecked("libblkid cannot read the device");
            }

            var found = new List<DeviceSignature>();
            int result;
            while ((result = Native.BlkidDoProbe(probe)) == 0 && found.Count < MostSignatures)
            {
                found.Add(Describe(probe));
            }

            return result < 0 && found.Count == 0
                ? NotChecked("libblkid failed")
                : new SignatureReport(true, "", found);
        }
        finally
        {
            Native.BlkidFreeProbe(probe);
        }
    }

    private static DeviceSignature Describe(nint probe)
    {
        string table = Value(probe, "PTTYPE");
        return table.Length > 0
            ? new DeviceSignature(table, "partition table", "", Value(probe, "PTUUID"), Offset(probe, "PTMAGIC_OFFSET"))
            : new DeviceSignature(
                Value(probe, "TYPE"), Value(probe, "USAGE"), Value(probe, "LABEL"), Value(probe, "UUID"),
                Offset(probe, "SBMAGIC_OFFSET"));
    }

    private static string Value(nint probe, string name) =>
        Native.BlkidLookupValue(probe, name, out nint data, out _) == 0
            ? Marshal.PtrToStringUTF8(data) ?? ""
            : "";

    private static long Offset(nint probe, string name) =>
        long.TryParse(Value(probe, name), NumberStyles.None, CultureInfo.InvariantCulture, out long offset)
            ? offset
            : -1;

    private static SignatureReport NotChecked(string reason) => new(false, reason, []);
}
