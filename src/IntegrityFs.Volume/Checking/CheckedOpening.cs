// Promise: what stands in the way of a check becomes a finding beside all others, not an exception that ends the report.
//
// A gap in the journal may be given up only where everything may be repaired. Otherwise it stays, and the volume is opened
// read-only at the state before the gap: that is what a full repair would leave, so the check goes through it and tells what
// else there is. What is needed to open the volume at all, and cannot be used, is the last finding: nothing lies behind it
// that could be believed. A device that fails is no finding about the volume, and stays an exception.
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Volume;

/// <summary>Opens a volume for a check.</summary>
public static class CheckedOpening
{
    /// <summary>Opens, for writing where anything may be repaired; null where the volume cannot be opened.</summary>
    /// <param name="device">The device; it stays the caller's.</param>
    /// <param name="masterKey">The right one: an unlocked key slot names it.</param>
    /// <param name="options">Memory, threads and messages; what else a check needs is set here.</param>
    /// <param name="level">How much may be repaired; becomes <see cref="RepairLevel.None"/> where a gap stays.</param>
    /// <param name="sink">Receives 103 and 109.</param>
    /// <exception cref="DeviceException">The device failed.</exception>
    public static ProtectedVolume? Open(IDevice device, ReadOnlySpan<byte> masterKey, VolumeOptions options, ref RepairLevel level, ICheckSink sink)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(sink);
        try
        {
            try
            {
                return Open(device, masterKey, options, readOnly: level == RepairLevel.None, acceptGap: level == RepairLevel.All, sink);
            }
            catch (IntegrityException gap) when (gap.Zone == Zone.Journal && level != RepairLevel.All)
            {
                sink.Found(new Problem(ProblemCode.JournalGap, $"{device.Name}: {gap.Message}"));
                level = RepairLevel.None;
                return Open(device, masterKey, options, readOnly: true, acceptGap: true, sink: null);
            }
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException)
        {
            sink.Found(Unusable(device.Name, e.Message));
            return null;
        }
    }

    /// <summary>The finding that ends a check before it began.</summary>
    public static Problem Unusable(string device, string reason) =>
        new(ProblemCode.VolumeUnusable, reason.StartsWith($"{device}: ", StringComparison.Ordinal) ? reason : $"{device}: {reason}");

    private static ProtectedVolume Open(IDevice device, ReadOnlySpan<byte> masterKey, VolumeOptions options, bool readOnly, bool acceptGap, ICheckSink? sink)
    {
        ProtectedVolume volume = ProtectedVolume.Open(device, masterKey, options with
        {
            ReadOnly = readOnly,
            AcceptJournalGap = acceptGap,
            AcceptImpossibleState = true,
        });
        if (volume.Recovery.GapAccepted)
        {
            sink?.Found(new Problem(ProblemCode.JournalGap, $"{device.Name}: the journal is damaged; the transactions behind the damage have been given up", Repaired: true));
        }

        return volume;
    }
}
