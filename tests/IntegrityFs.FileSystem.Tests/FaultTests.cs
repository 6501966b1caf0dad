using System.Diagnostics.Metrics;
using IntegrityFs.FileSystem.Conformance;
using IntegrityFs.Format;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.FileSystem.Tests;

public sealed class FaultTests
{
    private static InodeNumber Root => InodeNumber.Root;

    private static IntegrityException Mismatch(long block, Zone zone = Zone.Data) => new(zone, block, "the tag does not fit");

    [Fact]
    public void A_bad_block_is_an_io_error_and_one_line_that_names_block_zone_inode_path_and_offset()
    {
        Harness h = new();
        InodeNumber d = h.T.Mkdir(Root, "etc");
        InodeNumber f = h.T.File(d, "passwd", Driver.Pattern(20_000));
        h.Catalog.BadContent[f.Value] = Mismatch(4711);
        ulong handle = h.T.Open(f);
        Assert.Equal(Errno.EIO, h.Fs.Read(handle, f, 8192, new byte[100], out int read));
        Assert.Equal(0, read);
        Assert.Equal(Errno.EIO, h.Fs.Read(handle, f, 8192, new byte[100], out _));

        LogLine line = Assert.Single(h.Log.All);
        Assert.Equal(LogLevel.Error, line.Level);
        Assert.Equal((4711L, Zone.Data, f.Value, "/etc/passwd", 8192L), (line.Fields["Block"], line.Fields["Zone"], line.Fields["Inode"], line.Fields["Path"], line.Fields["Offset"]));
        Assert.Equal(h.Catalog.Uuid, line.Fields["Volume"]);
        Assert.Contains("4711", line.Text, StringComparison.Ordinal);
        Assert.Equal((2L, 1L), (h.Fs.Faults.Mismatches, h.Fs.Faults.BadBlocks));
    }

    [Fact]
    public void Every_other_bad_block_gets_its_own_line()
    {
        Harness h = new();
        InodeNumber f = h.T.File(Root, "f", "abc"u8);
        ulong handle = h.T.Open(f);
        for (int i = 0; i < 3000; i++)
        {
            h.Catalog.BadContent[f.Value] = Mismatch(i % 1000);
            Assert.Equal(Errno.EIO, h.Fs.Read(handle, f, 0, new byte[1], out _));
        }

        Assert.Equal(1000, h.Log.All.Length);
        Assert.Equal(1000, h.Log.All.Select(l => l.Fields["Block"]).Distinct().Count());
        Assert.Equal((3000L, 1000L), (h.Fs.Faults.Mismatches, h.Fs.Faults.BadBlocks));
        h.Catalog.BadContent[f.Value] = Mismatch(5, Zone.Catalog);
        h.Fs.Read(handle, f, 0, new byte[1], out _);
        Assert.Equal(1001, h.Log.All.Length);
    }

    [Fact]
    public void The_memory_of_reported_blocks_is_bounded()
    {
        Harness h = new();
        InodeNumber f = h.T.File(Root, "f", "abc"u8);
        ulong handle = h.T.Open(f);
        for (int i = 0; i < 40_000; i++)
        {
            h.Catalog.BadContent[f.Value] = Mismatch(i);
            h.Fs.Read(handle, f, 0, new byte[1], out _);
        }

        Assert.Equal(40_000, h.Log.All.Length);
    }

    [Fact]
    public void A_path_is_shown_even_where_part_of_it_cannot_be_read()
    {
        Harness h = new();
        InodeNumber d = h.T.Mkdir(Root, "d");
        InodeNumber f = h.T.File(d, "f", "abc"u8);
        ulong handle = h.T.Open(f);
        h.Catalog.BadContent[f.Value] = Mismatch(1);
        h.Catalog.BadInodes[d.Value] = Mismatch(2, Zone.Catalog);
        Assert.Equal(Errno.EIO, h.Fs.Read(handle, f, 0, new byte[1], out _));
        Assert.Equal("?/f", Assert.Single(h.Log.All).Fields["Path"]);
    }

    [Fact]
    public void A_path_in_a_message_shows_no_control_characters_and_says_deleted()
    {
        Harness h = new();
        InodeNumber f = h.T.File(Root, "a\nb\u001b[0m", "abc"u8);
        ulong handle = h.T.Open(f);
        h.Catalog.BadContent[f.Value] = Mismatch(1);
        h.Fs.Read(handle, f, 0, new byte[1], out _);
        Assert.Equal("/a?b?[0m", h.Log.All[0].Fields["Path"]);
        h.T.Unlink(Root, "a\nb\u001b[0m");
        h.Catalog.BadContent[f.Value] = Mismatch(2);
        h.Fs.Read(handle, f, 0, new byte[1], out _);
        Assert.Equal("(deleted)", h.Log.All[1].Fields["Path"]);
    }

