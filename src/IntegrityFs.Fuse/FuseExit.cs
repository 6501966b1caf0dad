using IntegrityFs.Format;

namespace IntegrityFs.Fuse;

/// <summary>Why serving ended.</summary>
public enum FuseExitReason
{
    /// <summary>The mount went away in the normal way; everything was committed and closed.</summary>
    Unmounted,

    /// <summary>The kernel's connection was aborted (umount -f, the control file, or <see cref="FuseServer.Abort"/>).</summary>
    Aborted,

    /// <summary>Requests could not be read any more.</summary>
    Failed,
}

/// <summary>How serving ended. <paramref name="CloseFailure"/>: what closing the volume met, null where it went well.</summary>
public readonly record struct FuseExit(FuseExitReason Reason, Exception? CloseFailure)
{
    /// <summary>Unmounted and closed without a fault.</summary>
    public bool IsClean => Reason == FuseExitReason.Unmounted && CloseFailure == null;
}

/// <summary>How hard to unmount.</summary>
public enum UnmountMode
{
    /// <summary>Fails with <see cref="Errno.EBUSY"/> while files are open.</summary>
    Normal,

    /// <summary>Takes the mount out of sight; open files are served until they are closed.</summary>
    Lazy,

    /// <summary>Aborts the connection first: open files fail, unsent data is lost.</summary>
    Force,
}
