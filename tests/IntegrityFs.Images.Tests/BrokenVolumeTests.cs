using System.Diagnostics;
using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Journal;
using IntegrityFs.Volume;

namespace IntegrityFs.Images.Tests;

/// <summary>Superblocks and journals that are authentic and absurd, damaged copies, and what an operator may give up.</summary>
public sealed class BrokenVolumeTests(ITestOutputHelper output)
{
    public static TheoryData<string> Absurd => [.. s_superblocks.Keys];

    private static readonly Dictionary<string, Func<Superblock, Superblock>> s_superblocks = new()
    {
        ["a device of an exabyte"] = static s => s with { DeviceLength = 1L << 60 },
        ["a negative device"] = static s => s with { DeviceLength = long.MinValue },
        ["a device of one block"] = static s => s with { DeviceLength = 4096 },
        ["a block size of 3"] = static s => s with { BlockSize = 3 },
        ["a block size of 2 GiB"] = static s => s with { BlockSize = int.MinValue },
        ["blocks larger than they were"] = static s => s with { BlockSize = 65536 },
        ["no journal"] = static s => s with { JournalBlocks = 0 },
        ["a journal larger than the device"] = static s => s with { JournalBlocks = 1 << 22 },
        ["a journal of all numbers"] = static s => s with { JournalBlocks = long.MaxValue },
        ["the last sequence"] = static s => s with { NextSequence = TransactionId.MaxValue - 1 },
        ["a root in a slot that does not exist"] = static s => s with { Root = new TagEntry(s.Root.Version, 9, s.Root.Tag) },
        ["no root"] = static s => s with { Root = TagEntry.Absent },
    };

    [Theory]
    [MemberData(nameof(Absurd))]
    public void An_absurd_superblock_is_refused_with_its_reason(string name)
    {
        MemoryDevice device = SampleVolume.Copy();
        Breaker.EditSuperblock(device, s_superblocks[name]);
        Exception refused = Assert.ThrowsAny<Exception>(() => SampleVolume.Open(device).Dispose());
        Assert.True(refused is CorruptFormatException or IntegrityException, refused.ToString());
        Assert.NotEmpty(refused.Message);
        Assert.Null(Walk.Use(device));
    }

    [Theory]
    [MemberData(nameof(Absurd))]
    public void An_absurd_superblock_is_one_finding_at_every_level_and_nothing_is_written(string name)
    {
        // These open for a check, and are told as what they make unreadable.
        if (name.Contains("root", StringComparison.Ordinal))
        {
            MemoryDevice opens = SampleVolume.Copy();
            Breaker.EditSuperblock(opens, s_superblocks[name]);
            Assert.Contains(Inspection.Check(opens, RepairLevel.None), p => p.Code == ProblemCode.StateImpossible);
            return;
        }

        MemoryDevice device = SampleVolume.Copy();
        Breaker.EditSuperblock(device, s_superblocks[name]);
        byte[] before = device.Bytes.ToArray();
        foreach (RepairLevel level in Enum.GetValues<RepairLevel>())
        {
            Problem problem = Assert.Single(Inspection.Check(device, level));
            Assert.Equal((ProblemCode.VolumeUnusable, false), (problem.Code, problem.Repaired));
            Assert.StartsWith($"{device.Name}: ", problem.Message, StringComparison.Ordinal);
            Assert.True(device.Bytes.SequenceEqual(before));
        }
    }

