// Promise: the real stack, composed as a mount composes it, with fixed keys and a given clock, so that the same
// operations always give the same bytes on the device.
using System.Security.Cryptography;
using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Integrity;
using IntegrityFs.Volume;

namespace IntegrityFs.CrashTesting;

/// <summary>How the volume under test is made and mounted.</summary>
public sealed record SubjectOptions
{
    /// <summary>Bytes of the device.</summary>
    public long DeviceLength { get; init; } = 4 << 20;

    /// <summary>Bytes of the journal; small, so that workloads wrap it.</summary>
    public long JournalBytes { get; init; } = 512 * 4096;

    /// <summary>Bytes in a block.</summary>
    public int BlockSize { get; init; } = 4096;

    /// <summary>Bytes of the block cache; small, so that blocks are read again.</summary>
    public long CacheBytes { get; init; } = 1 << 20;

    /// <summary>Where data goes first.</summary>
    public DataMode DataMode { get; init; } = DataMode.Journal;

    /// <summary>With <see cref="DataMode.Auto"/>: from how many bytes on content goes in place.</summary>
    public int InPlaceThreshold { get; init; } = 8192;

    /// <summary>Tells volumes of different identity apart.</summary>
    public byte Identity { get; init; } = 1;

    /// <summary>The volume's UUID; derived from <see cref="Identity"/> where none is given.</summary>
    public Guid? Uuid { get; init; }

    internal Mutation Mutations { get; init; }

    /// <summary>A defect planted between the floors above the volume.</summary>
    internal UpperDefect Defect { get; init; }
}

/// <summary>IntegrityFs as a subject of the harness.</summary>
public sealed class IntegrityFsSubject(SubjectOptions options) : ICrashSubject
{
    private readonly byte[] _key = SHA256.HashData([0x6b, options.Identity]);
    private readonly VolumeGeometry _geometry =
        VolumeGeometry.Create(options.BlockSize, options.DeviceLength, options.JournalBytes / options.BlockSize);

    /// <inheritdoc/>
    public string Name => $"integrityfs data={options.DataMode} {options.Mutations}";

    /// <inheritdoc/>
    public long DeviceLength => options.DeviceLength;

    /// <inheritdoc/>
    public bool JournalsEverything => options.DataMode == DataMode.Journal;

    internal VolumeGeometry Geometry => _geometry;

    internal ReadOnlySpan<byte> MasterKey => _key;

    internal SubjectOptions Options => options;

    /// <inheritdoc/>
    string ICrashSubject.Options => string.Join(' ', SubjectText.Words(options));

    /// <inheritdoc/>
    public string Explain(in WriteUnit unit, IReadOnlyList<TraceEvent> events) => WriteExplanation.Of(_geometry, BlockAt, unit, events);

    /// <inheritdoc/>
    public void Format(IDevice device)
    {
        var clock = new ManualClock();
        VolumeFormatter.Format(device, _key, new VolumeFormatOptions
        {
            BlockSize = options.BlockSize,
            JournalBytes = options.JournalBytes,
            Label = "crash",
            Uuid = options.Uuid ?? new Guid(0x1f5, 7, 9, 1, 2, 3, 4, 5, 6, 7, options.Identity),
            Created = clock.GetUtcNow(),
        });
        using var volume = ProtectedVolume.Open(device, _key, VolumeOptionsFor(clock, readOnly: false));
        CatalogStore.Format(volume, Timestamp.Now(clock), 0x5EED);
        volume.Close();
    }

    /// <inheritdoc/>
    public IMountedSubject Mount(IDevice device, TimeProvider clock, bool readOnly) =>
        Mount(device, clock, readOnly, null);

    /// <summary>As <see cref="Mount(IDevice, TimeProvider, bool)"/>; <paramref name="allowBuffer"/> is asked before memory
    /// is taken for a block.</summary>
    internal IMountedSubject Mount(IDevice device, TimeProvider clock, bool readOnly, Func<bool>? allowBuffer) =>
        new Mounted(device, _key, clock, VolumeOptionsFor(clock, readOnly, allowBuffer), options.Defect, BlockAt);

