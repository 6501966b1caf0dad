using IntegrityFs.Device;
using IntegrityFs.FileSystem;

namespace IntegrityFs.CrashTesting;

/// <summary>A store that the harness tests: how to format and mount it on a device.</summary>
public interface ICrashSubject
{
    /// <summary>A name for reports.</summary>
    string Name { get; }

    /// <summary>Bytes of the device that it is tested on.</summary>
    long DeviceLength { get; }

    /// <summary>Writes an empty file system; returns when it is durable.</summary>
    void Format(IDevice device);

    /// <summary>Mounts: recovers, destroys orphans. Throws where it refuses.</summary>
    IMountedSubject Mount(IDevice device, TimeProvider clock, bool readOnly);

    /// <summary>True where no block goes home before the journal holds it (J1); false where new content may go in place.</summary>
    bool JournalsEverything { get; }

    /// <summary>What a byte offset is for; null where the subject does not say (then only the oracle judges).</summary>
    DeviceRegion? RegionOf(long offset);

    /// <summary>Options of <c>integrityfs crashtest run</c> that choose this subject, for reproducers.</summary>
    string Options => "";

    /// <summary>Says what a write means, for people; <paramref name="events"/> are all calls of the run.</summary>
    string Explain(in WriteUnit unit, IReadOnlyList<TraceEvent> events) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{RegionOf(unit.Offset)?.ToString() ?? "device"} at byte {unit.Offset}");
}

/// <summary>A mounted store. Dispose without <see cref="Close"/> is a crash: nothing more is written.</summary>
public interface IMountedSubject : IDisposable
{
    /// <summary>The operations.</summary>
    IFileSystem Files { get; }

    /// <summary>Blocks that can still be allocated.</summary>
    long FreeBlocks { get; }

    /// <summary>Which cases of the recovery's decision table the mount met, as bits; 0 where there is no such table.</summary>
    int DecisionCases => 0;

    /// <summary>True where the block at a byte offset of the device is allocated.</summary>
    bool IsAllocated(long offset) => false;

    /// <summary>The store's last message about an error, for reports; empty where there was none.</summary>
    string LastError { get; }

    /// <summary>Verifies every block and the structure; adds one line per problem.</summary>
    void Check(ICollection<string> problems);

    /// <summary>Copies the journal home.</summary>
    void Checkpoint();

    /// <summary>Unmounts cleanly.</summary>
    void Close();
}

/// <summary>Parts of a device, for trace invariants and explanations.</summary>
public enum DeviceRegion
{
    /// <summary>Superblocks and key slots.</summary>
    Header,

    /// <summary>The journal.</summary>
    Journal,

    /// <summary>Tag tree.</summary>
    Tags,

    /// <summary>Protected blocks at home.</summary>
    Blocks,
}
