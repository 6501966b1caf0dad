namespace IntegrityFs.Device;

/// <summary>How <see cref="FileDevice.Open"/> opens.</summary>
public sealed class FileDeviceOptions
{
    /// <summary>Refuse writes; shares the device with other read-only users.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Ask for O_DIRECT, so that the page cache holds no second copy and a read sees the medium. Where the
    /// backing file system refuses, I/O is buffered and <see cref="FileDevice.IsDirect"/> says so.</summary>
    public bool Direct { get; init; } = true;

    /// <summary>Take no lock: only with <see cref="ReadOnly"/>, to look at a device that another process may be using
    /// (probe, status). What is read may be in the middle of a change.</summary>
    public bool Unlocked { get; init; }

    /// <summary>Watch for the end of a small read that is the only one under way, instead of sleeping, where the device
    /// is fast enough. Needs direct I/O; costs processor.</summary>
    public bool BusyPoll { get; init; }
}
