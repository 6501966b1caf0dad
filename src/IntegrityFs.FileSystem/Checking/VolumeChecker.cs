// Promise: the check of a whole volume: the volume's own structures, the catalog's tree, items, names, content; and its
// repair. A pass only looks; what it asks for is done when it has ended, stage by stage, and then the next pass looks again,
// until one asks for nothing: so after a repair a second run finds only what was told as left. Every repair is made of atomic
// operations. Content that does not verify is never given a tag.
// Memory: one bit per block, 64 bytes per catalog leaf, 56 bytes per inode, and the findings of one pass (bounded).
using IntegrityFs.Catalog;
using IntegrityFs.Format;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.FileSystem;

/// <summary>What a check is to do.</summary>
public sealed record CheckOptions
{
    /// <summary>How much may be repaired.</summary>
    public RepairLevel Repair { get; init; }

    /// <summary>Verify every block of content too.</summary>
    public bool Content { get; init; } = true;

    /// <summary>Read every copy of the tag tree too.</summary>
    public bool Volume { get; init; } = true;

    /// <summary>False where nobody can hold an orphan, so that one that is left is a problem.</summary>
    public bool OrphansMayBe { get; init; } = true;
}

/// <summary>What a check went through.</summary>
/// <param name="Files">Inodes that are no directories.</param>
/// <param name="Directories">Directories.</param>
/// <param name="Orphans">Orphan records: files that were open and unlinked at the crash; a mount destroys them.</param>
public sealed record CheckSummary(long Files, long Directories, int Orphans);

/// <summary>Checks and repairs a volume.</summary>
public sealed class VolumeChecker
{
    private const int MostPasses = 64;
    private readonly CatalogCheck _catalog;
    private readonly CheckOptions _options;
    private readonly ICheckSink _sink;
    private readonly CancellationToken _cancellation;
    private readonly NameCheck _names;
    private readonly TimeProvider _clock;
    private readonly ILogger? _logger;

    /// <param name="catalog">The volume and its catalog; held by nobody else.</param>
    /// <param name="options">What to do.</param>
    /// <param name="sink">Receives findings and progress.</param>
    /// <param name="clock">For what is made anew.</param>
    /// <param name="logger">For messages of the floors below.</param>
    /// <param name="cancellation">Ends the check between two steps.</param>
    public VolumeChecker(CatalogCheck catalog, CheckOptions options, ICheckSink sink, TimeProvider clock, ILogger? logger, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(clock);
        _catalog = catalog;
        _options = options;
        _sink = sink;
        _cancellation = cancellation;
        _clock = clock;
        _logger = logger;
        _names = new NameCheck(new NameRepairs(() => catalog.Store, Timestamp.Now(clock)));
    }

    /// <summary>Checks; repairs what the options allow.</summary>
    /// <exception cref="OperationCanceledException">Cancelled. What has been repaired stays so.</exception>
    public CheckSummary Run()
    {
        CheckPass? own = _options.Volume ? CheckOwn() : null;

        // Finishing what a crash interrupted destroys orphans: only where nothing is left that might speak against it.
        bool nothingLeft = CheckStructure();
        if (nothingLeft && _options.Repair != RepairLevel.None && Resume())
        {
            CheckStructure();
        }

        if (_catalog.IsWhole && _options.Content)
        {
            CheckContent();
        }

        if (own is not null)
        {
            ReportOwn(own);
        }

        return new CheckSummary(_names.Files, _names.Directories, _names.Orphans);
    }

    private CheckPass CheckOwn()
    {
        CheckPass pass = NewPass();
        _catalog.CheckVolume(pass);
        pass.Repair();
        return pass;
    }

    /// <summary>A lost leaf of the tag tree is written anew when anything under it is: the repairs that came after may have
    /// done so.</summary>
    private void ReportOwn(CheckPass first)
    {
        if (_options.Repair == RepairLevel.None || !first.HasLeft)
        {
            first.ReportLeft();
            return;
        }

        _catalog.Settle();
        CheckPass again = CheckOwn();
        first.ReportGone(again);
        again.ReportLeft();
    }

    private CheckPass NewPass() => new(_options.Repair, _sink, _cancellation);

    /// <summary>Passes until one asks for no repair; true where that one has found nothing.</summary>
    private bool CheckStructure()
    {
        for (int i = 1; ; i++)
        {
            CheckPass pass = NewPass();
            _names.Begin(pass, _options.OrphansMayBe);
            _catalog.Run(pass, _names);
            if (_catalog.IsWhole)
            {
                _catalog.VisitNames(pass, _names);
                _names.Finish();
            }

            if (!pass.WantsRepair || i == MostPasses || pass.Repair() == 0)
            {
                pass.ReportLeft();
                return pass.Count == 0;
            }
        }
    }

    private void CheckContent()
    {
        var paths = new PathFinder(_catalog.Store);
        for (int i = 1; ; i++)
        {
            CheckPass pass = NewPass();
            _catalog.CheckContent(pass, inode => paths.Find(inode));
            if (!pass.WantsRepair || i == MostPasses || pass.Repair() == 0)
            {
                pass.ReportLeft();
                return;
            }
        }
    }

    /// <summary>What a mount would finish: a truncation, orphans. True where there was something.</summary>
    private bool Resume()
    {
        try
        {
            bool resumed = _catalog.Resume();
            if (_names.Orphans > 0)
            {
                new PosixFileSystem(_catalog.Store, _clock, _logger).RecoverOrphans();
                resumed = true;
            }

            return resumed;
        }
        catch (Exception e) when (e is CorruptFormatException or IntegrityException)
        {
            _sink.Found(new Problem(e is IntegrityException ? ProblemCode.DataBlockBad : ProblemCode.TruncationNoteBad, $"what a crash interrupted cannot be finished: {e.Message}"));
            return false;
        }
    }
}
