using IntegrityFs.FileSystem;
using IntegrityFs.Integrity;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli;

/// <summary>Kernel type of the mount.</summary>
internal enum FuseType
{
    /// <summary>fuseblk for root, else fuse.</summary>
    Automatic,
    Fuse,
    FuseBlk,
}

/// <summary>When blocks are verified.</summary>
internal enum VerifyMode
{
    /// <summary>What is read is verified.</summary>
    Read,

    /// <summary>Everything is verified before the mount succeeds, too.</summary>
    Full,
}

/// <summary>Flags of mount(2) that mount(8) spells as options.</summary>
[Flags]
internal enum MountFlags : ulong
{
    None = 0,
    ReadOnly = 1,
    NoSetUserId = 2,
    NoDevices = 4,
    NoExecute = 8,
    Synchronous = 16,
    Remount = 32,
    DirectorySynchronous = 128,
    NoSymlinkFollow = 256,
    NoAtime = 1024,
    NoDirectoryAtime = 2048,
    Silent = 32768,
    RelativeAtime = 1 << 21,
    StrictAtime = 1 << 24,
    LazyTime = 1 << 25,
}

/// <summary>The options of one mount, after parsing: the last of contradicting ones has won.</summary>
internal sealed class MountOptions
{
    public MountFlags Flags { get; set; }

    public bool ReadOnly => Flags.HasFlag(MountFlags.ReadOnly);

    public bool Remount => Flags.HasFlag(MountFlags.Remount);

    public KeySource Key { get; set; } = new KeySource.Unspecified();

    public FuseType FuseType { get; set; }

    public ErrorPolicy Errors { get; set; }

    public DataMode Data { get; set; }

    public VerifyMode Verify { get; set; }

    /// <summary>Seconds between commits without an fsync.</summary>
    public int CommitSeconds { get; set; } = 5;

    public long CacheBytes { get; set; } = 128L << 20;

    /// <summary>Serving threads; 0 lets the session choose.</summary>
    public int Threads { get; set; }

    /// <summary>Threads that hash; 0 is one per processor.</summary>
    public int HashLanes { get; set; }

    /// <summary>By what tags of many blocks are computed.</summary>
    public HashEngine Hash { get; set; }

    /// <summary>Look for the next request, and for the end of a read, before sleeping.</summary>
    public bool BusyPoll { get; set; } = true;

    /// <summary>The kernel writes back later (trades order for speed).</summary>
    public bool WriteBack { get; set; }

    /// <summary>Null: everybody where root mounts, else only the user.</summary>
    public bool? AllowOther { get; set; }

    /// <summary>Largest READ in bytes; 0 for the kernel's.</summary>
    public int MaxRead { get; set; }

    /// <summary>Name shown as the source; null for the real one.</summary>
    public string? SourceName { get; set; }

    public string SubType { get; set; } = "integrityfs";

    /// <summary>Where the daemon logs; null for the system's log.</summary>
    public string? LogFile { get; set; }

    public bool Foreground { get; set; }

    /// <summary>Log what happens, not only what goes wrong.</summary>
    public bool Debug { get; set; }

    /// <summary>Options of the security modules (context= and the like), for the kernel as they are.</summary>
    public List<string> SecurityOptions { get; } = [];
}
