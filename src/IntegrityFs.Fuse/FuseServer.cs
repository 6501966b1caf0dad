using System.Diagnostics.Metrics;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Mounting;
using IntegrityFs.Fuse.Protocol;
using IntegrityFs.Fuse.Serving;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Fuse;

/// <summary>What <c>status</c> can tell about a mount.</summary>
/// <param name="Type">"fuse" or "fuseblk".</param>
/// <param name="Minor">Minor version of the protocol (7.x).</param>
/// <param name="MaxTransfer">Largest READ and WRITE in bytes.</param>
/// <param name="Threads">Serving threads.</param>
/// <param name="SynchronousInit">INIT was done inside mount(2).</param>
/// <param name="DeliversSync">sync(2) and syncfs(2) reach the file system (fuseblk on Linux 6.18 and newer).</param>
/// <param name="WaitsForClose">umount(2) returns only after the volume is closed (fuseblk).</param>
/// <param name="SecurityLabels">Security labels arrive with the request that creates an inode.</param>
public sealed record FuseConnection(
    string Type, uint Minor, int MaxTransfer, int Threads, bool SynchronousInit, bool DeliversSync, bool WaitsForClose, bool SecurityLabels);

/// <summary>
/// Serves an <see cref="IFileSystem"/> to the kernel over /dev/fuse: mounts, answers requests on threads of its own,
/// and closes the file system when the mount is gone. For one mount; not reusable.
/// <para>Order at the end: the kernel sends DESTROY (fuseblk) or closes the connection (fuse); then, with no request
/// inside the file system any more, <see cref="IFileSystem.Destroy"/> runs, then
/// <see cref="FuseServerOptions.Unmounted"/>, once each; then <see cref="WaitForExit()"/> returns.</para>
/// <para>The process must not touch its own mount, except from threads that serve nothing and hold no lock that a
/// serving thread may want.</para>
/// </summary>
public sealed class FuseServer : IDisposable
{
    // Linux 6.18 speaks 7.45 and is the first to deliver SYNCFS on fuseblk.
    private const uint SyncfsMinor = 45;

    // How long an aborted connection may take to let its threads go.
    private static readonly TimeSpan s_breakTime = TimeSpan.FromSeconds(5);

    private readonly IFileSystem _fileSystem;
    private readonly FuseServerOptions _options;
    private readonly ILogger _logger;
    private readonly Meter _meter = new("IntegrityFs.Fuse");
    private readonly SessionState _state;
    private FuseSession? _session;
    private string? _target;
    private DeviceNumber? _device;
    private volatile bool _aborted;
    private volatile bool _abandoned;