    [Fact]
    public void A_ring_of_parents_ends_the_path_and_fails_the_rename()
    {
        Harness h = new();
        InodeNumber a = h.T.Mkdir(Root, "a");
        InodeNumber b = h.T.Mkdir(a, "b");
        InodeNumber c = h.T.Mkdir(Root, "c");
        h.T.Mkdir(c, "d");
        h.Catalog.Nodes[a.Value].Record.Parent = b;
        Assert.Equal(Errno.EIO, h.T.TryRename(c, "d", b, "x"));
        LogLine line = Assert.Single(h.Log.All);
        Assert.Contains("ring", line.Text, StringComparison.Ordinal);
        Assert.Equal(1, h.Fs.Faults.CorruptStructures);
    }

    [Fact]
    public void An_entry_without_inode_is_corrupt_and_not_missing()
    {
        Harness h = new();
        InodeNumber f = h.T.Touch(Root, "f");
        h.Catalog.Nodes.Remove(f.Value);
        Assert.Equal(Errno.EIO, h.T.TryLookup(Root, "f", out _));
        Assert.Equal(Errno.EIO, h.T.TryUnlink(Root, "f"));
        Assert.Equal(2, h.Fs.Faults.CorruptStructures);
        Assert.Single(h.Log.All);
    }

    [Fact]
    public void One_unreadable_inode_does_not_end_a_listing()
    {
        Harness h = new();
        h.T.Touch(Root, "a");
        InodeNumber bad = h.T.Touch(Root, "b");
        h.T.Touch(Root, "c");
        h.Catalog.BadInodes[bad.Value] = Mismatch(9, Zone.Catalog);
        List<Listed> all = h.T.List(Root, withAttributes: true);
        Assert.Equal(5, all.Count);
        Assert.Equal(0u, all.Single(e => e.Name == "b").Attributes.Mode);
        Assert.NotEqual(0u, all.Single(e => e.Name == "c").Attributes.Mode);
        Assert.Equal(9L, Assert.Single(h.Log.All).Fields["Block"]);
    }

    [Fact]
    public void A_failed_device_read_is_an_io_error_and_no_reason_to_refuse_syncs()
    {
        Harness h = new();
        InodeNumber f = h.T.File(Root, "f", "abc"u8);
        ulong handle = h.T.Open(f);
        h.Catalog.BadContent[f.Value] = new DeviceException(Errno.EIO, DeviceOperation.Read, 8192, "read failed");
        Assert.Equal(Errno.EIO, h.Fs.Read(handle, f, 0, new byte[1], out _));
        Assert.Equal(8192L, Assert.Single(h.Log.All).Fields["DeviceOffset"]);
        Assert.Equal(Errno.OK, h.Fs.Sync(f, false));
        Assert.Equal(1, h.Fs.Faults.DeviceErrors);
    }

    [Theory]
    [InlineData(DeviceOperation.Write)]
    [InlineData(DeviceOperation.Flush)]
    public void After_a_failed_write_or_flush_no_sync_ever_succeeds_again(DeviceOperation operation)
    {
        Harness h = new();
        InodeNumber f = h.T.File(Root, "f", "abc"u8);
        h.Catalog.SyncFailure = new DeviceException(Errno.ENOSPC, operation, 0, "failed");
        Assert.Equal(Errno.EIO, h.Fs.Sync(f, false));
        h.Catalog.SyncFailure = null;
        Assert.Equal(Errno.EIO, h.Fs.Sync(f, true));
        Assert.Equal(Errno.EIO, h.Fs.SyncDirectory(Root, false));
        Assert.Equal(Errno.EIO, h.Fs.SyncFileSystem());
        Assert.Equal(0, h.Catalog.Syncs);
    }

    [Fact]
    public void On_a_faulted_volume_changes_are_refused_and_syncs_fail()
    {
        Harness h = new();
        InodeNumber f = h.T.File(Root, "f", "abc"u8);
        ulong handle = h.T.Open(f);
        h.Catalog.ChangeFailure = new VolumeFaultedException("an earlier write failed");
        Assert.Equal(Errno.EROFS, h.T.TryMkdir(Root, "d"));
        Assert.Equal(Errno.EROFS, h.Fs.Write(handle, f, 0, "x"u8, false, out _));
        Assert.Equal(Errno.EIO, h.Fs.Sync(f, false));
        Assert.Equal("abc"u8, h.T.Read(handle, f, 0, 10));
        Assert.Single(h.Log.All);
        Assert.Equal(2, h.Fs.Faults.Refused);
    }

