using IntegrityFs.FileSystem.Conformance;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>Read-only mounts, orphans across mounts, limits, and what is kept in memory.</summary>
public sealed class MountTests
{
    private readonly Harness _harness = new();

    private Driver T => _harness.T;

    private static InodeNumber Root => InodeNumber.Root;

    [Fact]
    public void A_read_only_mount_refuses_every_change_and_serves_every_read()
    {
        InodeNumber f = T.File(Root, "f", "abc"u8);
        InodeNumber d = T.Mkdir(Root, "d");
        ulong writable = T.Open(f);
        T.SetXattr(f, "user.a", "1"u8);
        _harness.Catalog.IsReadOnly = true;
        Driver r = new(_harness.Remount());
        int before = _harness.Catalog.Operations;

        Assert.Equal(Errno.EROFS, r.TryMkdir(Root, "x"));
        Assert.Equal(Errno.EROFS, r.TryMknod(Root, "x", 0x8000));
        Assert.Equal(Errno.EROFS, r.TrySymlink(Root, "x", "y"));
        Assert.Equal(Errno.EROFS, r.TryUnlink(Root, "f"));
        Assert.Equal(Errno.EROFS, r.TryRmdir(Root, "d"));
        Assert.Equal(Errno.EROFS, r.TryRename(Root, "f", d, "f"));
        Assert.Equal(Errno.EROFS, r.TryLink(f, d, "f"));
        Assert.Equal(Errno.EROFS, r.TryOpen(f, OpenMode.Write));
        Assert.Equal(Errno.EROFS, r.TryOpen(f, OpenMode.Read | OpenMode.Truncate));
        Assert.Equal(Errno.EROFS, r.TrySet(f, new AttributeChange { Mask = AttributeMask.Mode }));
        Assert.Equal(Errno.EROFS, r.TrySetXattr(f, "user.a", "2"u8));
        Assert.Equal(Errno.EROFS, r.TryRemoveXattr(f, "user.a"));
        Assert.Equal(Errno.EROFS, r.Fs.Write(writable, f, 0, "x"u8, false, out _));
        Assert.Equal(Errno.EROFS, r.Fs.Fallocate(writable, f, 0, 1, FallocateMode.None));
        Assert.Equal(Errno.EROFS, r.Fs.CopyRange(f, 0, f, 10, 1, out _));
        Assert.Equal(Errno.EROFS, r.Fs.Create(r.Caller, Root, "x"u8, 0, OpenMode.Write, null, out _, out _));
        Assert.Equal(Errno.EROFS, r.Fs.CreateTemporary(r.Caller, Root, 0, OpenMode.Write, null, out _, out _));

        Assert.Equal("abc"u8, r.Content(f));
        Assert.Equal(["d", "f"], r.Names(Root));
        Assert.Equal("1"u8, r.GetXattr(f, "user.a"));
        Assert.Equal(Errno.OK, r.Fs.Sync(f, false));
        r.Fs.Destroy();
        Assert.Equal(before, _harness.Catalog.Operations);
        Assert.Equal(0, _harness.Catalog.Syncs);
    }

    [Fact]
    public void Orphans_of_an_earlier_mount_are_destroyed_by_the_next_writable_one()
    {
        ulong handle = T.Create(Root, "f", out InodeNumber f);
        T.Write(handle, f, 0, Driver.Pattern(10_000));
        T.Unlink(Root, "f");
        T.CreateTemporary(Root, out _);
        InodeNumber keep = T.Touch(Root, "keep");
        Assert.Equal(2, _harness.Catalog.Orphans.Count);

        _harness.Catalog.IsReadOnly = true;
        _harness.Remount().RecoverOrphans();
        Assert.Equal(2, _harness.Catalog.Orphans.Count);

        _harness.Catalog.IsReadOnly = false;
        _harness.Remount().RecoverOrphans();
        Assert.Empty(_harness.Catalog.Orphans);
        Assert.Equal([1UL, keep.Value], _harness.Catalog.Nodes.Keys.Order());
        Assert.Equal(0, _harness.Catalog.UsedBlocks);
    }

    [Fact]
    public void Unmounting_destroys_orphans_and_makes_everything_durable()
    {
        T.Create(Root, "f", out _);
        T.Unlink(Root, "f");
        T.Fs.Destroy();
        Assert.Empty(_harness.Catalog.Orphans);
        Assert.Equal(1, _harness.Catalog.Syncs);
    }

