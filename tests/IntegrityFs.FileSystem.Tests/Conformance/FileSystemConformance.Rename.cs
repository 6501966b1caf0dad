using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Conformance;

/// <content>rename(2), renameat2(2).</content>
public abstract partial class FileSystemConformance
{
    [Fact]
    public void Renaming_moves_the_name_and_sets_the_times_that_posix_names()
    {
        InodeNumber a = T.Mkdir(Root, "a");
        InodeNumber b = T.Mkdir(Root, "b");
        InodeNumber f = T.File(a, "f", "abc"u8);
        Attributes before = T.Stat(f);
        Timestamp now = Clock.Step();
        T.Rename(a, "f", b, "g");
        Assert.False(T.Exists(a, "f"));
        Assert.Equal(f, T.Lookup(b, "g").Inode);
        Attributes after = T.Stat(f);
        Assert.Equal((1u, now, before.Mtime, before.Atime), (after.Links, after.Ctime, after.Mtime, after.Atime));
        Assert.Equal((now, now, now, now), (T.Stat(a).Mtime, T.Stat(a).Ctime, T.Stat(b).Mtime, T.Stat(b).Ctime));
        Assert.Equal("abc"u8, T.Content(f));
    }

    [Fact]
    public void Renaming_within_a_directory_keeps_its_counts()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        T.Rename(Root, "d", Root, "e");
        Assert.Equal(3u, T.Stat(Root).Links);
        Assert.Equal(["e"], T.Names(Root));
        T.Touch(Root, "f");
        T.Rename(Root, "f", Root, "g");
        Assert.Equal(["e", "g"], T.Names(Root));
        Assert.Equal(2u, T.Stat(d).Links);
    }

    [Fact]
    public void Renaming_onto_a_file_replaces_it()
    {
        InodeNumber f = T.File(Root, "f", "new"u8);
        InodeNumber g = T.File(Root, "g", "old"u8);
        ulong handle = T.Open(g, OpenMode.Read);
        Timestamp now = Clock.Step();
        T.Rename(Root, "f", Root, "g");
        Assert.Equal(f, T.Lookup(Root, "g").Inode);
        Assert.Equal(["g"], T.Names(Root));
        Assert.Equal((0u, now), (T.Stat(g).Links, T.Stat(g).Ctime));
        Assert.Equal("old"u8, T.Read(handle, g, 0, 10));
        T.Forget(g);
        T.Close(handle, g);
        Assert.Equal(Errno.ENOENT, T.Fs.GetAttributes(g, out _));
    }

    [Fact]
    public void Renaming_onto_one_of_several_links_leaves_the_others()
    {
        T.Touch(Root, "f");
        InodeNumber g = T.Touch(Root, "g");
        T.Link(g, Root, "h");
        T.Rename(Root, "f", Root, "g");
        Assert.Equal(1u, T.Stat(g).Links);
        Assert.Equal(g, T.Lookup(Root, "h").Inode);
    }

    [Fact]
    public void Renaming_between_links_of_one_inode_does_nothing()
    {
        InodeNumber f = T.Touch(Root, "f");
        T.Link(f, Root, "g");
        Attributes before = T.Stat(f);
        Clock.Step();
        T.Rename(Root, "f", Root, "g");
        T.Rename(Root, "f", Root, "f");
        T.Rename(Root, "f", Root, "g", RenameMode.Exchange);
        Assert.Equal(["f", "g"], T.Names(Root));
        Assert.Equal((2u, before.Ctime), (T.Stat(f).Links, T.Stat(f).Ctime));
    }

    [Fact]
    public void Moving_a_directory_changes_its_parent_and_both_counts()
    {
        InodeNumber a = T.Mkdir(Root, "a");
        InodeNumber b = T.Mkdir(Root, "b");
        InodeNumber d = T.Mkdir(a, "d");
        T.Touch(d, "f");
        T.Rename(a, "d", b, "e");
        Assert.Equal(b, T.Lookup(d, "..").Inode);
        Assert.Equal((2u, 3u, 4u), (T.Stat(a).Links, T.Stat(b).Links, T.Stat(Root).Links));
        Assert.Equal(["f"], T.Names(T.Lookup(b, "e").Inode));
    }

    [Fact]
    public void A_directory_replaces_only_an_empty_directory()
    {
        InodeNumber a = T.Mkdir(Root, "a");
        InodeNumber b = T.Mkdir(Root, "b");
        InodeNumber full = T.Mkdir(b, "full");
        InodeNumber empty = T.Mkdir(b, "empty");
        T.Touch(full, "f");
        T.Touch(b, "file");
        InodeNumber d = T.Mkdir(a, "d");
        T.Touch(a, "file");
        Assert.Equal(Errno.ENOTEMPTY, T.TryRename(a, "d", b, "full"));
        Assert.Equal(Errno.ENOTDIR, T.TryRename(a, "d", b, "file"));
        Assert.Equal(Errno.EISDIR, T.TryRename(a, "file", b, "empty"));
        T.Rename(a, "d", b, "empty");
        Assert.Equal(d, T.Lookup(b, "empty").Inode);
        Assert.Equal((2u, 4u, 0u), (T.Stat(a).Links, T.Stat(b).Links, T.Stat(empty).Links));
        Assert.Equal(b, T.Lookup(d, "..").Inode);
    }

    [Fact]
    public void Replacing_a_directory_beside_itself_counts_one_less()
    {
        T.Mkdir(Root, "a");
        T.Mkdir(Root, "b");
        T.Rename(Root, "a", Root, "b");
        Assert.Equal(3u, T.Stat(Root).Links);
        Assert.Equal(["b"], T.Names(Root));
    }

    [Fact]
    public void A_directory_does_not_move_into_itself_or_below()
    {
        InodeNumber a = T.Mkdir(Root, "a");
        InodeNumber b = T.Mkdir(a, "b");
        InodeNumber c = T.Mkdir(b, "c");
        Assert.Equal(Errno.EINVAL, T.TryRename(Root, "a", a, "x"));
        Assert.Equal(Errno.EINVAL, T.TryRename(Root, "a", c, "x"));
        Assert.Equal(Errno.EINVAL, T.TryRename(Root, "a", b, "c", RenameMode.Exchange));
        Assert.Equal(Errno.EINVAL, T.TryRename(b, "c", Root, "a", RenameMode.Exchange));
        Assert.Equal(Errno.ENOTEMPTY, T.TryRename(b, "c", Root, "a"));
        T.Touch(c, "f");
        Assert.Contains(T.TryRename(c, "f", a, "b"), new[] { Errno.ENOTEMPTY, Errno.EISDIR });
        Assert.Equal(a, T.Lookup(b, "..").Inode);
    }

    [Fact]
    public void No_replace_refuses_a_taken_name()
    {
        InodeNumber f = T.Touch(Root, "f");
        T.Touch(Root, "g");
        Assert.Equal(Errno.EEXIST, T.TryRename(Root, "f", Root, "g", RenameMode.NoReplace));
        Assert.Equal(Errno.EEXIST, T.TryRename(Root, "f", Root, "f", RenameMode.NoReplace));
        T.Rename(Root, "f", Root, "h", RenameMode.NoReplace);
        Assert.Equal(f, T.Lookup(Root, "h").Inode);
    }

    [Fact]
    public void Exchange_swaps_two_names_of_any_types()
    {
        InodeNumber a = T.Mkdir(Root, "a");
        InodeNumber b = T.Mkdir(Root, "b");
        InodeNumber d = T.Mkdir(a, "x");
        InodeNumber f = T.Touch(b, "y");
        T.Touch(d, "inside");
        Timestamp now = Clock.Step();
        T.Rename(a, "x", b, "y", RenameMode.Exchange);
        Assert.Equal((f, d), (T.Lookup(a, "x").Inode, T.Lookup(b, "y").Inode));
        Assert.Equal((2u, 3u), (T.Stat(a).Links, T.Stat(b).Links));
        Assert.Equal(b, T.Lookup(d, "..").Inode);
        Assert.Equal((now, now, now, now), (T.Stat(d).Ctime, T.Stat(f).Ctime, T.Stat(a).Mtime, T.Stat(b).Mtime));
        Assert.Equal((byte)8, T.List(a).Single(e => e.Name == "x").Type);
        T.Rename(Root, "a", Root, "b", RenameMode.Exchange);
        Assert.Equal((b, a), (T.Lookup(Root, "a").Inode, T.Lookup(Root, "b").Inode));
        Assert.Equal(Errno.ENOENT, T.TryRename(Root, "a", Root, "missing", RenameMode.Exchange));
    }

    [Fact]
    public void Whiteout_leaves_a_device_zero_behind()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        InodeNumber f = T.Touch(Root, "f");
        T.Touch(d, "g");
        T.Rename(Root, "f", d, "g", RenameMode.Whiteout);
        Assert.Equal(f, T.Lookup(d, "g").Inode);
        Attributes whiteout = T.Lookup(Root, "f");
        Assert.Equal((0x2000u, 0u, 1u), (whiteout.Mode, whiteout.Rdev, whiteout.Links));
        Assert.Equal(["d", "f"], T.Names(Root));
    }

    [Fact]
    public void Contradictory_rename_flags_are_invalid()
    {
        T.Touch(Root, "f");
        T.Touch(Root, "g");
        Assert.Equal(Errno.EINVAL, T.TryRename(Root, "f", Root, "g", RenameMode.Exchange | RenameMode.NoReplace));
        Assert.Equal(Errno.EINVAL, T.TryRename(Root, "f", Root, "g", RenameMode.Exchange | RenameMode.Whiteout));
        Assert.Equal(Errno.EINVAL, T.TryRename(Root, "f", Root, "g", (RenameMode)8));
        Assert.Equal(Errno.ENOENT, T.TryRename(Root, "missing", Root, "x"));
        Assert.Equal(Errno.ENAMETOOLONG, T.TryRename(Root, "f", Root, new string('n', 256)));
    }

    [Fact]
    public void A_refused_rename_changes_nothing()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        T.Touch(d, "x");
        T.Mkdir(Root, "e");
        Attributes before = T.Stat(Root);
        Clock.Step();
        Assert.Equal(Errno.ENOTEMPTY, T.TryRename(Root, "e", Root, "d"));
        Assert.Equal((before.Mtime, before.Ctime, before.Links), (T.Stat(Root).Mtime, T.Stat(Root).Ctime, T.Stat(Root).Links));
        Assert.Equal(["d", "e"], T.Names(Root));
    }
}
