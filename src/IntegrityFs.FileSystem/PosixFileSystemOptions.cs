using System.Diagnostics.Metrics;

namespace IntegrityFs.FileSystem;

/// <summary>How <see cref="PosixFileSystem"/> behaves where there is a choice.</summary>
public sealed class PosixFileSystemOptions
{
    /// <summary>True where the kernel leaves the umask to us (it does with POSIX ACLs, because a default ACL replaces the
    /// umask): it is then applied to new inodes without an inherited ACL.</summary>
    public bool ApplyUmask { get; init; }

    /// <summary>What happens on a mismatch.</summary>
    public ErrorPolicy Errors { get; init; }

    /// <summary>Called once, with the reason, under <see cref="ErrorPolicy.Panic"/>; outside every scope and lock. It is
    /// to end the serving.</summary>
    public Action<string>? Panic { get; init; }

    /// <summary>Where failures are counted as instruments; the host owns it (its name is "IntegrityFs"). Without it only
    /// <see cref="PosixFileSystem.Faults"/> counts.</summary>
    public Meter? Meter { get; init; }
}
