using System.Buffers.Binary;
using System.Security.Cryptography;
using IntegrityFs.Catalog;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Keys;
using IntegrityFs.Volume;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Cli.Checking;

/// <summary>A block that the operator gives up.</summary>
/// <param name="Block">Its number.</param>
/// <param name="Accept">True: its content is taken as it stands; false: zeroes.</param>
internal readonly record struct GivenUpBlock(long Block, bool Accept);

/// <summary>A check from the command line: opens the device, looks at what is there before a volume is open, and hands the
/// volume to the checker.</summary>
internal sealed class VolumeCheck(string path, KeySource key, RepairLevel level, ICheckSink progress, ILogger logger, CancellationToken cancellation) : ICheckSink
{
    private readonly CheckReport _report = new() { Device = path, ReadOnly = level == RepairLevel.None };

    /// <param name="evenIfClean">False: a volume that was closed in order is not gone through.</param>
    /// <param name="givenUp">What the operator gives up first.</param>
    public CheckReport Run(bool evenIfClean, IReadOnlyList<GivenUpBlock> givenUp)
    {
        using UnlockedDevice unlocked = UnlockedDevice.Open(path, key, readOnly: level == RepairLevel.None, RepairedCopy);
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
            ReadOnly = level == RepairLevel.None,
            CacheBytes = 64L << 20,
            HashLanes = Math.Clamp(Environment.ProcessorCount, 1, 8),
            AcceptJournalGap = level == RepairLevel.All,
            AcceptImpossibleState = true,
            Logger = logger,
        });
        ReportSuperblocks(badSuperblocks);
        ReportRecovery(open.Volume);
        foreach (GivenUpBlock block in givenUp)
        {
            GiveUp(open.Volume, block);
        }

        Check(open.Volume);
        _report.BlocksVerified = open.Volume.Status().BlocksVerified;
        open.Volume.Close();
        return _report;
    }

    public void Found(Problem problem)
    {
        _report.Add(problem);
        progress.Found(problem);
    }

    public void Progress(string phase, long done) => progress.Progress(phase, done);

    private static bool IsClean(UnlockedDevice unlocked) =>
        unlocked.Header.GoodCopies == VolumeGeometry.HeaderCopies && unlocked.Header.Superblock.State.HasFlag(VolumeState.Clean);

    private void RepairedCopy(string text) => Found(new Problem(ProblemCode.KeySlotCopy, text, Repaired: true));

    private void CheckSlots(UnlockedDevice unlocked)
    {
        for (int copy = 0; copy < unlocked.Slots.CopyStates.Count; copy++)
        {
            KeySlotCopyState state = unlocked.Slots.CopyStates[copy];
            if (state != KeySlotCopyState.Good)
            {
                Found(new Problem(ProblemCode.KeySlotCopy, $"{path}: copy {copy} of the key slots is {state.ToString().ToLowerInvariant()}; the other one is good"));
            }
        }
    }

    /// <summary>The volume has opened, so one copy is good; where it is writable, the bad one has been replaced.</summary>
    private void ReportSuperblocks(List<int> bad)
    {
        foreach (int copy in bad)
        {
            Found(new Problem(ProblemCode.SuperblockCopy, $"{path}: superblock {copy} is damaged; the other one is good", Repaired: level != RepairLevel.None));
        }
    }

    private void ReportRecovery(ProtectedVolume volume)
    {
        RecoveryReport recovery = volume.Recovery;
        _report.Recovery = recovery;
        if (recovery.GapAccepted)
        {
            Found(new Problem(ProblemCode.JournalGap, $"{path}: the journal is damaged; the transactions behind the damage have been given up", Repaired: true));
        }

        foreach (long block in recovery.LostBlocks)
        {
            Found(new Problem(ProblemCode.JournalImageLost, $"block {block}: its image in the journal is damaged; it is lost until overwritten", block));
        }

        long repairs = level == RepairLevel.None ? 0 : volume.Status().TagNodeRepairs;
        if (repairs > 0)
        {
            Found(new Problem(ProblemCode.TagNodeCopy, $"{path}: {repairs} nodes of the tag tree had one bad copy", Repaired: true));
        }
    }

    private void Check(ProtectedVolume volume)
    {
        ulong seed = BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(sizeof(ulong)));
        var checker = new VolumeChecker(new CatalogCheck(volume, seed, logger), new CheckOptions { Repair = level }, this, TimeProvider.System, logger, cancellation);
        CheckSummary summary = checker.Run();
        _report.Files = summary.Files;
        _report.Directories = summary.Directories;
        _report.Orphans = summary.Orphans;
    }

    private void GiveUp(ProtectedVolume volume, GivenUpBlock request)
    {
        var block = new BlockNumber(request.Block);
        string option = request.Accept ? "--accept-block" : "--zero-block";
        if (request.Block >= volume.TotalBlocks)
        {
            throw new CommandFailure(Cause.Usage, $"{option} {block}: the volume has {volume.TotalBlocks} blocks");
        }

        BlockPurpose purpose = volume.HasTag(block) ? volume.PurposeOf(block) : BlockPurpose.Data;
        if (purpose is not (BlockPurpose.Data or BlockPurpose.CatalogNode or BlockPurpose.Bitmap or BlockPurpose.State))
        {
            throw new CommandFailure(Cause.Usage, $"{option} {block}: nothing has ever been written to this block");
        }

        if (volume.Verifies(block, purpose))
        {
            throw new CommandFailure(Cause.Usage, $"{option} {block}: the block is authentic; nothing is given up");
        }

        if (purpose != BlockPurpose.Data && !request.Accept)
        {
            throw new CommandFailure(Cause.Usage, $"{option} {block}: the block holds metadata ({purpose}), in which zeros mean nothing; -y repairs what can be repaired without it");
        }

        if (!volume.GiveUpBlock(block, purpose, request.Accept))
        {
            throw new CommandFailure(Cause.System, $"{option} {block}: the volume takes no changes");
        }

        string what = request.Accept
            ? $"block {block} ({purpose}): ACCEPTED as it stands. Whoever changed it decides what it says; its authenticity is lost for good."
            : $"block {block}: ZEROED. Its content is lost; the file that it belongs to reads zeros there.";
        Found(new Problem(ProblemCode.DataBlockBad, what, request.Block, Repaired: true));
    }
}
