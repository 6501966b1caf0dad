using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Conformance;

/// <content>lookup, create, mknod, mkdir, symlink, unlink, rmdir, link.</content>
public abstract partial class FileSystemConformance
{
    [Fact]
    public void The_root_is_an_empty_directory_that_is_its_own_parent()
    {
        Attributes root = T.Stat(Root);
        Assert.Equal(0x41EDu, root.Mode);
        Assert.Equal(2u, root.Links);
        Assert.Equal(Root, T.Lookup(Root, ".").Inode);
        Assert.Equal(Root, T.Lookup(Root, "..").Inode);
        Assert.Empty(T.Names(Root));
    }

    [Fact]
    public void A_missing_name_is_not_found_and_a_file_is_no_directory()
    {
        InodeNumber file = T.Touch(Root, "f");
        Assert.Equal(Errno.ENOENT, T.TryLookup(Root, "missing", out _));
        Assert.Equal(Errno.ENOTDIR, T.TryLookup(file, "x", out _));
        Assert.Equal(Errno.ENOTDIR, T.TryLookup(file, "..", out _));
        Assert.Equal(file, T.Lookup(file, ".").Inode);
        Assert.Equal(Errno.ENOENT, T.TryLookup(new InodeNumber(987654), ".", out _));
        Assert.Equal(Errno.ENOTDIR, T.TryMkdir(file, "x"));
        Assert.Equal(Errno.ENOENT, T.TryLookup(new InodeNumber(987654), "x", out _));
        Assert.Equal(Errno.ENOENT, T.Fs.GetAttributes(new InodeNumber(987654), out _));
    }

    [Fact]
    public void Names_are_one_to_255_bytes_without_slash_and_nul()
    {
        Assert.Equal(Errno.OK, T.TryMknod(Root, new string('n', 255), 0x8000));
        Assert.True(T.Exists(Root, new string('n', 255)));
        Assert.Equal(Errno.ENAMETOOLONG, T.TryMknod(Root, new string('n', 256), 0x8000));
        Assert.Equal(Errno.ENAMETOOLONG, T.TryLookup(Root, new string('n', 256), out _));
        Assert.Equal(Errno.ENAMETOOLONG, T.TryUnlink(Root, new string('n', 256)));
        Assert.Equal(Errno.EINVAL, T.TryMknod(Root, "a/b", 0x8000));
        Assert.Equal(Errno.EINVAL, T.TryMknod(Root, "a\0b", 0x8000));
        Assert.Equal(Errno.ENOENT, T.TryMknod(Root, "", 0x8000));
    }

    [Fact]
    public void Names_are_bytes_and_not_text()
    {
        T.Touch(Root, "\u00ff\u00fe\u0001");
        T.Touch(Root, "A");
        Assert.False(T.Exists(Root, "a"));
        Assert.Equal(["A", "\u00ff\u00fe\u0001"], T.Names(Root));
    }

