using System.Globalization;
using System.Runtime.InteropServices;
using IntegrityFs.Catalog;
using IntegrityFs.Cli.Checking;
using IntegrityFs.Cli.Logging;
using IntegrityFs.Cli.Native;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse;
using IntegrityFs.Volume;
using Microsoft.Extensions.Logging;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Daemon;

/// <summary>
/// One mount from the opening of the device to the end of the process.
/// <para>Order at the start: descriptors (log, device, key), then the working directory leaves for "/", then replay, then
/// the mount, then readiness. Order at the end: the kernel unmounts, the file system is destroyed, the background thread
/// stops, the volume closes (on fuseblk umount(8) waits for that), then the control socket and the process go.</para>
/// <para>It never touches its own mount: no path below it is looked up after the mount is made.</para>
/// </summary>
internal sealed class MountHost : IDisposable
{
    private const int BusyTries = 20;

    private static readonly TimeSpan s_busyPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_drain = TimeSpan.FromSeconds(15);

    private readonly MountRequest _request;
    private readonly IReadiness _readiness;
    private readonly ILoggerFactory _loggers;
    private readonly ILogger _logger;
    private readonly IMountTaps? _taps;
    private readonly RecentErrors _errors = new(TimeProvider.System);
    private readonly Lock _stage = new();
    private OpenVolume? _open;
    private PosixFileSystem? _fileSystem;
    private FuseServer? _server;
    private LoopDevice? _loop;
    private BackgroundWork? _background;
    private bool _mounting;
    private bool _stopRequested;
    private string? _panic;

    public MountHost(MountRequest request, IReadiness readiness, ILoggerFactory loggers, IMountTaps? taps = null)
    {
        _taps = taps;
        _request = request;
        _readiness = readiness;
        _loggers = loggers;
        loggers.AddProvider(new SinkLoggerProvider(_errors));
        loggers.AddProvider(new SinkLoggerProvider(AuditSink.TryOpen()));
        _logger = loggers.CreateLogger("IntegrityFs");
    }

    /// <summary>Mounts, serves until the mount is gone, and returns why that was not possible, or None.</summary>
    public Cause Run(KeySource key)
    {
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
        try
        {
            OpenVolume(key);
            if (_request.Fake)
            {
                _readiness.Ready();
                return Cause.None;
            }

            Mount();
        }
        catch (Exception e)
        {
            CommandFailure failure = Failures.Translate(e);
            CloseQuietly();
            Log.Refused(_logger, failure.Message);
            _readiness.Failed(failure.Cause, failure.Message);
            return failure.Cause;
        }

        return Serve();
    }

    public void Dispose()
    {
        _server?.Dispose();
        _background?.Dispose();
        _open?.Dispose();
        _loop?.Dispose();
    }

    private MountOptions Options => _request.Options;

    private void OpenVolume(KeySource key)
    {
        bool readOnly = Options.ReadOnly || _request.Fake;
        UnlockedDevice unlocked = OpenPatiently(key, readOnly);
        Directory.SetCurrentDirectory("/");
        _open = Cli.OpenVolume.Open(unlocked, new VolumeOptions
        {
            ReadOnly = readOnly,
            CacheBytes = Options.CacheBytes,
            HashLanes = Options.HashLanes == 0 ? Math.Clamp(Environment.ProcessorCount, 1, 8) : Options.HashLanes,
            HashEngine = Options.Hash,
            Deferred = true,
            CommitInterval = TimeSpan.FromSeconds(Options.CommitSeconds),
            DataMode = Options.Data,
            ZeroOnMismatch = Options.Errors == ErrorPolicy.Zero,
            Logger = _loggers.CreateLogger("IntegrityFs.Volume"),
        }, _taps is null ? null : _taps.Below);
        _background = new BackgroundWork(_open.Volume);
        ReportRecovery(_open.Volume.Recovery);
        if (Options.Errors == ErrorPolicy.Zero)
        {
            Note("errors=zero: bad blocks read as zeros; for rescue only");
        }

        if (Options.Verify == VerifyMode.Full)
        {
            FullVerification.Run(_open.Volume, _loggers.CreateLogger("IntegrityFs.Catalog"), Note);
        }

        CatalogStore catalog = CatalogStore.Open(_open.Volume, _loggers.CreateLogger("IntegrityFs.Catalog"));

        _fileSystem = new PosixFileSystem(catalog, TimeProvider.System, _loggers.CreateLogger("IntegrityFs.FileSystem"), new PosixFileSystemOptions
        {
            ApplyUmask = true,
            Errors = Options.Errors,
            Panic = Panic,
        });
        _fileSystem.RecoverOrphans();
    }

