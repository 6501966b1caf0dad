using System.Runtime.InteropServices;

namespace IntegrityFs.Cli.Native;

/// <summary>What libblkid finds on a device that mkfs is about to take: the same library that mount(8) and udev
/// believe.</summary>
internal static unsafe partial class BlkId
{
    private const string Library = "libblkid.so.1";
    private const int SuperblockType = 1 << 5;
    private const int PartitionMagic = 1 << 3;
    private const int SuperblockMagic = 1 << 9;

    /// <summary>The name of a file system or partition table; null where there is none or the library is missing.</summary>
    public static string? Find(string path)
    {
        try
        {
            nint probe = NewProbe(path);
            if (probe == 0)
            {
                return null;
            }

            try
            {
                Enable(probe);
                return DoSafeProbe(probe) switch
                {
                    0 => Value(probe, "TYPE") ?? Value(probe, "PTTYPE"),
                    -2 => "several file systems",
                    _ => null,
                };
            }
            finally
            {
                FreeProbe(probe);
            }
        }
        catch (DllNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Erases the signatures that the library knows, so that none shows through beside ours.</summary>
    public static void Wipe(string path)
    {
        using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        try
        {
            nint probe = NewEmptyProbe();
            if (probe == 0)
            {
                return;
            }

            try
            {
                if (SetDevice(probe, (int)handle.DangerousGetHandle(), 0, 0) == 0)
                {
                    Enable(probe);
                    while (DoProbe(probe) == 0 && DoWipe(probe, 0) == 0)
                    {
                    }
                }
            }
            finally
            {
                FreeProbe(probe);
            }
        }
        catch (DllNotFoundException)
        {
            // Nobody on this system looks for signatures either.
        }
    }

    private static void Enable(nint probe)
    {
        _ = EnableSuperblocks(probe, 1);
        _ = SetSuperblocksFlags(probe, SuperblockType | SuperblockMagic);
        _ = EnablePartitions(probe, 1);
        _ = SetPartitionsFlags(probe, PartitionMagic);
    }

    private static string? Value(nint probe, string name)
    {
        nint text;
        return LookUp(probe, name, &text, null) == 0 ? Marshal.PtrToStringUTF8(text) : null;
    }

    [LibraryImport(Library, EntryPoint = "blkid_new_probe_from_filename", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint NewProbe(string path);

    [LibraryImport(Library, EntryPoint = "blkid_new_probe")]
    private static partial nint NewEmptyProbe();

    [LibraryImport(Library, EntryPoint = "blkid_probe_set_device")]
    private static partial int SetDevice(nint probe, int descriptor, long offset, long size);

    [LibraryImport(Library, EntryPoint = "blkid_free_probe")]
    private static partial void FreeProbe(nint probe);

    [LibraryImport(Library, EntryPoint = "blkid_probe_enable_superblocks")]
    private static partial int EnableSuperblocks(nint probe, int enable);

    [LibraryImport(Library, EntryPoint = "blkid_probe_set_superblocks_flags")]
    private static partial int SetSuperblocksFlags(nint probe, int flags);

    [LibraryImport(Library, EntryPoint = "blkid_probe_enable_partitions")]
    private static partial int EnablePartitions(nint probe, int enable);

    [LibraryImport(Library, EntryPoint = "blkid_probe_set_partitions_flags")]
    private static partial int SetPartitionsFlags(nint probe, int flags);

    [LibraryImport(Library, EntryPoint = "blkid_do_safeprobe")]
    private static partial int DoSafeProbe(nint probe);

    [LibraryImport(Library, EntryPoint = "blkid_do_probe")]
    private static partial int DoProbe(nint probe);

    [LibraryImport(Library, EntryPoint = "blkid_do_wipe")]
    private static partial int DoWipe(nint probe, int dryRun);

    [LibraryImport(Library, EntryPoint = "blkid_probe_lookup_value", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int LookUp(nint probe, string name, nint* data, nuint* length);
}
