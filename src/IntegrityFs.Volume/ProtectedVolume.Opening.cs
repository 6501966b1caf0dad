// Promise: opening trusts nothing but the key. It reads the superblock pair, follows the journal, and builds the pending
// map that the crashed volume had; from there on a replayed volume and a running one are the same thing, so the checkpoint
// that follows on a writable volume is the replay, and a crash in it is a crash in a checkpoint. A read-only volume stops
// at the pending map and writes nothing.
using System.Runtime.ExceptionServices;
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;
using IntegrityFs.Journal;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Volume;

public sealed partial class ProtectedVolume
{
    /// <summary>Opens and, where needed, recovers a volume. The device stays the caller's.</summary>
    /// <exception cref="IntegrityException">Wrong key, damaged superblock pair, truncated device, gap in the journal.</exception>
    /// <exception cref="CorruptFormatException">Authentic but unknown or impossible parameters.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    public static ProtectedVolume Open(IDevice device, ReadOnlySpan<byte> masterKey, VolumeOptions options)
    {
        List<Guid> candidates = FindUuids(device);
        Exception? telling = null;
        for (int i = 0; ; i++)
        {
            try
            {
                return OpenAs(candidates[i], device, masterKey, options);
            }
            catch (Exception e) when (e is IntegrityException or CorruptFormatException && candidates.Count > 1)
            {
                // The keys depend on the UUID, and this copy's may be what is damaged, or be another volume's. Nothing has
                // been written: the state block did not verify. Of several causes the one behind the superblock says most.
                telling = telling is null or IntegrityException { Zone: Zone.Superblock } ? e : telling;
                if (i + 1 == candidates.Count)
                {
                    ExceptionDispatchInfo.Throw(telling);
                }
            }
        }
    }

    private static ProtectedVolume OpenAs(Guid uuid, IDevice device, ReadOnlySpan<byte> masterKey, VolumeOptions options)
    {
        var keys = new SubKeys(masterKey, uuid);
        var authenticators = new AuthenticatorPool(keys, options.HashEngine);
        var superblocks = new SuperblockStore(device, authenticators);
        ProtectedVolume? volume = null;
        try
        {
            Superblock superblock = superblocks.ReadNewest(uuid, out int? repair);
            VolumeGeometry geometry = VolumeGeometry.Create(superblock.BlockSize, superblock.DeviceLength, superblock.JournalBlocks);
            JournalScanResult scan = ScanJournal(device, geometry, authenticators, superblock, options);
            if (scan.GapAt is { } gap && !options.AcceptJournalGap)
            {
                ulong at = gap % (ulong)geometry.JournalBlocks;
                throw new IntegrityException(Zone.Journal, (long)at, $"the journal is damaged at block {at}: transaction {scan.GapSuccessor} is there but one before it is not; run the checker to give up what lies behind");
            }

            volume = new ProtectedVolume(device, keys, authenticators, superblocks, superblock, geometry, scan, options);
            volume.Start(scan, repair);
            return volume;
        }
        catch
        {
            if (volume is not null)
            {
                volume.Dispose();
            }
            else
            {
                superblocks.Dispose();
                authenticators.Dispose();
                keys.Dispose();
            }

            throw;
        }
    }

    /// <summary>Reads what a superblock says of itself, without a key: not to be trusted. False where there is none.</summary>
    public static bool TryReadSuperblock(IDevice device, out SuperblockSummary? summary)
    {
        summary = null;
        for (int copy = 0; copy < VolumeGeometry.HeaderCopies && summary is null; copy++)
        {
            if (device.Length < VolumeGeometry.SuperblockOffset(copy) + SuperblockLayout.Size)
            {
                break;
            }

            using var buffer = new AlignedMemory(SuperblockLayout.Size);
            device.Read(VolumeGeometry.SuperblockOffset(copy), buffer.Span);
            if (!Superblock.HasMagic(buffer.Span))
            {
                continue;
            }

            try
            {
                Superblock s = Superblock.Read(buffer.Span);
                summary = new SuperblockSummary(s.Uuid, s.Label, s.BlockSize, s.DeviceLength, s.JournalBlocks, s.Generation, s.State == VolumeState.Clean);
            }
            catch (CorruptFormatException)
            {
                // The other copy may be readable.
            }
        }

        return summary is not null;
    }