    [Fact]
    public void Only_known_and_open_inodes_are_kept_in_memory()
    {
        for (int i = 0; i < 100; i++)
        {
            InodeNumber f = T.File(Root, $"f{i}", "abc"u8);
            T.Lookup(Root, $"f{i}");
            Assert.Equal(1, _harness.Fs.HeldInodes);
            T.Forget(f);
            Assert.Equal(0, _harness.Fs.HeldInodes);
            ulong handle = T.Open(f);
            Assert.Equal(1, _harness.Fs.HeldInodes);
            if (i % 2 == 0)
            {
                T.Unlink(Root, $"f{i}");
            }

            T.Close(handle, f);
            Assert.Equal(0, _harness.Fs.HeldInodes);
        }

        ulong linked = T.CreateTemporary(Root, out InodeNumber t);
        T.Close(linked, t);
        Assert.Equal(1, _harness.Fs.HeldInodes);
        T.Link(t, Root, "t");
        T.Forget(t);
        Assert.Equal(0, _harness.Fs.HeldInodes);
        Assert.Empty(_harness.Catalog.Orphans);
    }

    [Fact]
    public void A_link_that_fails_counts_nothing()
    {
        InodeNumber f = T.Touch(Root, "f");
        Assert.Equal(Errno.EEXIST, T.TryLink(f, Root, "f"));
        Assert.Equal(Errno.ENOENT, T.TryLink(new InodeNumber(987654), Root, "x"));
        Assert.Equal(Errno.ENOENT, T.TryLink(InodeNumber.None, Root, "x"));
        _harness.Catalog.ChangeFailure = new DeviceException(Errno.EIO, DeviceOperation.Read, 0, "failed");
        Assert.Equal(Errno.EIO, T.TryLink(f, Root, "g"));
        T.Fs.Forget(f, 1);
        Assert.Equal(0, _harness.Fs.HeldInodes);
    }

    [Fact]
    public void A_create_whose_file_cannot_be_read_leaves_no_handle_and_no_lookup_behind()
    {
        InodeNumber f = T.File(Root, "f", "abc"u8);
        T.Forget(f);
        _harness.Catalog.BadInodes[f.Value] = new IntegrityException(Zone.Catalog, 1, "bad");
        Assert.Equal(Errno.EIO, T.Fs.Create(T.Caller, Root, "f"u8, 0x1A4, OpenMode.Write, null, out _, out _));
        Assert.Equal(0, _harness.Fs.HeldInodes);
    }

    [Fact]
    public void An_unlink_and_its_orphan_record_are_one_operation()
    {
        T.Create(Root, "f", out _);
        int before = _harness.Catalog.Operations;
        T.Unlink(Root, "f");
        Assert.Equal(before + 1, _harness.Catalog.Operations);
        Assert.Single(_harness.Catalog.Orphans);
    }

    [Fact]
    public void A_full_volume_refuses_new_names_and_reports_partial_writes()
    {
        ulong handle = T.Create(Root, "f", out InodeNumber f);
        _harness.Catalog.TotalBlocks = 3;
        Assert.Equal(Errno.OK, T.Fs.Write(handle, f, 0, Driver.Pattern(20_000), false, out int written));
        Assert.Equal(3 * FakeCatalog.Block, written);
        Assert.Equal(Errno.ENOSPC, T.Fs.Write(handle, f, written, "x"u8, false, out written));
        Assert.Equal(0, written);
        Assert.Equal(Errno.ENOSPC, T.TryMkdir(Root, "d"));
        Assert.Equal(Errno.ENOSPC, T.Fs.Fallocate(handle, f, 0, 100_000, FallocateMode.None));
        Assert.False(T.Exists(Root, "d"));
    }

