using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>A file system that may be imitated.</summary>
/// <param name="Name">As on the command line.</param>
/// <param name="Description">One line for --help.</param>
/// <param name="FailsSyncs">True where it is about a failed fsync while the program runs.</param>
public sealed record PersonalityDescription(string Name, string Description, bool FailsSyncs);

/// <summary>All personalities.</summary>
public static class PersonalityTable
{
    /// <summary>Our own order: a prefix of the requests.</summary>
    public const string Own = "integrityfs";

    /// <summary>The list, in the order of --help.</summary>
    public static IReadOnlyList<PersonalityDescription> All { get; } =
    [
        new(Own, "our own: the state after some prefix of the requests; crash states of the device itself", false),
        new("ext4-ordered", "ext4 data=ordered: delayed allocation, auto_da_alloc, fsync commits the journal", false),
        new("ext4-noauto-da-alloc", "the same without the heuristics for replacing by rename or truncation", false),
        new("posix-minimal", "what POSIX promises: names need fsync of their directory, bytes fsync of their file", false),
        new("alice-default", "posix-minimal with renames that are not atomic (the default of the ALICE study)", false),
        new("lose-dir-ops", "our own order for bytes; names are lost unless their directory is synchronised", false),
        new("fsync-eio-ext4", "one fsync fails with EIO as on ext4: reported once, bytes lost, size kept", true),
        new("fsync-eio-xfs", "the same as on XFS: reported once, bytes lost, size only for written bytes", true),
        new("fsync-eio-btrfs", "the same as on Btrfs: reported once, the file is as before the writes", true),
    ];

    /// <summary>The personality of this name; null where there is none.</summary>
    public static PersonalityDescription? Find(string name) => All.FirstOrDefault(item => item.Name == name);

    internal static PersistenceModel Create(string name) => name switch
    {
        Own => new OwnOrderModel(),
        "ext4-ordered" => new Ext4OrderedModel(autoAllocate: true),
        "ext4-noauto-da-alloc" => new Ext4OrderedModel(autoAllocate: false),
        "posix-minimal" => new PosixMinimalModel(splitRenames: false),
        "alice-default" => new PosixMinimalModel(splitRenames: true),
        "lose-dir-ops" => new LoseDirectoryOperationsModel(),
        "fsync-eio-ext4" => new Ext4OrderedModel(autoAllocate: true, FailedSync.Ext4),
        "fsync-eio-xfs" => new Ext4OrderedModel(autoAllocate: true, FailedSync.Xfs),
        "fsync-eio-btrfs" => new Ext4OrderedModel(autoAllocate: true, FailedSync.Btrfs),
        _ => throw new ArgumentException($"no personality '{name}'", nameof(name)),
    };
}

/// <summary>Lets the n-th fsync or fdatasync of a file fail, once.</summary>
public sealed class NthSyncFails(int number) : ISyncFaults
{
    private int _seen;

    /// <summary>The file whose fsync failed; 0 before that.</summary>
    public ulong Struck { get; private set; }

    /// <inheritdoc/>
    public bool Strikes(RequestKind kind, InodeNumber inode)
    {
        if (kind is not (RequestKind.Sync or RequestKind.SyncData) || Interlocked.Increment(ref _seen) != number)
        {
            return false;
        }

        Struck = inode.Value;
        return true;
    }
}
