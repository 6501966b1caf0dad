namespace IntegrityFs.Fuse;

/// <summary>How a file system is served to the kernel.</summary>
public sealed class FuseServerOptions
{
    /// <summary>Largest request, bytes, that any option can ask for.</summary>
    public const int LargestTransfer = 1 << 20;

    /// <summary>Threads beside <see cref="Threads"/>: one takes the place of the one that waits for a flush of the disk.</summary>
    internal const int ParkedThreads = 1;

    /// <summary>Threads that read and serve requests, 2 to 16; 0 chooses four times the processors, 8 to 16: a read that
    /// waits for the device keeps its thread. Any number of syncs waits beside them, with one thread.</summary>
    public int Threads { get; init; }

    /// <summary>Largest READ and WRITE in bytes: a multiple of 4096, from 4096 to 1 MiB.</summary>
    public int MaxTransfer { get; init; } = LargestTransfer;

    /// <summary>Requests that the kernel may have outstanding in the background (readahead, direct I/O).</summary>
    public int MaxBackground { get; init; } = 64;

    /// <summary>How long the kernel may keep a name without asking again. The server is the only writer, so long.</summary>
    public TimeSpan EntryTimeout { get; init; } = TimeSpan.FromDays(1);

    /// <summary>How long the kernel may remember that a name does not exist.</summary>
    public TimeSpan NegativeTimeout { get; init; } = TimeSpan.FromDays(1);

    /// <summary>How long the kernel may keep attributes. It drops by itself those that its own requests change.</summary>
    public TimeSpan AttributeTimeout { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Lets the kernel collect small writes. Faster, but operations no longer reach the file system in the
    /// order in which programs issued them; fsync's promise stays.</summary>
    public bool Writeback { get; init; }

    /// <summary>Asks the kernel to complete INIT inside mount(2), where it can (Linux 6.18).</summary>
    public bool SynchronousInit { get; init; } = true;

    /// <summary>Gives each thread its own queue to the kernel, where it can.</summary>
    public bool CloneDescriptors { get; init; } = true;

    /// <summary>Lets one thread look for the next request for some tens of microseconds before it sleeps, while requests
    /// come one at a time. Faster for a single program that waits for each answer; costs processor.</summary>
    public bool BusyPoll { get; init; } = true;

    /// <summary>Called once when the mount is gone or going, after <c>IFileSystem.Destroy()</c>: checkpoint and close.
    /// On fuseblk, umount(8) returns only after this has returned. Not called after <see cref="FuseServer.Abort"/>.
    /// Runs on a serving thread; an exception is logged and shows in <see cref="FuseExit"/>.</summary>
    public Action? Unmounted { get; init; }

    internal int ThreadCount => Threads == 0
        ? Math.Clamp(4 * Environment.ProcessorCount, 8, 16)
        : Threads;

    internal void Validate()
    {
        if (Threads != 0)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(Threads, 2, nameof(Threads));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(Threads, 16, nameof(Threads));
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(MaxTransfer, 4096, nameof(MaxTransfer));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxTransfer, LargestTransfer, nameof(MaxTransfer));
        ArgumentOutOfRangeException.ThrowIfNotEqual(MaxTransfer % 4096, 0, nameof(MaxTransfer));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxBackground, 1, nameof(MaxBackground));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxBackground, ushort.MaxValue, nameof(MaxBackground));
    }
}