    [Fact]
    public void On_a_full_volume_names_and_attributes_can_be_removed_and_replaced()
    {
        InodeNumber f = T.File(Root, "f", "abc"u8);
        T.Touch(Root, "g");
        T.Mkdir(Root, "d");
        T.SetXattr(f, "user.a", "1"u8);
        _harness.Catalog.TotalBlocks = 1;
        Assert.Equal(Errno.ENOSPC, T.TryRename(Root, "f", Root, "new"));
        Assert.Equal(Errno.ENOSPC, T.TryRename(Root, "f", Root, "g", RenameMode.Whiteout));
        Assert.Equal(Errno.ENOSPC, T.TrySetXattr(f, "user.b", "1"u8));
        T.Rename(Root, "f", Root, "g");
        T.Rename(Root, "g", Root, "d", RenameMode.Exchange);
        Assert.Equal(0x8180u, T.Chmod(f, 0x180).Mode);
        Assert.Equal(Errno.OK, T.TryRemoveXattr(f, "user.a"));
        T.Rmdir(Root, "g");
        T.Unlink(Root, "d");
        T.Forget(f);
        Assert.Empty(T.Names(Root));
        Assert.Equal(Errno.OK, T.TryMkdir(Root, "again"));
    }

    [Fact]
    public void The_greatest_size_cuts_writes_and_refuses_what_lies_beyond()
    {
        _harness.Catalog.MaxFileSize = 10_000;
        ulong handle = T.Create(Root, "f", out InodeNumber f);
        Assert.Equal(Errno.OK, T.Fs.Write(handle, f, 9_990, new byte[100], false, out int written));
        Assert.Equal(10, written);
        Assert.Equal(Errno.EFBIG, T.Fs.Write(handle, f, 10_000, "x"u8, false, out _));
        Assert.Equal(Errno.EFBIG, T.Fs.Write(handle, f, long.MaxValue, "x"u8, false, out _));
        Assert.Equal(Errno.EFBIG, T.TrySet(f, new AttributeChange { Mask = AttributeMask.Size, Size = 10_001 }));
        Assert.Equal(Errno.EFBIG, T.Fs.Fallocate(handle, f, 1, 10_000, FallocateMode.None));
        InodeNumber g = T.File(Root, "g", new byte[100]);
        Assert.Equal(Errno.EFBIG, T.Fs.CopyRange(g, 0, f, 10_000, 10, out _));
        Assert.Equal(Errno.OK, T.Fs.CopyRange(g, 0, f, 9_995, 10, out long copied));
        Assert.Equal(5, copied);
    }

    [Fact]
    public void Link_counts_have_an_end()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        InodeNumber f = T.Touch(d, "f");
        InodeNumber e = T.Mkdir(Root, "e");
        T.Mkdir(e, "sub");
        _harness.Catalog.Nodes[f.Value].Record.Links = int.MaxValue;
        Assert.Equal(Errno.EMLINK, T.TryLink(f, Root, "g"));
        _harness.Catalog.Nodes[d.Value].Record.Links = int.MaxValue;
        Assert.Equal(Errno.EMLINK, T.TryMkdir(d, "sub"));
        Assert.Equal(Errno.EMLINK, T.TryRename(e, "sub", d, "sub"));
    }

    [Fact]
    public void A_synchronous_write_is_durable_before_it_returns()
    {
        InodeNumber f = T.Touch(Root, "f");
        ulong plain = T.Open(f, OpenMode.Write);
        ulong sync = T.Open(f, OpenMode.Write | OpenMode.Synchronous);
        T.Write(plain, f, 0, "a"u8);
        Assert.Equal(0, _harness.Catalog.Syncs);
        T.Write(sync, f, 0, "a"u8);
        Assert.Equal(1, _harness.Catalog.Syncs);
    }

    [Fact]
    public void A_truncation_with_equal_times_is_one_operation()
    {
        InodeNumber f = T.File(Root, "f", "abc"u8);
        Timestamp time = new(123, 456);
        int before = _harness.Catalog.Operations;
        Attributes a = T.Set(f, new AttributeChange
        {
            Mask = AttributeMask.Size | AttributeMask.Mtime | AttributeMask.Ctime | AttributeMask.KillPrivileges, Mtime = time, Ctime = time,
        });
        Assert.Equal(before + 1, _harness.Catalog.Operations);
        Assert.Equal((0L, time, time), (a.Size, a.Mtime, a.Ctime));
    }

    [Fact]
    public void A_failed_truncating_open_leaves_no_handle_behind()
    {
        InodeNumber f = T.File(Root, "f", "abc"u8);
        T.Forget(f);
        _harness.Catalog.BadContent[f.Value] = new IntegrityException(Zone.Data, 1, "bad");
        Assert.Equal(Errno.EIO, T.TryOpen(f, OpenMode.Write | OpenMode.Truncate));
        Assert.Equal(0, _harness.Fs.HeldInodes);
    }
}
