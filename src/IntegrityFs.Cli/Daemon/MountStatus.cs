using System.Globalization;
using IntegrityFs.Cli.Logging;
using IntegrityFs.FileSystem;
using IntegrityFs.Fuse;
using IntegrityFs.Integrity;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli.Daemon;

/// <summary>What waiting without sleeping has served.</summary>
/// <param name="Enabled">Mounted with busy-poll=auto.</param>
/// <param name="Requests">Requests that one thread served while the others were parked.</param>
/// <param name="Reads">Reads of the device that were watched to their end.</param>
/// <param name="QueuedReads">Those of the requests that were small reads, left to the device while the thread served on.</param>
internal readonly record struct BusyPolling(bool Enabled, long Requests, long Reads, long QueuedReads);

/// <summary>What <c>integrityfs status DIR</c> shows, as JSON.</summary>
internal static class MountStatus
{
    public static string Describe(
        MountRequest request, VolumeStatus volume, RecoveryReport recovery, FuseConnection? connection, FaultCounts faults, RecentErrors errors, bool readOnly, IEnumerable<KeyValuePair<string, long>> requests, BusyPolling polling = default) => JsonText.Object(json =>
    {
        json.WriteString("device", request.Source);
        json.WriteString("mountPoint", request.Target);
        json.WriteBoolean("mounted", true);
        json.WriteBoolean("authenticated", true);
        json.WriteString("uuid", volume.Uuid);
        json.WriteString("label", volume.Label);
        json.WriteString("mode", connection?.Type);
        json.WriteBoolean("readOnly", volume.ReadOnly || readOnly);
        json.WriteString("fault", volume.Fault);
        json.WriteString("freshness", "not anchored");
        json.WriteBoolean("syncfsDelivered", connection?.DeliversSync ?? false);
        json.WriteBoolean("umountWaits", connection?.WaitsForClose ?? false);
        json.WriteString("dataMode", volume.DataMode.ToString().ToLowerInvariant());
        json.WriteString("errorPolicy", MountOptionParser.NameOf(request.Options.Errors));
        json.WriteString("verify", request.Options.Verify.ToString().ToLowerInvariant());
        json.WriteNumber("commitSeconds", request.Options.CommitSeconds);
        json.WriteString("hashRateClass", HashRateClass());
        json.WriteString("hashEngine", HashEngines.NameOf(request.Options.Hash, volume.BlockSize));
        json.WriteString("hashEngineReason", HashEngines.RefusalOf(request.Options.Hash, volume.BlockSize));
        json.WriteStartObject("busyPoll");
        json.WriteBoolean("enabled", polling.Enabled);
        json.WriteNumber("requests", polling.Requests);
        json.WriteNumber("reads", polling.Reads);
        json.WriteNumber("queuedReads", polling.QueuedReads);
        json.WriteEndObject();
        json.WriteNumber("blockSize", volume.BlockSize);
        json.WriteNumber("totalBlocks", volume.TotalBlocks);
        json.WriteNumber("freeBlocks", volume.FreeBlocks);
        json.WriteNumber("mountCount", volume.MountCount);
        json.WriteNumber("recoveryCount", volume.RecoveryCount);
        json.WriteNumber("mismatchCount", volume.MismatchCount);
        WriteSinceMount(json, volume, faults);
        json.WriteStartObject("journal");
        json.WriteNumber("blocks", volume.JournalBlocks);
        json.WriteNumber("usedBlocks", volume.JournalUsedBlocks);
        json.WriteNumber("sequence", volume.Sequence);
        json.WriteEndObject();
        json.WriteStartObject("cache");
        json.WriteNumber("bytes", request.Options.CacheBytes);
        json.WriteNumber("blocks", volume.CachedBlocks);
        json.WriteNumber("dirtyBlocks", volume.DirtyBlocks);
        json.WriteEndObject();
        WriteRecovery(json, recovery);
        WriteConnection(json, connection);
        json.WriteStartObject("requests");
        foreach ((string operation, long count) in requests)
        {
            json.WriteNumber(operation, count);
        }

        json.WriteEndObject();
        json.WriteStartArray("lastErrors");
        foreach ((DateTimeOffset time, string message) in errors.Snapshot())
        {
            json.WriteStringValue($"{time.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)} {message}");
        }

        json.WriteEndArray();
    });

    /// <summary>Whether the processor hashes SHA-256 in hardware, which decides the speed of everything.</summary>
    public static string HashRateClass(string path = "/proc/cpuinfo")
    {
        try
        {
            foreach (string line in File.ReadLines(path))
            {
                if (line.StartsWith("flags", StringComparison.Ordinal) || line.StartsWith("Features", StringComparison.Ordinal))
                {
                    return line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Any(f => f is "sha_ni" or "sha2")
                        ? "SHA-256 instructions"
                        : "no SHA-256 instructions (a quarter to a tenth of the speed)";
                }
            }
        }
        catch (IOException)
        {
            // No /proc here.
        }

        return "unknown";
    }

    internal static void WriteRecovery(System.Text.Json.Utf8JsonWriter json, RecoveryReport recovery)
    {
        json.WriteStartObject("recovery");
        json.WriteBoolean("wasInUse", recovery.WasInUse);
        json.WriteNumber("transactions", recovery.Transactions);
        json.WriteNumber("blocks", recovery.Blocks);
        json.WriteBoolean("tornTail", recovery.TornTail);
        json.WriteNumber("lostBlocks", recovery.LostBlocks.Count);
        json.WriteNumber("damagedDescriptors", recovery.DamagedDescriptors);
        json.WriteBoolean("superblockRepaired", recovery.SuperblockRepaired);
        json.WriteBoolean("gapAccepted", recovery.GapAccepted);
        json.WriteEndObject();
    }

    private static void WriteSinceMount(System.Text.Json.Utf8JsonWriter json, VolumeStatus volume, FaultCounts faults)
    {
        json.WriteStartObject("sinceMount");
        json.WriteNumber("blocksVerified", volume.BlocksVerified);
        json.WriteNumber("mismatches", volume.Mismatches);
        json.WriteNumber("commits", volume.Commits);
        json.WriteNumber("checkpoints", volume.Checkpoints);
        json.WriteNumber("tagNodeRepairs", volume.TagNodeRepairs);
        json.WriteNumber("failedByMismatch", faults.Mismatches);
        json.WriteNumber("failedByStructure", faults.CorruptStructures);
        json.WriteNumber("failedByDevice", faults.DeviceErrors);
        json.WriteNumber("badBlocks", faults.BadBlocks);
        json.WriteEndObject();
    }

    private static void WriteConnection(System.Text.Json.Utf8JsonWriter json, FuseConnection? connection)
    {
        if (connection is null)
        {
            return;
        }

        json.WriteStartObject("fuse");
        json.WriteString("protocol", string.Create(CultureInfo.InvariantCulture, $"7.{connection.Minor}"));
        json.WriteNumber("threads", connection.Threads);
        json.WriteNumber("maxTransfer", connection.MaxTransfer);
        json.WriteBoolean("synchronousInit", connection.SynchronousInit);
        json.WriteBoolean("securityLabels", connection.SecurityLabels);
        json.WriteEndObject();
    }
}