    private static JournalScanResult ScanJournal(IDevice device, VolumeGeometry geometry, AuthenticatorPool authenticators, Superblock superblock, VolumeOptions options)
    {
        var scanner = new JournalScanner(device, geometry, authenticators)
        {
            IgnoreMac = (options.Mutations & Mutation.IgnoreCommitMac) != 0,
            IgnoreChain = (options.Mutations & Mutation.IgnoreChain) != 0,
            VerifyNothing = (options.Mutations & Mutation.VerifyNothing) != 0,
            ReplayTorn = (options.Mutations & Mutation.ReplayTorn) != 0,
        };
        bool clean = superblock.State == VolumeState.Clean;
        JournalScanResult scan = scanner.Scan(superblock.Tail, superblock.NextSequence, superblock.Chain.Span, clean);
        if (scan.Torn is not null && !scanner.VerifyNothing && new TornTail(device, geometry, authenticators).WasDurable(superblock.Root, scan))
        {
            scan.KeepTorn();
        }

        return scan;
    }

    /// <summary>The UUIDs that the superblocks name, unauthenticated: the MAC over the same bytes confirms one.</summary>
    private static List<Guid> FindUuids(IDevice device)
    {
        var found = new List<Guid>();
        DeviceException? failure = null;
        using var buffer = new AlignedMemory(SuperblockLayout.Size);
        for (int copy = 0; copy < VolumeGeometry.HeaderCopies; copy++)
        {
            if (device.Length < VolumeGeometry.SuperblockOffset(copy) + SuperblockLayout.Size)
            {
                break;
            }

            try
            {
                device.Read(VolumeGeometry.SuperblockOffset(copy), buffer.Span);
            }
            catch (DeviceException e)
            {
                failure = e;
                continue;
            }

            var uuid = new Guid(buffer.Span.Slice(SuperblockLayout.UuidOffset, SuperblockLayout.UuidSize), bigEndian: true);
            if (Superblock.HasMagic(buffer.Span) && !found.Contains(uuid))
            {
                found.Add(uuid);
            }
        }

        return found.Count > 0 ? found
            : failure is not null ? throw failure
            : throw new IntegrityException(Zone.Superblock, 0, $"{device.Name}: no superblock found: not an IntegrityFs volume");
    }

    private void Start(JournalScanResult scan, int? repair)
    {
        bool wasInUse = _superblock.State != VolumeState.Clean || scan.Transactions.Count > 0;
        var lost = new List<long>();
        int blocks = 0;
        foreach (JournalTransaction transaction in scan.Transactions)
        {
            blocks += transaction.Images;
            Replay(transaction, lost);
        }

        lost.RemoveAll(block => !_pending.TryGet(block, out PendingBlock now) || now.Place != PendingPlace.Lost);
        bool jump = wasInUse && (Mutations & Mutation.ReuseSequence) == 0;
        ulong last = scan.Transactions.Count > 0 ? scan.Transactions[^1].Sequence + 1 : _superblock.NextSequence;
        ulong beyond = Math.Max(last, scan.GapSuccessor + 1);
        _nextSequence = Math.Max(beyond, _superblock.NextSequence) + (jump ? SequenceJump : 0);
        if (_nextSequence > TransactionId.MaxValue - SequenceJump)
        {
            throw new CorruptFormatException("the superblock's sequence numbers are used up");
        }

        Recovery = new RecoveryReport
        {
            WasInUse = wasInUse,
            Transactions = scan.Transactions.Count,
            Blocks = blocks,
            TornTail = scan.Torn is not null,
            LostBlocks = lost,
            DamagedDescriptors = scan.Transactions.Count(t => t.Decision == JournalDecision.ApplyReportDamage),
            SuperblockRepaired = repair is not null && !_options.ReadOnly,
            DecisionCases = scan.Cases,
            GapAccepted = scan.GapAt is not null,
        };
        ReportRecovery(scan);
        ReadState();
        if (!_options.ReadOnly)
        {
            MarkInUse(wasInUse, repair);
            if (lost.RemoveAll(block => block is VolumeStateBlock.BlockNumber or VolumeStateBlock.MirrorNumber) > 0 || _stateIsDamaged)
            {
                HealState();
            }
        }
    }

    /// <summary>One copy of the state is bad, the other has been read: the next commit writes both anew.</summary>
    private void HealState()
    {
        _stateIsDamaged = false;
        if (StateProblem is null && Begin(1, 0, out IVolumeOperation operation) == Errno.OK)
        {
            using (operation)
            {
                _ = operation.Root;
                operation.Complete();
            }
        }
    }

