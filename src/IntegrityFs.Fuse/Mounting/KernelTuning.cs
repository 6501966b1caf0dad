using System.Globalization;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Fuse.Mounting;

/// <summary>Settings of the mount in /sys that only root may change. All of them best effort.</summary>
internal static class KernelTuning
{
    /// <summary>Readahead in KiB. With the kernel's default of 128 it would never ask for 1 MiB at a time; with four times as
    /// much as a request holds, disk and processors work at the same time for a sequential reader (measured, 2 cores: 1 MiB
    /// 770 MiB/s, 2 MiB 920, 3 MiB 1,070, 4 MiB 1,120). Each fault of a mapping that is not in order reads as much, until the
    /// kernel has seen a hundred of them: 3 ms with 2 MiB, 5 with 4, 9 with 8.</summary>
    private const int Readahead = 4096;

    /// <summary>Raises readahead, and with writeback the share of dirty pages, of which FUSE gets 1 % by default.</summary>
    public static void Apply(DeviceNumber device, bool blockDevice, bool writeback, ILogger logger)
    {
        string suffix = blockDevice ? "-fuseblk" : string.Empty;
        string directory = string.Create(
            CultureInfo.InvariantCulture, $"/sys/class/bdi/{device.Major}:{device.Minor}{suffix}/");
        TryWrite(directory + "read_ahead_kb", Readahead.ToString(CultureInfo.InvariantCulture), logger);
        if (writeback)
        {
            TryWrite(directory + "strict_limit", "0", logger);
            TryWrite(directory + "max_ratio", "100", logger);
        }
    }

    /// <summary>Aborts the connection: every waiting and later request fails at once.</summary>
    public static bool TryAbort(DeviceNumber device, ILogger logger) => TryWrite(
        string.Create(CultureInfo.InvariantCulture, $"/sys/fs/fuse/connections/{device.Packed}/abort"), "1", logger);

    private static bool TryWrite(string path, string value, ILogger logger)
    {
        try
        {
            File.WriteAllText(path, value);
            return true;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Log.TuningFailed(logger, path, failure.Message);
            return false;
        }
    }
}