    /// <summary>Prepares; nothing is opened yet.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public FuseServer(IFileSystem fileSystem, FuseServerOptions options, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(fileSystem);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(logger);
        options.Validate();
        _fileSystem = fileSystem;
        _options = options;
        _logger = logger;
        _state = new SessionState(_fileSystem, options, logger);
        _meter.CreateObservableCounter("integrityfs.fuse.requests", MeasureRequests, "{request}", "Requests of the kernel");
    }

    /// <summary>The mount's properties; null before <see cref="MountAndServe"/>.</summary>
    public FuseConnection? Connection { get; private set; }

    /// <summary>Mounts and starts to serve. Returns when the mount is visible and the kernel's INIT is answered, that
    /// is: ready for use. Root mounts by mount(2), others through fusermount3.</summary>
    /// <exception cref="FuseMountException">The mount was refused; nothing is mounted, and the file system is neither
    /// destroyed nor closed.</exception>
    public void MountAndServe(FuseMountOptions mount)
    {
        ArgumentNullException.ThrowIfNull(mount);
        if (_session != null)
        {
            throw new InvalidOperationException("this server has been mounted already");
        }

        bool synchronous = false;
        int inherited = MountPoint.InheritedDescriptor(mount.Target);
        if (inherited >= 0)
        {
            Attach(new FuseDevice(inherited));
        }
        else
        {
            string target = MountPoint.Resolve(mount.Target);
            if (KernelMount.IsPrivileged)
            {
                synchronous = MountPrivileged(mount, target);
            }
            else
            {
                RefusePrivileges(mount);
                Attach(UserMount.Mount(mount, target, _options.MaxTransfer));
            }

            _target = target;
        }

        AwaitInit(mount, synchronous);
    }

    /// <summary>Waits until the mount is gone and the file system is closed.</summary>
    public FuseExit WaitForExit()
    {
        Session.Completed.Wait();
        return Describe();
    }

    /// <summary>As above for a limited time; false where the mount still lives.</summary>
    public bool WaitForExit(TimeSpan timeout, out FuseExit exit)
    {
        bool completed = Session.Completed.Wait(timeout);
        exit = completed ? Describe() : default;
        return completed;
    }

    /// <summary>Unmounts. <see cref="Errno.EBUSY"/>: files are open. <see cref="Errno.OK"/> where it is unmounted
    /// already. Blocks, on fuseblk until the file system is closed: not for serving threads.</summary>
    public Errno Unmount(UnmountMode mode)
    {
        if (Session.Completed.IsSet || _target == null)
        {
            return Errno.OK;
        }

        if (!KernelMount.IsPrivileged)
        {
            return UserMount.Unmount(_target, mode != UnmountMode.Normal);
        }

        // Somebody may have unmounted it, and mounted another file system there, in the meantime.
        if (_device != null && MountPoint.FindDevice(_target) != _device)
        {
            return Errno.OK;
        }

        return KernelMount.Unmount(_target, mode);
    }

    /// <summary>Changes the flags that the kernel enforces on the mount (root only). The file system is not told.</summary>
    public Errno Remount(FuseMountFlags flags) =>
        _target == null || !KernelMount.IsPrivileged ? Errno.EPERM : KernelMount.Remount(_target, flags);

    /// <summary>Ends the mount in good order, as for SIGTERM: unmounts (where files are open: detaches, and serves
    /// them for at most <paramref name="drain"/>; then the connection is aborted), and waits until the file system is
    /// closed. Everything acknowledged is committed in either case.</summary>
    public FuseExit Stop(TimeSpan drain)
    {
        Errno error = Unmount(UnmountMode.Normal);
        if (error == Errno.EBUSY)
        {
            Log.DetachedBusy(_logger, _target ?? string.Empty);
            _ = Unmount(UnmountMode.Lazy);
        }

        if (WaitForExit(drain, out FuseExit exit))
        {
            return exit;
        }

        Log.DrainExpired(_logger, drain.TotalSeconds);
        BreakConnection();
        if (WaitForExit(s_breakTime, out exit))
        {
            return exit;
        }

        // Nothing of the kernel's reaches the detached mount (no control file system is mounted). Close the volume
        // under it; its last users get errors, and the end of this process ends the connection.
        _state.Finish(-1);
        _aborted = true;
        _abandoned = true;
        Session.Abandon();
        return Describe();
    }

    /// <summary>Stops serving at once and leaves the volume as after a crash: every waiting and later request fails,
    /// neither <see cref="IFileSystem.Destroy"/> nor <see cref="FuseServerOptions.Unmounted"/> runs. May be called
    /// from a serving thread.</summary>
    public void Abort()
    {
        _aborted = true;
        _state.Forsake();
        BreakConnection();
    }

    /// <summary>Aborts the mount if it still lives, then frees everything.</summary>
    public void Dispose()
    {
        if (_session is { Completed.IsSet: false })
        {
            Abort();
            _abandoned = !_session.Completed.Wait(s_breakTime);
        }

        // The threads of an abandoned session still wait on its descriptors; both end with the process.
        if (!_abandoned)
        {
            _session?.Dispose();
        }

        _meter.Dispose();
    }

    private FuseSession Session => _session ?? throw new InvalidOperationException("nothing is mounted");

    private static void RefusePrivileges(FuseMountOptions mount)
    {
        if (mount.BlockDevice || mount.SecurityOptions.Length > 0)
        {
            string what = mount.BlockDevice ? "mounting as fuseblk" : "mounting with a security context";
            throw new FuseMountException($"{what} needs root", (int)Errno.EPERM);
        }
    }

    private void Attach(FuseDevice device)
    {
        _session = new FuseSession(_state, device);
        _session.Start(attached: true);
    }

    // The first thread serves while mount(2) still runs: that may wait for INIT, or for the root's security label.
    private bool MountPrivileged(FuseMountOptions mount, string target)
    {
        FuseDevice device = FuseDevice.Open();
        bool synchronous = _options.SynchronousInit && device.TryRequestSynchronousInit();
        var session = new FuseSession(_state, device);
        session.Start(attached: false);
        try
        {
            KernelMount.Mount(device, mount, target, _options.MaxTransfer);
        }
        catch (FuseMountException)
        {
            if (session.Cancel(synchronous))
            {
                session.Dispose();
            }

            throw;
        }

        _session = session;
        return synchronous;
    }

    private void AwaitInit(FuseMountOptions mount, bool synchronous)
    {
        Session.Ready.Wait();
        if (_state.Agreement == Agreement.None)
        {
            _state.Forsake();
            _ = Unmount(UnmountMode.Lazy);
            throw new FuseMountException("the kernel's FUSE protocol is older than 7.31, or it ended the connection", 0);
        }

        Agreement agreement = _state.Agreement;
        bool block = mount.BlockDevice;
        Connection = new FuseConnection(
            block ? "fuseblk" : "fuse", agreement.Minor, agreement.MaxTransfer, Session.Threads, synchronous,
            block && agreement.Minor >= SyncfsMinor, block, agreement.Has(InitFlags.SecurityContext));
        _device = _target == null ? null : MountPoint.FindDevice(_target);
        if (_device is { } device && KernelMount.IsPrivileged)
        {
            KernelTuning.Apply(device, block, _options.Writeback, _logger);
        }
    }

    private void BreakConnection()
    {
        bool broken = _device is { } device && KernelTuning.TryAbort(device, _logger);
        if (!broken)
        {
            _ = Unmount(UnmountMode.Force);
        }
    }

    private FuseExit Describe()
    {
        FuseExitReason reason = _aborted ? FuseExitReason.Aborted : Session.Exit switch
        {
            WorkerExit.Unmounted => FuseExitReason.Unmounted,
            WorkerExit.Aborted => FuseExitReason.Aborted,
            _ => FuseExitReason.Failed,
        };
        return new FuseExit(reason, _state.FinishFailure);
    }

    /// <summary>How many requests of each operation the kernel has sent since the mount.</summary>
    public IEnumerable<KeyValuePair<string, long>> RequestCounts()
    {
        if (_session is not { } session)
        {
            yield break;
        }

        foreach (Opcode operation in Enum.GetValues<Opcode>())
        {
            long count = session.Count(operation);
            if (count > 0)
            {
                yield return new KeyValuePair<string, long>(operation.ToString().ToLowerInvariant(), count);
            }
        }
    }

    /// <summary>Requests that one thread served for a single caller (<see cref="FuseServerOptions.BusyPoll"/>).</summary>
    public long SoloRequests => _state.Turn.Requests;

    /// <summary>Those of them that were small reads, left to the device while the thread served on.</summary>
    public long QueuedReads => _state.Turn.QueuedReads;

    private IEnumerable<Measurement<long>> MeasureRequests() =>
        RequestCounts().Select(c => new Measurement<long>(c.Value, new KeyValuePair<string, object?>("operation", c.Key)));
}
