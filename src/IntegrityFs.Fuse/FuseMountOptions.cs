using IntegrityFs.Fuse.Mounting;

namespace IntegrityFs.Fuse;

/// <summary>Where and how to mount.</summary>
public sealed class FuseMountOptions
{
    /// <summary>What /proc/mounts shows as the device. With <see cref="BlockDevice"/> it must be the path of a block
    /// device, which nobody holds with O_EXCL.</summary>
    public required string Source { get; init; }

    /// <summary>Directory to mount on. <c>/dev/fd/N</c>: descriptor N is /dev/fuse, mounted already by a privileged
    /// launcher.</summary>
    public required string Target { get; init; }

    /// <summary>Shown after the dot of the mount's type.</summary>
    public string Subtype { get; init; } = "integrityfs";

    /// <summary>Mount as fuseblk (root only): the kernel delivers sync and syncfs, and umount waits for the close.</summary>
    public bool BlockDevice { get; init; }

    /// <summary>Block size of a fuseblk superblock: 512 to 4096, at least the device's logical sector.</summary>
    public int BlockSize { get; init; } = 4096;

    /// <summary>Other users than the mounting one may enter. Always so for root.</summary>
    public bool AllowOther { get; set; }

    /// <summary>Flags of the mount.</summary>
    public FuseMountFlags Flags { get; set; }

    /// <summary>Options of the kernel's security modules ("context=..."), joined by commas as mount(2) takes them; root
    /// only.</summary>
    public string SecurityOptions { get; init; } = string.Empty;

    /// <summary>Takes one option in the way of mount(8): ro, nosuid, noatime, allow_other ... False where it is not
    /// one of this floor's; then nothing changed.</summary>
    public bool TryApply(string option)
    {
        switch (option)
        {
            case "defaults" or "default_permissions":
                return true;
            case "allow_other":
                AllowOther = true;
                return true;
            default:
                (FuseMountFlags clear, FuseMountFlags set) = MountFlagNames.Parse(option);
                Flags = (Flags & ~clear) | set;
                return clear != 0;
        }
    }
}

/// <summary>Flags of mount(2), with its values.</summary>
[Flags]
public enum FuseMountFlags
{
    None = 0,
    ReadOnly = 1,
    NoSetUserId = 2,
    NoDevices = 4,
    NoExecute = 8,
    Synchronous = 16,
    SynchronousDirectories = 128,
    NoAccessTimes = 1024,
    NoDirectoryAccessTimes = 2048,
    RelativeAccessTimes = 1 << 21,
    StrictAccessTimes = 1 << 24,
    LazyTimes = 1 << 25,
}