    [Fact]
    public void Superblocks_that_are_both_damaged_and_a_device_that_was_cut_are_findings_too()
    {
        MemoryDevice damaged = SampleVolume.Copy();
        for (int copy = 0; copy < VolumeGeometry.HeaderCopies; copy++)
        {
            damaged[VolumeGeometry.SuperblockOffset(copy) + SuperblockLayout.LabelOffset] ^= 1;
        }

        Assert.Equal(ProblemCode.VolumeUnusable, Assert.Single(Inspection.Check(damaged, RepairLevel.All)).Code);
        var cut = new MemoryDevice(SampleVolume.Size / 2);
        cut.Write(0, SampleVolume.Copy().Bytes[..(SampleVolume.Size / 2)]);
        Problem problem = Assert.Single(Inspection.Check(cut, RepairLevel.None));
        Assert.Equal(ProblemCode.VolumeUnusable, problem.Code);
        Assert.Contains("truncated", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_gap_in_the_journal_is_told_and_left_until_a_full_repair_gives_up_what_lies_behind()
    {
        MemoryDevice device = WithGap();
        byte[] before = device.Bytes.ToArray();
        foreach (RepairLevel level in new[] { RepairLevel.None, RepairLevel.Safe })
        {
            Problem problem = Assert.Single(Inspection.Check(device, level));
            Assert.Equal((ProblemCode.JournalGap, false), (problem.Code, problem.Repaired));
            Assert.Contains("the journal is damaged at block", problem.Message, StringComparison.Ordinal);
            Assert.True(device.Bytes.SequenceEqual(before), $"a check of level {level} wrote");
        }

        Problem repair = Assert.Single(Inspection.Check(device, RepairLevel.All));
        Assert.Equal((ProblemCode.JournalGap, true), (repair.Code, repair.Repaired));
        Assert.Empty(Inspection.Check(device, RepairLevel.None));
        using ProtectedVolume volume = SampleVolume.Open(device, readOnly: true);
        var files = new PosixFileSystem(CatalogStore.Open(volume), TimeProvider.System);
        Assert.Equal(
            [Errno.OK, Errno.ENOENT, Errno.ENOENT],
            Enumerable.Range(0, 3).Select(i => files.Lookup(InodeNumber.Root, [(byte)('0' + i)], out _)));
    }

    [Fact]
    public void Beside_a_gap_in_the_journal_everything_else_is_told_too()
    {
        MemoryDevice device = WithGap();
        using (ProtectedVolume volume = SampleVolume.Open(SampleVolume.Copy(), readOnly: true))
        {
            device[volume.Geometry.BlockOffset(VolumeStateBlock.MirrorNumber) + 77] ^= 1;
        }

        long big;
        using (var breaker = new Breaker(SampleVolume.Copy()))
        {
            big = breaker.Volume.Geometry.BlockOffset(breaker.Extent(breaker.Inode("dir/big")).Item.Start.Value);
        }

        device[big + 10] ^= 1;
        List<Problem> problems = Inspection.Check(device, RepairLevel.None);
        Assert.Contains(problems, p => p.Code == ProblemCode.JournalGap);
        Assert.Contains(problems, p => p.Code == ProblemCode.DataBlockBad && p.Path == "/dir/big");
        Assert.DoesNotContain(Inspection.Check(device, RepairLevel.Safe), p => p.Repaired);
    }

    [Theory]
    [InlineData(JournalEntryKind.Image, BlockPurpose.Data, 1L << 40, 0)]
    [InlineData(JournalEntryKind.Image, BlockPurpose.TagNode, 5, 0)]
    [InlineData(JournalEntryKind.InPlace, BlockPurpose.Data, BlockNumber.MaxValue, 0)]
    [InlineData(JournalEntryKind.Freed, BlockPurpose.None, 5, 1L << 40)]
    [InlineData(JournalEntryKind.Freed, BlockPurpose.None, 1L << 40, 5)]
    [InlineData((JournalEntryKind)200, BlockPurpose.Data, 5, 0)]
    public void A_transaction_of_impossible_blocks_is_refused_and_writes_nothing(JournalEntryKind kind, BlockPurpose purpose, long block, long count)
    {
        MemoryDevice device = SampleVolume.Copy();
        Breaker.AppendTransaction(device, new JournalEntry(kind, purpose, block, default, count));
        byte[] before = device.Bytes.ToArray();
        Assert.Throws<CorruptFormatException>(() => SampleVolume.Open(device).Dispose());
        Assert.True(device.Bytes.SequenceEqual(before));
    }

    [Fact]
    public void A_transaction_that_overwrites_a_catalog_node_is_replayed_and_repaired()
    {
        MemoryDevice device = SampleVolume.Copy();
        long node;
        using (var breaker = new Breaker(device))
        {
            node = breaker.Root.Node.Block.Value;
            breaker.Close();
        }

        Breaker.AppendTransaction(device, new JournalEntry(JournalEntryKind.Image, BlockPurpose.CatalogNode, node, default, 0));
        Assert.NotEmpty(Inspection.Check(device, RepairLevel.None));
        List<Problem> repairs = Inspection.Check(device, RepairLevel.All);
        Assert.True(repairs.TrueForAll(p => p.Repaired), Inspection.Text(repairs));
        Assert.Empty(Inspection.Check(device, RepairLevel.All));
    }

    [Fact]
    public void A_damaged_copy_of_a_tag_node_is_told_and_repaired_from_the_good_one()
    {
        MemoryDevice device = SampleVolume.Copy();
        long[] copies = new long[2];
        using (ProtectedVolume volume = SampleVolume.Open(device, readOnly: true))
        {
            VolumeGeometry geometry = volume.Geometry;
            for (int copy = 0; copy < copies.Length; copy++)
            {
                copies[copy] = geometry.NodeOffset(geometry.Root, volume.Superblock.Root.Kind, copy);
            }
        }

        device[copies[1] + 99] ^= 1;
        Assert.Equal(ProblemCode.TagNodeCopy, Assert.Single(Inspection.Check(device, RepairLevel.None)).Code);

        // Opening for writing goes on in the other slot; what it leaves is whole.
        Assert.True(Inspection.Check(device, RepairLevel.Safe).TrueForAll(p => p.Repaired));
        Assert.Empty(Inspection.Check(device, RepairLevel.None));
    }

    [Fact]
    public void A_damaged_block_of_content_is_left_until_the_operator_names_it()
    {
        (MemoryDevice device, long block) = WithDamagedContent();
        Problem problem = Assert.Single(Inspection.Check(device, RepairLevel.All));
        Assert.Equal(ProblemCode.DataBlockBad, problem.Code);
        Assert.Equal(block, problem.Block);
        Assert.Equal("/dir/big", problem.Path);
        Assert.Equal(3 * 4096, problem.Offset);
        Assert.False(problem.Repaired);
        using (ProtectedVolume volume = SampleVolume.Open(device))
        {
            Assert.True(volume.GiveUpBlock(new BlockNumber(block), BlockPurpose.Data, accept: false));
            volume.Close();
        }

        Assert.Empty(Inspection.Check(device, RepairLevel.None));
    }

    [Fact]
    public void An_accepted_block_reads_as_it_stands()
    {
        (MemoryDevice device, long block) = WithDamagedContent();
        byte changed;
        using (ProtectedVolume volume = SampleVolume.Open(device))
        {
            changed = device[volume.Geometry.BlockOffset(block) + 10];
            Assert.True(volume.GiveUpBlock(new BlockNumber(block), BlockPurpose.Data, accept: true));
            volume.Close();
        }

        Assert.Empty(Inspection.Check(device, RepairLevel.None));
        using ProtectedVolume after = SampleVolume.Open(device, readOnly: true);
        using ReadScope scope = after.EnterRead();
        using BlockLease lease = after.Read(new BlockNumber(block), BlockPurpose.Data);
        Assert.Equal(changed, lease.Span[10]);
    }

    [Fact]
    public void A_damaged_leaf_costs_what_it_held_and_the_rest_is_made_whole()
    {
        MemoryDevice device = SampleVolume.Copy();
        long offset;
        using (var breaker = new Breaker(device))
        {
            CatalogNodeAddress leaf = breaker.Node(new CatalogKey(breaker.Inode("many") + 100, ItemKind.Inode, 0), 0);
            offset = breaker.Volume.Geometry.BlockOffset(leaf.Block.Value);
            breaker.Close();
        }

        device[offset + 2000] ^= 1;
        Assert.Contains(Inspection.Check(device, RepairLevel.None), p => p.Code == ProblemCode.NodeLost);
        List<Problem> careful = Inspection.Check(device, RepairLevel.Safe);
        Assert.DoesNotContain(careful, p => p.Repaired);
        List<Problem> repairs = Inspection.Check(device, RepairLevel.All);
        Assert.True(repairs.TrueForAll(p => p.Repaired), Inspection.Text(repairs.Where(p => !p.Repaired)));
        Assert.Empty(Inspection.Check(device, RepairLevel.All));
        using ProtectedVolume volume = SampleVolume.Open(device, readOnly: true);
        CatalogStore catalog = CatalogStore.Open(volume);
        Assert.InRange(catalog.Statistics.Inodes, SampleVolume.ManyFiles - 40, SampleVolume.ManyFiles + 11);
    }

    [Theory]
    [InlineData(VolumeStateBlock.BlockNumber)]
    [InlineData(VolumeStateBlock.MirrorNumber)]
    public void A_damaged_copy_of_the_state_is_told_and_repaired_by_a_careful_repair(long block)
    {
        MemoryDevice device = SampleVolume.Copy();
        using (ProtectedVolume volume = SampleVolume.Open(device, readOnly: true))
        {
            device[volume.Geometry.BlockOffset(block) + 77] ^= 1;
        }

        Problem problem = Assert.Single(Inspection.Check(device, RepairLevel.None));
        Assert.Equal((ProblemCode.StateCopy, block), (problem.Code, problem.Block));
        Assert.True(Assert.Single(Inspection.Check(device, RepairLevel.Safe)).Repaired);
        Assert.Empty(Inspection.Check(device, RepairLevel.None));
    }

    [Fact]
    public void A_state_that_is_damaged_in_both_copies_costs_nothing()
    {
        MemoryDevice device = SampleVolume.Copy();
        long inodes;
        using (ProtectedVolume volume = SampleVolume.Open(device, readOnly: true))
        {
            inodes = CatalogStore.Open(volume).Statistics.Inodes;
            device[volume.Geometry.BlockOffset(VolumeStateBlock.BlockNumber) + 77] ^= 1;
            device[volume.Geometry.BlockOffset(VolumeStateBlock.MirrorNumber) + 77] ^= 1;
        }

        Assert.Contains(Inspection.Check(device, RepairLevel.None), p => p.Code == ProblemCode.StateImpossible);
        List<Problem> repairs = Inspection.Check(device, RepairLevel.All);
        Assert.True(repairs.TrueForAll(p => p.Repaired), Inspection.Text(repairs.Where(p => !p.Repaired)));
        Assert.Empty(Inspection.Check(device, RepairLevel.All));
        using ProtectedVolume after = SampleVolume.Open(device, readOnly: true);
        Assert.Equal(inodes, CatalogStore.Open(after).Statistics.Inodes);
        Assert.Empty(Walk.Use(device)!.Errors);
    }

    [Fact]
    public void Without_room_for_a_repair_the_checker_says_what_is_left_and_harms_nothing()
    {
        MemoryDevice device = SampleVolume.Copy();
        using (var breaker = new Breaker(device))
        {
            CatalogNodeAddress leaf = breaker.Node(new CatalogKey(breaker.Inode("many") + 100, ItemKind.Inode, 0), 0);
            var files = new PosixFileSystem(CatalogStore.Open(breaker.Volume), TimeProvider.System);
            SampleVolume.Expect(files.Create(SampleVolume.Caller, InodeNumber.Root, "filler"u8, 0x1A4, OpenMode.Write, null, out Attributes made, out ulong handle));
            byte[] content = new byte[1 << 16];
            for (long at = 0; files.Write(handle, made.Inode, at, content, false, out int written) == Errno.OK; at += written)
            {
            }

            breaker.EditNode(leaf, static n => n[CatalogNodeLayout.VersionOffset] = 9);
            breaker.Close();
        }

        List<Problem> problems = Inspection.Check(device, RepairLevel.All);
        Assert.Contains(problems, p => p.Code == ProblemCode.NodeMalformed && !p.Repaired);
        Assert.Contains(Inspection.Check(device, RepairLevel.None), p => p.Code == ProblemCode.NodeMalformed);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_named_file_with_an_orphan_record_is_destroyed_by_nobody(bool beside)
    {
        MemoryDevice device = SampleVolume.Copy();
        using (var breaker = new Breaker(device))
        {
            breaker.Put(new CatalogKey(0, ItemKind.Orphan, breaker.Inode("dir/big")), []);
            if (beside)
            {
                // Needs a full repair, so a careful one may not go on to orphans.
                breaker.Put(new CatalogKey(5, (ItemKind)99, 1), [1, 2]);
            }

            breaker.Close();
        }

        using (ProtectedVolume mounted = SampleVolume.Open(device))
        {
            new PosixFileSystem(CatalogStore.Open(mounted), TimeProvider.System).RecoverOrphans();
            mounted.Close();
        }

        Inspection.Check(device, RepairLevel.Safe);
        Assert.True(Inspection.Check(device, RepairLevel.All).TrueForAll(p => p.Repaired));
        Assert.Empty(Inspection.Check(device, RepairLevel.None));
        using ProtectedVolume volume = SampleVolume.Open(device, readOnly: true);
        var files = new PosixFileSystem(CatalogStore.Open(volume), TimeProvider.System);
        SampleVolume.Expect(files.Lookup(InodeNumber.Root, "dir"u8, out Attributes directory));
        SampleVolume.Expect(files.Lookup(directory.Inode, "big"u8, out Attributes big));
        Assert.Equal((40 * 4096) + 100, big.Size);
    }

    [Fact]
    public void A_check_can_be_cancelled()
    {
        using ProtectedVolume volume = SampleVolume.Open(SampleVolume.Copy(), readOnly: true);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        var checker = new VolumeChecker(new CatalogCheck(volume, 0, null), new CheckOptions(), new Silent(), TimeProvider.System, null, cancelled.Token);
        Assert.ThrowsAny<OperationCanceledException>(checker.Run);
    }

    [Fact]
    public void The_structure_of_a_small_volume_is_checked_in_a_millisecond_or_so()
    {
        MemoryDevice device = new(4 << 20);
        VolumeFormatter.Format(device, SampleVolume.Key, new VolumeFormatOptions { JournalBytes = 512 * 4096 });
        using ProtectedVolume volume = SampleVolume.Open(device);
        CatalogStore.Format(volume, default, 1);
        volume.Close();
        var options = new CheckOptions { Content = false, OrphansMayBe = false };
        var best = TimeSpan.MaxValue;
        for (int i = 0; i < 200; i++)
        {
            long start = Stopwatch.GetTimestamp();
            new VolumeChecker(new CatalogCheck(volume, 0, null), options, new Silent(), TimeProvider.System, null, CancellationToken.None).Run();
            TimeSpan took = Stopwatch.GetElapsedTime(start);
            best = took < best ? took : best;
        }

        output.WriteLine($"best of 200: {best.TotalMicroseconds:0} microseconds");
        Assert.True(best < TimeSpan.FromMilliseconds(2), $"{best.TotalMilliseconds} ms");
    }

    private static (MemoryDevice Device, long Block) WithDamagedContent()
    {
        MemoryDevice device = SampleVolume.Copy();
        long block;
        using (var breaker = new Breaker(device))
        {
            block = breaker.Extent(breaker.Inode("dir/big")).Item.Start.Value + 3;
            breaker.Close();
            device[breaker.Volume.Geometry.BlockOffset(block) + 10] ^= 1;
        }

        return (device, block);
    }

    /// <summary>A volume that stopped after three transactions, each of which made a file, whose second is damaged in both
    /// descriptors.</summary>
    private static MemoryDevice WithGap()
    {
        MemoryDevice device = SampleVolume.Copy();
        using ProtectedVolume volume = SampleVolume.Open(device);
        var files = new PosixFileSystem(CatalogStore.Open(volume), TimeProvider.System);
        var ends = new List<long>();
        for (int i = 0; i < 3; i++)
        {
            SampleVolume.Expect(files.MakeNode(SampleVolume.Caller, InodeNumber.Root, [(byte)('0' + i)], 0x81A4, 0, null, out _));
            volume.Commit();
            ends.Add((long)volume.Superblock.Tail + volume.Status().JournalUsedBlocks);
        }

        device[volume.Geometry.JournalBlockOffset((ulong)ends[0]) + 100] ^= 1;
        device[volume.Geometry.JournalBlockOffset((ulong)ends[1] - 1) + 100] ^= 1;
        return device;
    }

    private sealed class Silent : ICheckSink
    {
        public void Found(Problem problem) => Assert.Fail(problem.Message);

        public void Progress(string phase, long done)
        {
        }
    }
}
