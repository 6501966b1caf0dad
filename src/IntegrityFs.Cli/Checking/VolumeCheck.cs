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
    private RepairLevel _level;

    /// <param name="evenIfClean">False: a volume that was closed in order is not gone through.</param>
    /// <param name="givenUp">What the operator gives up first.</param>
    public CheckReport Run(bool evenIfClean, IReadOnlyList<GivenUpBlock> givenUp)
    {
        _level = level;
        using UnlockedDevice? unlocked = Unlock();
        if (unlocked is null)
        {
            return _report;
        }

        _report.Uuid = unlocked.Header.Superblock.Uuid;
        _report.Label = unlocked.Header.Superblock.Label;
        CheckSlots(unlocked);
        List<int> badSuperblocks = SuperblockCheck.FindBad(unlocked.Device, unlocked.Key.Bytes, unlocked.Slots.VolumeUuid);
        if (!evenIfClean && badSuperblocks.Count == 0 && IsClean(unlocked))
        {
            _report.Skipped = true;
            return _report;
        }

        var options = new VolumeOptions { CacheBytes = 64L << 20, HashLanes = Math.Clamp(Environment.ProcessorCount, 1, 8), Logger = logger };
        using ProtectedVolume? volume = CheckedOpening.Open(unlocked.Device, unlocked.Key.Bytes, options, ref _level, this);
        if (volume is null)
        {
            return _report;
        }

        ReportSuperblocks(badSuperblocks);
        ReportRecovery(volume);
        foreach (GivenUpBlock block in givenUp)
        {
            GiveUp(volume, block);
        }

        Check(volume);
        _report.BlocksVerified = volume.Status().BlocksVerified;
        volume.Close();
        return _report;
    }

    public void Found(Problem problem)
    {
        _report.Add(problem);
        progress.Found(problem);
    }

    public void Progress(string phase, long done) => progress.Progress(phase, done);

    private static bool IsClean(UnlockedDevice unlocked) =>
        unlocked.Header.GoodCopies == VolumeGeometry.HeaderCopies
        && unlocked.Header.Superblock.State.HasFlag(VolumeState.Clean)
        && CanBe(unlocked.Header.Superblock, unlocked.Device.Length);

    /// <summary>False for a superblock that says what cannot be on this device: only a mount would find out.</summary>
    private static bool CanBe(Superblock superblock, long deviceLength)
    {
        try
        {
            _ = VolumeGeometry.Create(superblock.BlockSize, superblock.DeviceLength, superblock.JournalBlocks);
            return superblock.DeviceLength <= deviceLength;
        }
        catch (CorruptFormatException)
        {
            return false;
        }
    }

    /// <summary>Null where header or key slots are damaged beyond use, which is told.</summary>
    private UnlockedDevice? Unlock()
    {
        try
        {
            return UnlockedDevice.Open(path, key, readOnly: level == RepairLevel.None, RepairedCopy);
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException or CommandFailure { Cause: Cause.Integrity or Cause.CorruptStructure })
        {
            Found(CheckedOpening.Unusable(path, e.Message));
            return null;
        }
    }

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
            Found(new Problem(ProblemCode.SuperblockCopy, $"{path}: superblock {copy} is damaged; the other one is good", Repaired: _level != RepairLevel.None));
        }
    }

    private void ReportRecovery(ProtectedVolume volume)
    {
        // What lies behind a gap is only left out, not given up, where nothing may be written.
        RecoveryReport recovery = volume.Recovery;
        _report.Recovery = recovery with { GapAccepted = recovery.GapAccepted && _level == RepairLevel.All };
        foreach (long block in recovery.LostBlocks)
        {
            Found(new Problem(ProblemCode.JournalImageLost, $"block {block}: its image in the journal is damaged; it is lost until overwritten", block));
        }

        long repairs = _level == RepairLevel.None ? 0 : volume.Status().TagNodeRepairs;
        if (repairs > 0)
        {
            Found(new Problem(ProblemCode.TagNodeCopy, $"{path}: {repairs} nodes of the tag tree had one bad copy", Repaired: true));
        }
    }

    private void Check(ProtectedVolume volume)
    {
        ulong seed = BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(sizeof(ulong)));
        var checker = new VolumeChecker(new CatalogCheck(volume, seed, logger), new CheckOptions { Repair = _level }, this, TimeProvider.System, logger, cancellation);
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