    private bool WantsBlockDevice => Options.FuseType switch
    {
        FuseType.Fuse => false,
        FuseType.FuseBlk => true,
        _ => (uint)geteuid() == 0,
    };

    /// <summary>umount(8) of a plain fuse mount returns before its daemon has closed the volume. Who mounts again at once
    /// meets that daemon, and waits for it a little.</summary>
    private UnlockedDevice OpenPatiently(KeySource key, bool readOnly)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return UnlockedDevice.Open(_request.Source, key, readOnly, Note, Options.BusyPoll);
            }
            catch (DeviceException e) when (e.Errno == Errno.EBUSY && !WantsBlockDevice && attempt < BusyTries)
            {
                Thread.Sleep(s_busyPause);
            }
        }
    }

    private void Mount()
    {
        bool block = WantsBlockDevice;
        string source = _request.Source;
        if (block && !_open!.Unlocked.Device.IsBlockDevice)
        {
            _loop = LoopDevice.Attach(source, Options.ReadOnly);
            source = _loop.Path;
        }

        _server = new FuseServer(_taps?.Above(_fileSystem!) ?? _fileSystem!, new FuseServerOptions
        {
            Threads = Options.Threads,
            MaxTransfer = Options.MaxRead == 0 ? FuseServerOptions.LargestTransfer : Options.MaxRead,
            Writeback = Options.WriteBack,
            BusyPoll = Options.BusyPoll,
            Unmounted = Close,
        }, _loggers.CreateLogger("IntegrityFs.Fuse"));
        lock (_stage)
        {
            _mounting = true;
        }

        _server.MountAndServe(new FuseMountOptions
        {
            Source = block ? source : Options.SourceName ?? source,
            Target = _request.Target,
            Subtype = Options.SubType,
            BlockDevice = block,
            BlockSize = Math.Max(512, _open!.Unlocked.Device.SectorSize),
            AllowOther = Options.AllowOther ?? false,
            Flags = (FuseMountFlags)(ulong)Options.Flags,
            SecurityOptions = string.Join(',', Options.SecurityOptions.Select(QuoteForKernel)),
        });
    }

    /// <summary>A context with commas reaches the kernel in double quotes.</summary>
    private static string QuoteForKernel(string option)
    {
        int value = option.IndexOf('=', StringComparison.Ordinal) + 1;
        return option.Contains(',', StringComparison.Ordinal) ? $"{option[..value]}\"{option[value..]}\"" : option;
    }

    private Cause Serve()
    {
        using ControlServer? control = OpenControl();
        Log.Serving(_logger, _open!.Volume.Uuid, _server!.Connection?.Type ?? "");
        if (!_readiness.Ready() || StopWasRequested())
        {
            _server.Stop(s_drain);
        }

        FuseExit exit = _server.WaitForExit();
        if (_panic is not null)
        {
            return Cause.Integrity;
        }

        Log.Ended(_logger, exit.Reason.ToString(), exit.CloseFailure?.Message ?? "closed in order");
        return exit.CloseFailure is null ? Cause.None : Cause.System;
    }

    /// <summary>The mount is gone and nobody is in the file system any more. Where umount(8) waits for this to return,
    /// whoever comes next finds the device free as well as clean.</summary>
    private void Close()
    {
        _background!.Stop();
        try
        {
            _open!.Volume.Close();
        }
        finally
        {
            _open!.Unlocked.Device.Dispose();
        }

        if (_open.Volume.Fault is { } fault)
        {
            // Nothing was written in closing: whoever looks must not read "closed in order".
            throw new VolumeFaultedException($"not closed in order, what is newer than the last sync may be lost: {fault.Message}", fault);
        }
    }

    /// <summary>After a refused mount: what has been replayed is kept, and the volume left in order if it can be.</summary>
    private void CloseQuietly()
    {
        try
        {
            _background?.Stop();
            _open?.Volume.Close();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            Log.CloseFailed(_logger, e.Message);
        }
    }

    private ControlServer? OpenControl()
    {
        try
        {
            return MountTable.Find(_request.Target) is { } entry && ControlPath.Socket((uint)getuid(), entry.DeviceNumber) is { } path
                ? new ControlServer(path, Answer)
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.Net.Sockets.SocketException)
        {
            Log.NoControl(_logger, e.Message);
            return null;
        }
    }

    /// <summary>After mount -o remount,ro, of which a FUSE server is not told.</summary>
    private bool IsReadOnlyForTheKernel() => MountTable.Find(_request.Target)?.Options.Split(',').Contains("ro") ?? false;

    private string Answer(string request)
    {
        switch (request)
        {
            case "status":
                return MountStatus.Describe(
                    _request, _open!.Volume.Status(), _open.Volume.Recovery, _server!.Connection, _fileSystem!.Faults, _errors, _fileSystem.IsReadOnly || IsReadOnlyForTheKernel(), _server.RequestCounts(),
                    new BusyPolling(Options.BusyPoll, _server.SoloRequests, _open.Unlocked.Device.PolledReads, _server.QueuedReads));
            case "sync" or "remount ro":
                if (!_open!.Volume.IsReadOnly)
                {
                    _open.Volume.Sync();
                }

                return "ok\n";
            case "remount rw":
                return _open!.Volume.IsReadOnly ? "the volume is open read-only; unmount it and mount it again\n" : "ok\n";
            default:
                return _taps?.Answer(request) ?? "unknown request\n";
        }
    }

    /// <summary>For who mounts; the volume has logged it.</summary>
    private void ReportRecovery(RecoveryReport recovery)
    {
        if (recovery.SuperblockRepaired)
        {
            _readiness.Note("one superblock was damaged or old" + (Options.ReadOnly ? "" : " and has been replaced"));
        }

        if (recovery.WasInUse)
        {
            string torn = recovery.TornTail ? ", dropped one that was never acknowledged" : "";
            _readiness.Note(string.Create(CultureInfo.InvariantCulture, $"was not closed in order: replayed {recovery.Transactions} transactions, {recovery.Blocks} blocks{torn}"));
        }

        if (recovery.LostBlocks.Count > 0)
        {
            _readiness.Note(string.Create(CultureInfo.InvariantCulture, $"damage in the journal: {recovery.LostBlocks.Count} blocks are lost until overwritten; run fsck"));
        }
    }

    private void Note(string text)
    {
        Log.Note(_logger, text);
        _readiness.Note(text);
    }

    /// <summary>errors=panic: nothing more is served, nothing more is written.</summary>
    private void Panic(string reason)
    {
        _panic = reason;
        Log.Panic(_logger, reason);
        _server?.Abort();
    }

    private bool StopWasRequested()
    {
        lock (_stage)
        {
            return _stopRequested;
        }
    }

    private void Stop(PosixSignalContext context)
    {
        context.Cancel = true;
        Stop();
    }

    /// <summary>A crash on command: every request fails from now on, nothing is committed or closed.</summary>
    public void Break() => _server?.Abort();

    /// <summary>Ends the mount in good order, as SIGTERM does.</summary>
    public void Stop()
    {
        lock (_stage)
        {
            if (!_mounting)
            {
                // Replay may be interrupted at any moment; that is what it is made for.
                _readiness.Failed(Cause.Interrupted, "interrupted");
                Environment.Exit(MountExit.From(Cause.Interrupted));
            }

            if (_stopRequested)
            {
                return;
            }

            _stopRequested = true;
        }

        if (_server?.Connection is not null)
        {
            _server.Stop(s_drain);
        }
    }
}