    [Fact]
    public void Dots_exist_everywhere_and_cannot_be_made_or_removed()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        Assert.Equal(Errno.EEXIST, T.TryMkdir(d, "."));
        Assert.Equal(Errno.EEXIST, T.TryMkdir(d, ".."));
        Assert.Equal(Errno.EEXIST, T.TrySymlink(d, ".", "x"));
        Assert.Equal(Errno.EINVAL, T.TryRmdir(d, "."));
        Assert.Equal(Errno.ENOTEMPTY, T.TryRmdir(d, ".."));
        Assert.Equal(Errno.EISDIR, T.TryUnlink(d, "."));
        Assert.Equal(Errno.EBUSY, T.TryRename(d, ".", Root, "x"));
        Assert.Equal(Errno.EBUSY, T.TryRename(Root, "d", d, ".."));
    }

    [Fact]
    public void A_new_file_belongs_to_its_maker_and_has_one_link_and_four_equal_times()
    {
        Timestamp now = Clock.Step();
        ulong handle = T.Create(Root, "f", out InodeNumber inode, permissions: 0x1A0);
        Attributes a = T.Stat(inode);
        Assert.Equal((0x81A0u, 1u, 1000u, 1000u, 0L, 0L), (a.Mode, a.Links, a.Uid, a.Gid, a.Size, a.Blocks));
        Assert.Equal((now, now, now, now), (a.Atime, a.Mtime, a.Ctime, a.Btime));
        Assert.Equal(inode, a.Inode);
        Assert.Equal(inode, T.Lookup(Root, "f").Inode);
        T.Close(handle, inode);
    }

    [Fact]
    public void Inode_numbers_are_not_used_twice()
    {
        InodeNumber first = T.Touch(Root, "f");
        T.Unlink(Root, "f");
        T.Fs.Forget(first, 1);
        Assert.NotEqual(first, T.Touch(Root, "f"));
    }

    [Fact]
    public void Creating_with_exclusive_fails_on_a_taken_name_and_without_it_opens_the_file()
    {
        InodeNumber inode = T.File(Root, "f", "abc"u8);
        Errno error = T.Fs.Create(T.Caller, Root, "f"u8, 0x1A4, OpenMode.Write | OpenMode.Exclusive, null, out _, out _);
        Assert.Equal(Errno.EEXIST, error);

        ulong handle = T.Create(Root, "f", out InodeNumber opened, OpenMode.Read);
        Assert.Equal(inode, opened);
        Assert.Equal("abc"u8, T.Read(handle, opened, 0, 10));
        T.Close(handle, opened);

        handle = T.Create(Root, "f", out opened, OpenMode.Write | OpenMode.Truncate);
        Assert.Equal(0, T.Stat(opened).Size);
        T.Close(handle, opened);
    }

    [Fact]
    public void Creating_over_a_directory_is_refused()
    {
        T.Mkdir(Root, "d");
        Assert.Equal(Errno.EISDIR, T.Fs.Create(T.Caller, Root, "d"u8, 0x1A4, OpenMode.Write, null, out _, out _));
        Assert.Equal(Errno.EEXIST, T.TryMkdir(Root, "d"));
        Assert.Equal(Errno.EEXIST, T.TryMknod(Root, "d", 0x8000));
        Assert.Equal(Errno.EEXIST, T.TrySymlink(Root, "d", "x"));
    }

    [Theory]
    [InlineData(0x1000u, 0u)]
    [InlineData(0xC000u, 0u)]
    [InlineData(0x2000u, 0x103u)]
    [InlineData(0x6000u, 0x800u)]
    [InlineData(0x8000u, 0u)]
    public void Nodes_of_every_type_can_be_made(uint type, uint rdev)
    {
        InodeNumber inode = T.Mknod(Root, "n", type | 0x1B6, rdev);
        Attributes a = T.Stat(inode);
        Assert.Equal(type | 0x1B6, a.Mode);
        Assert.Equal(rdev, a.Rdev);
        Assert.Equal((byte)(type >> 12), T.List(Root).Single(e => e.Name == "n").Type);
    }

    [Fact]
    public void A_node_without_type_is_a_regular_file_and_a_directory_needs_mkdir()
    {
        Assert.Equal(0x81A4u, T.Stat(T.Mknod(Root, "r", 0x1A4)).Mode);
        Assert.Equal(Errno.EPERM, T.TryMknod(Root, "d", 0x4000));
        Assert.Equal(Errno.EINVAL, T.TryMknod(Root, "l", 0xA000));
        Assert.Equal(Errno.EINVAL, T.TryMknod(Root, "w", 0xF000));
    }

    [Fact]
    public void Making_a_directory_counts_in_the_parent()
    {
        Timestamp now = Clock.Step();
        InodeNumber d = T.Mkdir(Root, "d", 0x1C0);
        Attributes a = T.Stat(d);
        Attributes root = T.Stat(Root);
        Assert.Equal((0x41C0u, 2u), (a.Mode, a.Links));
        Assert.Equal((3u, now, now), (root.Links, root.Mtime, root.Ctime));
        Assert.Equal(Root, T.Lookup(d, "..").Inode);
        T.Mkdir(d, "e");
        Assert.Equal(3u, T.Stat(d).Links);
        Assert.Equal(3u, T.Stat(Root).Links);
    }

    [Fact]
    public void A_set_group_id_directory_passes_on_its_group()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        T.Set(d, new AttributeChange { Mask = AttributeMask.Gid, Gid = 77 });
        T.Chmod(d, 0x5ED);
        Assert.Equal((0x81A4u, 77u), (T.Stat(T.Touch(d, "f")).Mode, T.Stat(T.Lookup(d, "f").Inode).Gid));
        Attributes sub = T.Stat(T.Mkdir(d, "s"));
        Assert.Equal((0x45EDu, 77u), (sub.Mode, sub.Gid));
        Assert.Equal(77u, T.Stat(T.Symlink(d, "l", "x")).Gid);
    }

    [Fact]
    public void A_symlink_keeps_its_target()
    {
        InodeNumber l = T.Symlink(Root, "l", "some/where");
        Attributes a = T.Stat(l);
        Assert.Equal((0xA1FFu, 10L, 1u), (a.Mode, a.Size, a.Links));
        Assert.Equal("some/where", T.ReadLink(l));
        string longest = new('t', 4095);
        Assert.Equal(longest, T.ReadLink(T.Symlink(Root, "m", longest)));
        Assert.Equal(Errno.ENAMETOOLONG, T.TrySymlink(Root, "n", longest + "t"));
        Assert.Equal(Errno.ENOENT, T.TrySymlink(Root, "n", ""));
        Assert.Equal(Errno.EINVAL, T.Fs.ReadLink(T.Touch(Root, "f"), new byte[10], out _));
    }

    [Fact]
    public void Unlinking_takes_the_name_and_updates_the_parent()
    {
        T.Touch(Root, "f");
        Timestamp now = Clock.Step();
        T.Unlink(Root, "f");
        Assert.False(T.Exists(Root, "f"));
        Assert.Equal((now, now), (T.Stat(Root).Mtime, T.Stat(Root).Ctime));
        Assert.Equal(Errno.ENOENT, T.TryUnlink(Root, "f"));
    }

    [Fact]
    public void Unlink_is_for_files_and_rmdir_for_empty_directories()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        T.Touch(d, "f");
        T.Symlink(Root, "l", "d");
        Assert.Equal(Errno.EISDIR, T.TryUnlink(Root, "d"));
        Assert.Equal(Errno.ENOTDIR, T.TryRmdir(d, "f"));
        Assert.Equal(Errno.ENOTDIR, T.TryRmdir(Root, "l"));
        Assert.Equal(Errno.ENOTEMPTY, T.TryRmdir(Root, "d"));
        T.Unlink(d, "f");
        Timestamp now = Clock.Step();
        T.Rmdir(Root, "d");
        Assert.False(T.Exists(Root, "d"));
        Assert.Equal((2u, now, now), (T.Stat(Root).Links, T.Stat(Root).Mtime, T.Stat(Root).Ctime));
        Assert.Equal(Errno.ENOENT, T.TryRmdir(Root, "d"));
    }

    [Fact]
    public void Nothing_can_be_made_in_a_removed_directory()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        InodeNumber f = T.Touch(Root, "f");
        T.Rmdir(Root, "d");
        Assert.Equal(0u, T.Stat(d).Links);
        Assert.Equal(Errno.ENOENT, T.TryMkdir(d, "x"));
        Assert.Equal(Errno.ENOENT, T.TryMknod(d, "x", 0x8000));
        Assert.Equal(Errno.ENOENT, T.TryLink(f, d, "x"));
        Assert.Equal(Errno.ENOENT, T.TryRename(Root, "f", d, "x"));
        Assert.Equal(Errno.ENOENT, T.TryLookup(d, "x", out _));
        T.Fs.Forget(d, 1);
        Assert.Equal(Errno.ENOENT, T.Fs.GetAttributes(d, out _));
    }

    [Fact]
    public void Hard_links_share_one_inode_that_lives_until_the_last_name_goes()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        InodeNumber f = T.File(Root, "f", "abc"u8);
        Timestamp now = Clock.Step();
        T.Link(f, d, "g");
        Assert.Equal((2u, now), (T.Stat(f).Links, T.Stat(f).Ctime));
        Assert.Equal((now, now), (T.Stat(d).Mtime, T.Stat(d).Ctime));
        Assert.Equal(f, T.Lookup(d, "g").Inode);
        now = Clock.Step();
        T.Unlink(Root, "f");
        Assert.Equal((1u, now), (T.Stat(f).Links, T.Stat(f).Ctime));
        T.Fs.Forget(f, 2);
        Assert.Equal("abc"u8, T.Content(f));
    }

    [Fact]
    public void A_directory_gets_no_second_name_and_a_taken_name_no_second_inode()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        InodeNumber f = T.Touch(Root, "f");
        Assert.Equal(Errno.EPERM, T.TryLink(d, Root, "e"));
        Assert.Equal(Errno.EEXIST, T.TryLink(f, Root, "d"));
        Assert.Equal(Errno.EEXIST, T.TryLink(f, Root, "f"));
        Assert.Equal(Errno.EEXIST, T.TryLink(f, d, "."));
        Assert.Equal(Errno.ENOTDIR, T.TryLink(f, f, "x"));
        Assert.Equal(Errno.ENOENT, T.TryLink(new InodeNumber(987654), Root, "x"));
        Assert.Equal(1u, T.Stat(f).Links);
    }

    [Fact]
    public void Symlinks_and_devices_can_have_hard_links_too()
    {
        InodeNumber l = T.Symlink(Root, "l", "x");
        T.Link(l, Root, "m");
        Assert.Equal("x", T.ReadLink(T.Lookup(Root, "m").Inode));
        Assert.Equal(2u, T.Stat(l).Links);
    }
}
