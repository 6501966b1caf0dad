namespace IntegrityFs.FileSystem;

/// <summary>What went wrong since the mount; one count for each failed request.</summary>
/// <param name="Mismatches">Blocks that were not authentic.</param>
/// <param name="CorruptStructures">Authentic blocks with an impossible structure.</param>
/// <param name="DeviceErrors">Failed reads, writes and flushes of the device.</param>
/// <param name="Refused">Requests refused because an earlier write failed.</param>
/// <param name="Unexpected">Programmers' errors that reached the top of this floor.</param>
/// <param name="BadBlocks">Different bad blocks, as far as they are remembered.</param>
public readonly record struct FaultCounts(
    long Mismatches, long CorruptStructures, long DeviceErrors, long Refused, long Unexpected, long BadBlocks);