    /// <inheritdoc/>
    public DeviceRegion? RegionOf(long offset)
    {
        if (offset < VolumeGeometry.JournalOffset)
        {
            return DeviceRegion.Header;
        }

        if (offset < _geometry.JournalEnd)
        {
            return DeviceRegion.Journal;
        }

        return BlockAt(offset) >= 0 ? DeviceRegion.Blocks : DeviceRegion.Tags;
    }

    /// <summary>The block whose home a byte offset lies in; −1 for none.</summary>
    private long BlockAt(long offset) => _blocks.Value.GetValueOrDefault(offset / options.BlockSize * options.BlockSize, -1);

    private readonly Lazy<Dictionary<long, long>> _blocks = new(() =>
    {
        VolumeGeometry geometry = VolumeGeometry.Create(options.BlockSize, options.DeviceLength, options.JournalBytes / options.BlockSize);
        var blocks = new Dictionary<long, long>();
        for (long block = 0; block < geometry.TotalBlocks; block++)
        {
            blocks.Add(geometry.BlockOffset(block), block);
        }

        return blocks;
    });

    internal VolumeOptions VolumeOptionsFor(TimeProvider clock, bool readOnly, Func<bool>? allowBuffer = null) => new()
    {
        ReadOnly = readOnly,
        CacheBytes = options.CacheBytes,
        Clock = clock,
        DataMode = options.DataMode,
        InPlaceThreshold = options.InPlaceThreshold,
        Mutations = options.Mutations,
        CommitInterval = TimeSpan.FromDays(1),
        AllowBuffer = allowBuffer,
    };

    /// <summary>Content is not verified once more: whoever takes the tree has read all of it. Nobody holds an orphan.</summary>
    private static readonly CheckOptions s_everythingButContent = new() { Content = false, OrphansMayBe = false };

    private sealed class ProblemList(ICollection<string> problems) : ICheckSink
    {
        public void Found(Problem problem) => problems.Add($"{problem.Rule.Name}: {problem.Message}");

        public void Progress(string phase, long done)
        {
        }
    }

    private sealed class Mounted : IMountedSubject
    {
        private readonly LastErrorLogger _log = new();
        private readonly ProtectedVolume _volume;
        private readonly PosixFileSystem _files;
        private readonly Func<long, long> _blockAt;

        public Mounted(IDevice device, byte[] key, TimeProvider clock, VolumeOptions volumeOptions, UpperDefect defect, Func<long, long> blockAt)
        {
            _blockAt = blockAt;
            _volume = ProtectedVolume.Open(device, key, volumeOptions);
            try
            {
                ICatalog catalog = DefectiveCatalog.Wrap(CatalogStore.Open(_volume, _log), _volume, defect);
                _files = new PosixFileSystem(catalog, clock, _log);
                Files = DefectiveFiles.Wrap(_files, catalog, defect);
                _files.RecoverOrphans();
                if (_volume.Recovery.LostBlocks.Count > 0)
                {
                    throw new CorruptFormatException($"recovery lost {_volume.Recovery.LostBlocks.Count} blocks");
                }
            }
            catch (Exception error)
            {
                // What recovery met counts also where it ends in a refusal.
                error.Data[DecisionCoverage.DataKey] = _volume.Recovery.DecisionCases;
                _volume.Dispose();
                throw;
            }
        }

        public int DecisionCases => _volume.Recovery.DecisionCases;

        public bool IsAllocated(long offset) => _blockAt(offset) is >= 0 and var block && _volume.IsAllocated(new BlockNumber(block));

        public IFileSystem Files { get; }

        public long FreeBlocks => _volume.FreeBlocks;

        public string LastError => _log.Message;

        public void Check(ICollection<string> problems) =>
            new VolumeChecker(new CatalogCheck(_volume, 0, _log), s_everythingButContent, new ProblemList(problems), TimeProvider.System, _log, CancellationToken.None).Run();

        public void Checkpoint() => _volume.Checkpoint();

        public void Close()
        {
            _files.Destroy();
            _volume.Close();
        }

        public void Dispose() => _volume.Dispose();
    }
}