    /// <summary>Puts a transaction's blocks into the pending map; later transactions win, revokes take older images out.</summary>
    private void Replay(JournalTransaction transaction, List<long> lost)
    {
        int image = 0;
        foreach (JournalEntry entry in transaction.Entries)
        {
            if (entry.Kind == JournalEntryKind.Freed)
            {
                _pending.Remove(entry.Block, entry.Count);
            }
        }

        foreach (JournalEntry entry in transaction.Entries)
        {
            var tag = new TagEntry(transaction.Sequence, (byte)entry.Purpose, entry.Tag);
            if (entry.Kind == JournalEntryKind.InPlace)
            {
                _pending.Set(entry.Block, new PendingBlock(tag, 0, PendingPlace.Home));
            }
            else if (entry.Kind == JournalEntryKind.Image)
            {
                bool bad = transaction.BadImages.Contains(image);
                PendingPlace place = bad ? PendingPlace.Lost : transaction.ImagesAtHome.Contains(image) ? PendingPlace.Home : PendingPlace.Journal;
                _pending.Set(entry.Block, new PendingBlock(tag, transaction.FirstImage + (ulong)image, place));
                if (bad)
                {
                    lost.Add(entry.Block);
                }

                image++;
            }
        }
    }

    private void ReadState()
    {
        try
        {
            // This lease is never given back: ReadRoot hands its memory out for the length of a scope.
            BlockLease lease = Read(new BlockNumber(VolumeStateBlock.BlockNumber), BlockPurpose.State);
            State = VolumeStateBlock.Read(lease.Span, TotalBlocks, _allocator.Groups);
        }
        catch (Exception e) when (_options.AcceptImpossibleState && e is IntegrityException or CorruptFormatException)
        {
            StateProblem = e.Message;
            State = new VolumeStateBlock(0, 0);
        }
    }

    /// <summary>Replays onto the device and says "in use" before the first change can come. A crash before or after the
    /// superblock write is the same crash again. First of all a bad or older superblock is made equal to the one that counts:
    /// while that stands alone, nothing may be written that could tear it, nor into the tree slots that the older one names.</summary>
    private void MarkInUse(bool recovered, int? repair)
    {
        lock (_checkpointLock)
        {
            // What was read may be durable only as far as the last flush: a daemon that was killed leaves writes in the
            // device's cache. Nothing is written on the strength of them before they are on the medium.
            _device.Flush();
            if (repair is { } copy && (Mutations & Mutation.SingleSuperblock) == 0)
            {
                _superblocks.WriteCopy(copy, _superblock);
                _device.Flush();
            }

            if ((Mutations & Mutation.RecoveryForgetsJournal) != 0)
            {
                WriteSuperblockPair(_superblock with { Tail = _pendingHead, Chain = _pendingChain.ToArray(), NextSequence = _nextSequence });
            }

            CheckpointLocked();
            WriteSuperblockPair(_superblock with
            {
                State = VolumeState.InUse,
                NextSequence = _nextSequence,
                MountCount = _superblock.MountCount + 1,
                RecoveryCount = _superblock.RecoveryCount + (recovered ? 1UL : 0),
            });
        }
    }

    private void ReportRecovery(JournalScanResult scan)
    {
        if (Recovery.WasInUse)
        {
            LogReplayed(Logger, Recovery.Transactions, Recovery.Blocks, Recovery.TornTail ? "; a torn, never acknowledged transaction was dropped" : "");
        }

        foreach (JournalTransaction transaction in scan.Transactions)
        {
            if (transaction.Decision is JournalDecision.ApplyQuarantine or JournalDecision.ApplyReportDamage)
            {
                LogDamagedTransaction(Logger, transaction.Sequence, transaction.Position % (ulong)_geometry.JournalBlocks, transaction.BadImages.Count);
            }
        }

        if (Recovery.GapAccepted)
        {
            LogGap(Logger, scan.GapSuccessor);
        }
    }

    [LoggerMessage(3, LogLevel.Warning, "volume was not closed in order: replayed {Transactions} transactions, {Blocks} blocks{Torn}")]
    private static partial void LogReplayed(ILogger logger, int transactions, int blocks, string torn);

    [LoggerMessage(4, LogLevel.Error, "journal transaction {Sequence} at journal block {Position} is damaged, and newer ones are not: this is not a crash; {Images} blocks are lost")]
    private static partial void LogDamagedTransaction(ILogger logger, ulong sequence, ulong position, int images);

    [LoggerMessage(5, LogLevel.Error, "journal has a gap: transactions up to {Sequence} were given up at the operator's request")]
    private static partial void LogGap(ILogger logger, ulong sequence);
}
