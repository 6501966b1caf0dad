// Promise: what a checker needs of a volume beyond its scopes: the superblock pair and the tag tree in every copy, what the
// tags say of a block, and doors for the repairs of what the volume itself owns. Every repair but that of a copy goes
// through an operation, so through the journal.
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Volume;

public sealed partial class ProtectedVolume
{
    /// <summary>Why the state block could not be used; null where it could. Only where the options allow that.</summary>
    public string? StateProblem { get; private set; }

    /// <summary>What a block's newest tag says that it is for; None where it has never been written, or where the tag
    /// itself cannot be read.</summary>
    public BlockPurpose PurposeOf(BlockNumber block) => TryEntry(block, out TagEntry entry) ? (BlockPurpose)entry.Kind : BlockPurpose.None;

    /// <summary>The transaction that wrote a block last; 0 where none did or its tag cannot be read.</summary>
    public ulong VersionOf(BlockNumber block) => TryEntry(block, out TagEntry entry) ? entry.Version : 0;

    /// <summary>True where the tag of the block can be read; its content may still not fit it.</summary>
    public bool HasTag(BlockNumber block) => TryEntry(block, out _);

    /// <summary>Checks both superblocks as they stand on the device. An open writable volume has both equal.</summary>
    public void CheckSuperblocks(CheckPass pass)
    {
        for (int copy = 0; copy < VolumeGeometry.HeaderCopies; copy++)
        {
            if (!_superblocks.IsEqual(copy, _superblock))
            {
                pass.Add(RepairStage.Space, new Problem(ProblemCode.SuperblockCopy, $"superblock {copy} is damaged or older; the other one is good"), RewriteSuperblocks);
            }
        }
    }

    /// <summary>Checks every node of the tag tree, in every copy.</summary>
    public void CheckTagTree(CheckPass pass)
    {
        long nodes = 0;
        _tree.Check(
            bad =>
            {
                string node = $"node {bad.Node.Index} of level {bad.Node.Level} of the tag tree";
                if (!bad.HasGood)
                {
                    if (bad.Copy == 0)
                    {
                        pass.Add(RepairStage.Content, new Problem(ProblemCode.TagNodeLost, $"{node} is not authentic in any copy: the blocks from {bad.FirstBlock} on cannot be verified", bad.FirstBlock));
                    }

                    return false;
                }

                bool repair = pass.Level != RepairLevel.None && !_device.IsReadOnly;
                pass.Add(RepairStage.Space, new Problem(ProblemCode.TagNodeCopy, $"{node}: copy {bad.Copy} is damaged; the other one is good", bad.FirstBlock), () => true);
                return repair;
            },
            () =>
            {
                if ((++nodes & 255) == 0)
                {
                    pass.Progress("tag tree", nodes);
                }
            });
        if (pass.WantsRepair)
        {
            _device.Flush();
        }
    }

    /// <summary>At the wish of an operator who names the block: gives it content that verifies again. Zeroes, or, where
    /// <paramref name="accept"/> says so, what stands on the device now, whoever put it there.</summary>
    /// <returns>False where the volume takes no changes.</returns>
    public bool GiveUpBlock(BlockNumber block, BlockPurpose purpose, bool accept)
    {
        CheckBlock(block.Value);
        using var content = new AlignedMemory(BlockSize);
        if (accept)
        {
            _device.Read(_geometry.BlockOffset(block.Value), content.Span);
        }

        if (Begin(1, 0, out IVolumeOperation operation) != Errno.OK)
        {
            return false;
        }

        using (operation)
        {
            content.Span.CopyTo(operation.Create(block, purpose));
            operation.Complete();
        }

        LogGivenUp(Logger, block.Value, accept ? "accepted as it stands" : "zeroed");
        Commit();
        return true;
    }

    /// <summary>True where a block reads and verifies.</summary>
    public bool Verifies(BlockNumber block, BlockPurpose purpose)
    {
        try
        {
            using ReadScope scope = EnterRead();
            using BlockLease lease = Read(block, purpose);
            return true;
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException or DeviceException)
        {
            return false;
        }
    }

    /// <summary>Groups of the volume.</summary>
    internal long Groups => _allocator.Groups;

