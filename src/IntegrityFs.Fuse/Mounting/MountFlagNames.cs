namespace IntegrityFs.Fuse.Mounting;

/// <summary>The names of mount flags as mount(8) and fusermount3 write them.</summary>
internal static class MountFlagNames
{
    private const FuseMountFlags AccessTimes =
        FuseMountFlags.NoAccessTimes | FuseMountFlags.RelativeAccessTimes | FuseMountFlags.StrictAccessTimes;

    /// <summary>What an option clears and then sets. Nothing to clear: the name is unknown.</summary>
    public static (FuseMountFlags Clear, FuseMountFlags Set) Parse(string option) => option switch
    {
        "ro" => Set(FuseMountFlags.ReadOnly),
        "rw" => Clear(FuseMountFlags.ReadOnly),
        "nosuid" => Set(FuseMountFlags.NoSetUserId),
        "suid" => Clear(FuseMountFlags.NoSetUserId),
        "nodev" => Set(FuseMountFlags.NoDevices),
        "dev" => Clear(FuseMountFlags.NoDevices),
        "noexec" => Set(FuseMountFlags.NoExecute),
        "exec" => Clear(FuseMountFlags.NoExecute),
        "sync" => Set(FuseMountFlags.Synchronous),
        "async" => Clear(FuseMountFlags.Synchronous),
        "dirsync" => Set(FuseMountFlags.SynchronousDirectories),
        "nodiratime" => Set(FuseMountFlags.NoDirectoryAccessTimes),
        "diratime" => Clear(FuseMountFlags.NoDirectoryAccessTimes),
        "lazytime" => Set(FuseMountFlags.LazyTimes),
        "nolazytime" => Clear(FuseMountFlags.LazyTimes),
        "noatime" => (AccessTimes, FuseMountFlags.NoAccessTimes),
        "relatime" => (AccessTimes, FuseMountFlags.RelativeAccessTimes),
        "strictatime" => (AccessTimes, FuseMountFlags.StrictAccessTimes),
        "atime" or "norelatime" or "nostrictatime" => Clear(AccessTimes),
        _ => default,
    };

    /// <summary>The options that fusermount3 takes for the flags.</summary>
    public static IEnumerable<string> Format(FuseMountFlags flags)
    {
        yield return (flags & FuseMountFlags.ReadOnly) != 0 ? "ro" : "rw";
        if ((flags & FuseMountFlags.NoExecute) != 0)
        {
            yield return "noexec";
        }

        if ((flags & FuseMountFlags.Synchronous) != 0)
        {
            yield return "sync";
        }

        if ((flags & FuseMountFlags.SynchronousDirectories) != 0)
        {
            yield return "dirsync";
        }

        if ((flags & FuseMountFlags.NoAccessTimes) != 0)
        {
            yield return "noatime";
        }
    }

    private static (FuseMountFlags Clear, FuseMountFlags Set) Set(FuseMountFlags flag) => (flag, flag);

    private static (FuseMountFlags Clear, FuseMountFlags Set) Clear(FuseMountFlags flag) => (flag, 0);
}
