using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Keys;
using IntegrityFs.Volume;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Cli.Checking;

/// <summary>How much a check may change.</summary>
internal enum RepairMode
{
    /// <summary>-n: not a byte.</summary>
    Nothing,

    /// <summary>-p, -a: what loses nothing: replay, and the good copy over the bad one.</summary>
    Safe,

    /// <summary>-y: also to give up what cannot be had any more.</summary>
    All,
}

/// <summary>The check of a whole volume, from the outside inwards: superblocks, key slots, journal, tag tree, catalog,
/// every block in use. A tag is never recomputed over content that did not verify.</summary>
internal sealed class VolumeCheck(string path, KeySource key, RepairMode mode, IScanSink progress, ILogger logger, CancellationToken cancellation) : IScanSink
{
    private readonly CheckReport _report = new() { Device = path, ReadOnly = mode == RepairMode.Nothing };

    /// <param name="evenIfClean">False: a volume that was closed in order is not gone through.</param>
    public CheckReport Run(bool evenIfClean)
    {
        using UnlockedDevice unlocked = UnlockedDevice.Open(path, key, readOnly: mode == RepairMode.Nothing, RepairedCopy);
        _report.Uuid = unlocked.Header.Superblock.Uuid;
        _report.Label = unlocked.Header.Superblock.Label;
        CheckSlots(unlocked);
        List<int> badSuperblocks = SuperblockCheck.FindBad(unlocked.Device, unlocked.Key.Bytes, unlocked.Slots.VolumeUuid);
        if (!evenIfClean && badSuperblocks.Count == 0 && IsClean(unlocked))
        {
            _report.Skipped = true;
            return _report;
        }

        using OpenVolume open = OpenVolume.Open(unlocked, new VolumeOptions
        {
            ReadOnly = mode == RepairMode.Nothing,
            CacheBytes = 64L << 20,
            HashLanes = Math.Clamp(Environment.ProcessorCount, 1, 8),
            AcceptJournalGap = mode == RepairMode.All,
            Logger = logger,
        });
        ReportSuperblocks(badSuperblocks);
        ReportRecovery(open.Volume.Recovery);
        CheckContent(open.Volume);
        Finish(open.Volume);
        return _report;
    }

    public void Found(ScanProblem problem)
    {
        _report.Problems.Add(problem);
        progress.Found(problem);
    }

    public void Progress(long blocks) => progress.Progress(blocks);

    private static bool IsClean(UnlockedDevice unlocked) =>
        unlocked.Header.GoodCopies == VolumeGeometry.HeaderCopies && unlocked.Header.Superblock.State.HasFlag(VolumeState.Clean);

    private void RepairedCopy(string text) => Found(new ScanProblem(ProblemKind.Copy, text, Repaired: true));

    private void CheckSlots(UnlockedDevice unlocked)
    {
        for (int copy = 0; copy < unlocked.Slots.CopyStates.Count; copy++)
        {
            KeySlotCopyState state = unlocked.Slots.CopyStates[copy];
            if (state != KeySlotCopyState.Good)
            {
                Found(new ScanProblem(ProblemKind.Copy, $"{path}: copy {copy} of the key slots is {state.ToString().ToLowerInvariant()}; the other one is good"));
            }
        }
    }

    /// <summary>The volume has opened, so one copy is good; where it is writable, the bad one has been replaced.</summary>
    private void ReportSuperblocks(List<int> bad)
    {
        foreach (int copy in bad)
        {
            Found(new ScanProblem(ProblemKind.Copy, $"{path}: superblock {copy} is damaged; the other one is good", Repaired: mode != RepairMode.Nothing));
        }
    }

    private void ReportRecovery(RecoveryReport recovery)
    {
        _report.Recovery = recovery;
        if (recovery.GapAccepted)
        {
            Found(new ScanProblem(ProblemKind.Integrity, $"{path}: the journal is damaged; the transactions behind the damage have been given up", Repaired: true));
        }

        foreach (long block in recovery.LostBlocks)
        {
            Found(new ScanProblem(ProblemKind.Integrity, $"block {block}: its image in the journal is damaged; it is lost until overwritten", block));
        }
    }

    private void CheckContent(ProtectedVolume volume)
    {
        CatalogStore catalog;
        try
        {
            catalog = CatalogStore.Open(volume, logger);
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException)
        {
            Found(new ScanProblem(e is IntegrityException ? ProblemKind.Integrity : ProblemKind.Structure, $"{path}: the catalog cannot be opened: {e.Message}"));
            return;
        }

        if (mode != RepairMode.Nothing)
        {
            new PosixFileSystem(catalog, TimeProvider.System, logger).RecoverOrphans();
        }

        var scan = new ContentScan(volume, catalog, this, cancellation);
        scan.Run();
        _report.Files = scan.Files;
        _report.Directories = scan.Directories;
    }

    private void Finish(ProtectedVolume volume)
    {
        VolumeStatus status = volume.Status();
        _report.BlocksVerified = status.BlocksVerified;
        if (status.TagNodeRepairs > 0)
        {
            Found(new ScanProblem(ProblemKind.Copy, $"{path}: {status.TagNodeRepairs} nodes of the tag tree had one bad copy", Repaired: mode != RepairMode.Nothing));
        }

        volume.Close();
    }
}