    [Fact]
    public void A_volume_that_became_read_only_by_itself_fails_syncs()
    {
        Harness h = new();
        h.Catalog.IsReadOnly = true;
        Assert.Equal(Errno.EIO, h.Fs.SyncFileSystem());
        Assert.Equal(Errno.EROFS, h.T.TryMkdir(Root, "d"));
    }

    [Fact]
    public void Remount_read_only_refuses_every_change_after_the_first_mismatch()
    {
        Harness h = new(new PosixFileSystemOptions { Errors = ErrorPolicy.RemountReadOnly });
        InodeNumber f = h.T.File(Root, "f", "abc"u8);
        ulong handle = h.T.Open(f);
        h.Catalog.BadContent[f.Value] = Mismatch(1);
        Assert.False(h.Fs.IsReadOnly);
        Assert.Equal(Errno.EIO, h.Fs.Read(handle, f, 0, new byte[1], out _));
        Assert.True(h.Fs.IsReadOnly);
        Assert.Equal(Errno.EROFS, h.T.TryMkdir(Root, "d"));
        Assert.Equal(Errno.EROFS, h.Fs.Write(handle, f, 0, "x"u8, false, out _));
        Assert.Equal(Errno.OK, h.Fs.SyncFileSystem());
        h.Fs.Read(handle, f, 0, new byte[1], out _);
        Assert.Equal(2, h.Log.All.Length);
    }

    [Fact]
    public void Panic_calls_out_once()
    {
        List<string> calls = [];
        Harness? h = null;
        h = new Harness(new PosixFileSystemOptions
        {
            Errors = ErrorPolicy.Panic,
            Panic = reason =>
            {
                Assert.False(h!.Catalog.InScope);
                calls.Add(reason);
            },
        });
        InodeNumber f = h.T.File(Root, "f", "abc"u8);
        ulong handle = h.T.Open(f);
        h.Catalog.BadContent[f.Value] = Mismatch(1);
        Assert.Equal(Errno.EIO, h.Fs.Read(handle, f, 0, new byte[1], out _));
        Assert.Equal(Errno.EIO, h.Fs.Read(handle, f, 0, new byte[1], out _));
        Assert.Equal(["the tag does not fit"], calls);
    }

    [Fact]
    public void An_unexpected_exception_stays_inside_and_undoes_the_operation()
    {
        Harness h = new();
        InodeNumber f = h.T.File(Root, "f", "abc"u8);
        h.Catalog.BadInodes[f.Value] = new InvalidOperationException("a bug");
        Assert.Equal(Errno.EIO, h.T.TryUnlink(Root, "f"));
        h.Catalog.BadInodes.Clear();
        Assert.True(h.T.Exists(Root, "f"));
        Assert.Equal(LogLevel.Critical, Assert.Single(h.Log.All).Level);
        Assert.Equal(1, h.Fs.Faults.Unexpected);
        Assert.False(h.Catalog.InScope);
    }

    [Fact]
    public void Failures_are_counted_in_the_meter()
    {
        using Meter meter = new("IntegrityFs");
        Dictionary<string, long> seen = [];
        using MeterListener listener = new() { InstrumentPublished = (i, l) => { if (ReferenceEquals(i.Meter, meter)) { l.EnableMeasurementEvents(i); } } };
        listener.SetMeasurementEventCallback<long>((i, value, tags, _) => seen[$"{i.Name}/{tags[0].Value}"] = seen.GetValueOrDefault($"{i.Name}/{tags[0].Value}") + value);
        listener.Start();
        Harness h = new(new PosixFileSystemOptions { Meter = meter });
        InodeNumber f = h.T.File(Root, "f", "abc"u8);
        ulong handle = h.T.Open(f);
        h.Catalog.BadContent[f.Value] = Mismatch(1);
        h.Fs.Read(handle, f, 0, new byte[1], out _);
        h.Fs.Read(handle, f, 0, new byte[1], out _);
        Assert.Equal(2, seen["integrityfs.faults/mismatch"]);
    }

    [Fact]
    public void A_failed_destruction_is_reported_and_leaves_the_orphan_for_the_next_mount()
    {
        Harness h = new();
        InodeNumber f = h.T.Touch(Root, "f");
        h.T.Unlink(Root, "f");
        h.Catalog.ChangeFailure = new DeviceException(Errno.EIO, DeviceOperation.Read, 0, "failed");
        h.Fs.Forget(f, 1);
        Assert.Single(h.Log.All);
        Assert.Equal(0, h.Fs.HeldInodes);
        h.Catalog.ChangeFailure = null;
        h.Remount().RecoverOrphans();
        Assert.Empty(h.Catalog.Orphans);
    }
}
