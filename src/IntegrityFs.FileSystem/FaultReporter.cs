// Promise: the one place where exceptions of the floors below become error numbers. Each different bad block gets one line,
// the first time always; repetitions are only counted. What is remembered for that is bounded: when the memory is full it is
// emptied, so a line may come twice, but never not at all. Called outside every scope and lock, because finding the path
// reads the catalog and the panic call-out may end the process.
//
// A failed write or flush is remembered for ever: every later sync answers EIO (a failed fsync is never retried into
// silence), every later change EROFS.
using System.Diagnostics.Metrics;
using IntegrityFs.Catalog;
using IntegrityFs.Format;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace IntegrityFs.FileSystem;

/// <summary>Translates, logs, counts, and applies the error policy.</summary>
internal sealed class FaultReporter
{
    private const int MaxRemembered = 16384;

    private readonly ICatalog _catalog;
    private readonly ILogger _logger;
    private readonly PathFinder _paths;
    private readonly ErrorPolicy _policy;
    private readonly Action<string>? _panic;
    private readonly Counter<long>? _instrument;
    private readonly Lock _lock = new();
    private readonly HashSet<(Cause, long, long)> _reported = [];

    private long _mismatches;
    private long _corrupt;
    private long _device;
    private long _refused;
    private long _unexpected;
    private long _badBlocks;
    private int _policyApplied;
    private volatile bool _refusesChanges;
    private volatile bool _writesFailed;

    public FaultReporter(ICatalog catalog, ILogger? logger, PosixFileSystemOptions options)
    {
        _catalog = catalog;
        _logger = logger ?? NullLogger.Instance;
        _paths = new PathFinder(catalog);
        _policy = options.Errors;
        _panic = options.Panic;
        _instrument = options.Meter?.CreateCounter<long>("integrityfs.faults", "{request}", "Requests that failed on a bad block or device.");
    }

    private enum Cause
    {
        Mismatch,
        Corrupt,
        Device,
        Faulted,
        Unexpected,
    }

    /// <summary>True after a mismatch under <see cref="ErrorPolicy.RemountReadOnly"/>.</summary>
    public bool RefusesChanges => _refusesChanges;

    /// <summary>True after a device write or flush failed.</summary>
    public bool WritesFailed => _writesFailed;

    public FaultCounts Counts => new(
        Interlocked.Read(ref _mismatches),
        Interlocked.Read(ref _corrupt),
        Interlocked.Read(ref _device),
        Interlocked.Read(ref _refused),
        Interlocked.Read(ref _unexpected),
        Interlocked.Read(ref _badBlocks));

    /// <summary>A request that only reads, or that syncs.</summary>
    public Errno Report(Exception error, InodeNumber inode, long offset = -1)
    {
        switch (error)
        {
            case IntegrityException mismatch:
                ReportMismatch(mismatch, inode, offset);
                break;
            case CorruptFormatException corrupt:
                ReportCorrupt(corrupt, inode, offset);
                break;
            case DeviceException device:
                ReportDevice(device, inode, offset);
                break;
            case VolumeFaultedException faulted:
                Count(ref _refused, "faulted");
                _writesFailed = true;
                if (IsFirst(Cause.Faulted, 0, 0))
                {
                    FaultLog.Faulted(_logger, _catalog.Uuid, faulted.Message);
                }

                break;
            default:
                Count(ref _unexpected, "unexpected");
                if (IsFirst(Cause.Unexpected, error.GetType().GetHashCode(), error.Message.GetHashCode(StringComparison.Ordinal)))
                {
                    FaultLog.Unexpected(_logger, error, _catalog.Uuid, inode.Value);
                }

                break;
        }

        return Errno.EIO;
    }

    /// <summary>A request that changes something.</summary>
    public Errno ReportChange(Exception error, InodeNumber inode, long offset = -1)
    {
        Errno answer = Report(error, inode, offset);
        return error is VolumeFaultedException ? Errno.EROFS : answer;
    }

    private void ReportMismatch(IntegrityException error, InodeNumber inode, long offset)
    {
        Count(ref _mismatches, "mismatch");
        if (IsFirst(Cause.Mismatch, (long)error.Zone, error.Block))
        {
            Interlocked.Increment(ref _badBlocks);
            FaultLog.Mismatch(_logger, _catalog.Uuid, error.Block, error.Zone, inode.Value, _paths.Find(inode), OffsetOf(error, inode, offset), error.Message);
        }

        ApplyPolicy(error.Message);
    }

    /// <summary>The bad block's own place in the file, rather than where the request began.</summary>
    private long OffsetOf(IntegrityException error, InodeNumber inode, long offset)
    {
        if (error.Zone != Zone.Data || offset < 0)
        {
            return offset;
        }

        try
        {
            using CatalogReadScope scope = _catalog.EnterRead();
            return _catalog.TryFindBlock(inode, offset, new BlockNumber(error.Block), out long exact) ? exact : offset;
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException or DeviceException)
        {
            return offset;
        }
    }

    private void ReportCorrupt(CorruptFormatException error, InodeNumber inode, long offset)
    {
        Count(ref _corrupt, "corrupt");
        if (IsFirst(Cause.Corrupt, error.Message.GetHashCode(StringComparison.Ordinal), 0))
        {
            FaultLog.Corrupt(_logger, _catalog.Uuid, inode.Value, _paths.Find(inode), offset, error.Message);
        }

        ApplyPolicy(error.Message);
    }

    private void ReportDevice(DeviceException error, InodeNumber inode, long offset)
    {
        Count(ref _device, "device");
        if (error.Operation is DeviceOperation.Write or DeviceOperation.Flush)
        {
            _writesFailed = true;
        }

        if (IsFirst(Cause.Device, (long)error.Operation, error.Offset))
        {
            FaultLog.DeviceFailed(_logger, _catalog.Uuid, error.Operation, error.Offset, inode.Value, _paths.Find(inode), offset, error.Message);
        }
    }

    private void ApplyPolicy(string reason)
    {
        if (_policy is not (ErrorPolicy.RemountReadOnly or ErrorPolicy.Panic))
        {
            return;
        }

        _refusesChanges = true;
        if (Interlocked.Exchange(ref _policyApplied, 1) != 0)
        {
            return;
        }

        if (_policy == ErrorPolicy.RemountReadOnly)
        {
            FaultLog.ReadOnlyNow(_logger, _catalog.Uuid);
            return;
        }

        FaultLog.Panic(_logger, _catalog.Uuid);
        _panic?.Invoke(reason);
    }

    private void Count(ref long counter, string cause)
    {
        Interlocked.Increment(ref counter);
        _instrument?.Add(1, new KeyValuePair<string, object?>("cause", cause));
    }

    private bool IsFirst(Cause cause, long first, long second)
    {
        lock (_lock)
        {
            if (_reported.Count >= MaxRemembered)
            {
                _reported.Clear();
            }

            return _reported.Add((cause, first, second));
        }
    }
}