    internal long InitializedGroups => _state.InitializedGroups;

    internal long BitmapBlock(long group) => _allocator.BitmapBlock(group);

    /// <summary>Blocks that are never free.</summary>
    internal long ReservedBlocks => _allocator.ReservedBlocks;

    /// <summary>Begins an operation for a repair of the volume's own blocks.</summary>
    internal bool BeginCorrection(int blocks, out VolumeOperation operation)
    {
        operation = _operation;
        return Begin(blocks, 0, out _) == Errno.OK;
    }

    /// <summary>Makes the state block anew, if it cannot be used: the root area as far as it can be read, no counters.</summary>
    internal bool ResetState()
    {
        byte[] root = new byte[VolumeStateLayout.RootSize];
        try
        {
            using ReadScope scope = EnterRead();
            ReadRoot().CopyTo(root);
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException)
        {
            // Nothing of it is believed, then.
        }

        if (!BeginCorrection(1, out VolumeOperation operation))
        {
            return false;
        }

        using (operation)
        {
            root.CopyTo(operation.Create(new BlockNumber(VolumeStateBlock.BlockNumber), BlockPurpose.State)[VolumeStateLayout.RootOffset..]);
            operation.Correct(new VolumeStateBlock(0, 0));
            operation.Complete();
        }

        StateProblem = null;
        return true;
    }

    /// <summary>Checks that the state block could be used.</summary>
    public void CheckState(CheckPass pass)
    {
        if (StateProblem is { } problem)
        {
            pass.Add(RepairStage.Space, new Problem(ProblemCode.StateImpossible, problem, VolumeStateBlock.BlockNumber), ResetState);
            return;
        }

        using var copies = new AlignedMemory(2 * BlockSize);
        Span<byte> first = copies.Span[..BlockSize];
        Span<byte> second = copies.Span[BlockSize..];
        bool isFirst = TryLoad(VolumeStateBlock.BlockNumber, first);
        bool isSecond = TryLoad(VolumeStateBlock.MirrorNumber, second);
        if (!isFirst || !isSecond || !first.SequenceEqual(second))
        {
            long bad = isFirst ? VolumeStateBlock.MirrorNumber : VolumeStateBlock.BlockNumber;
            pass.Add(RepairStage.Space, new Problem(ProblemCode.StateCopy, $"the copy of the state block in block {bad} is damaged or differs from the other", bad), RewriteState);
        }
    }

    /// <summary>Adds the blocks that the volume itself owns.</summary>
    public void AddReserved(BlockMap used)
    {
        used.Add(VolumeStateBlock.BlockNumber);
        used.Add(VolumeStateBlock.MirrorNumber);
        for (long group = 0; group < _allocator.Groups; group++)
        {
            used.Add(_allocator.BitmapBlock(group));
        }
    }

    private bool TryLoad(long block, Span<byte> destination)
    {
        try
        {
            using ReadScope scope = EnterRead();
            LoadInto(block, BlockPurpose.State, destination);
            return true;
        }
        catch (Exception e) when (e is IntegrityException or DeviceException)
        {
            return false;
        }
    }

    /// <summary>A change of the state writes both copies.</summary>
    private bool RewriteState()
    {
        if (!BeginCorrection(1, out VolumeOperation operation))
        {
            return false;
        }

        using (operation)
        {
            operation.Modify(new BlockNumber(VolumeStateBlock.BlockNumber), BlockPurpose.State);
            operation.Complete();
        }

        Commit();
        return true;
    }

    private bool RewriteSuperblocks()
    {
        lock (_checkpointLock)
        {
            WriteSuperblockPair(_superblock);
            FlushSecondSuperblock();
        }

        return true;
    }

    private bool TryEntry(BlockNumber block, out TagEntry entry)
    {
        try
        {
            entry = _pending.TryGet(block.Value, out PendingBlock pending) ? pending.Entry : _tree.Find(block.Value);
            return true;
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException or DeviceException)
        {
            entry = default;
            return false;
        }
    }

    [LoggerMessage(9, LogLevel.Warning, "block {Block} was {What} at the operator's request: its content is not what was written before")]
    private static partial void LogGivenUp(ILogger logger, long block, string what);
}
