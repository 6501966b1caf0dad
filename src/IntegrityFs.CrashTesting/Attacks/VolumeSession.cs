// Promise: opens a volume as a mount does, floor by floor, and says what it had to repair on the way.
using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Volume;

namespace IntegrityFs.CrashTesting;

/// <summary>A mounted volume with its floors in sight.</summary>
internal sealed class VolumeSession : IDisposable
{
    private readonly CountingLogger _log;

    private VolumeSession(ProtectedVolume volume, PosixFileSystem files, CountingLogger log)
    {
        Volume = volume;
        Files = files;
        _log = log;
    }

    public ProtectedVolume Volume { get; }

    public PosixFileSystem Files { get; }

    /// <summary>All warnings and errors so far.</summary>
    public IReadOnlyList<string> Messages => _log.Messages;

    /// <summary>True where something bad was found and made good, or found and said.</summary>
    public bool HasRepaired => Volume.Recovery.SuperblockRepaired || Volume.Recovery.DamagedDescriptors > 0
        || Volume.Status() is { TagNodeRepairs: > 0 } or { Mismatches: > 0 } || _log.Errors > 0;

    public static VolumeSession Open(IDevice device, ReadOnlySpan<byte> key, IntegrityFsSubject subject, bool readOnly = false, bool acceptGap = false)
    {
        var log = new CountingLogger();
        var clock = new ManualClock();
        VolumeOptions basis = subject.VolumeOptionsFor(clock, readOnly);
        ProtectedVolume volume = ProtectedVolume.Open(device, key, new VolumeOptions
        {
            ReadOnly = readOnly,
            CacheBytes = basis.CacheBytes,
            Clock = clock,
            DataMode = basis.DataMode,
            InPlaceThreshold = basis.InPlaceThreshold,
            CommitInterval = basis.CommitInterval,
            Mutations = basis.Mutations,
            AcceptJournalGap = acceptGap,
            Logger = log,
        });
        try
        {
            var files = new PosixFileSystem(CatalogStore.Open(volume, log), clock, log);
            files.RecoverOrphans();
            return new VolumeSession(volume, files, log);
        }
        catch
        {
            volume.Dispose();
            throw;
        }
    }

    /// <summary>Unmounts in order.</summary>
    public void Close()
    {
        Files.Destroy();
        Volume.Close();
    }

    public void Dispose() => Volume.Dispose();
}
