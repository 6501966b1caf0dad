using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Conformance;

/// <content>How long an inode lives; temporary files; handles.</content>
public abstract partial class FileSystemConformance
{
    [Fact]
    public void An_unlinked_open_file_lives_until_it_is_closed_and_forgotten()
    {
        ulong handle = T.Create(Root, "f", out InodeNumber f);
        T.Write(handle, f, 0, "abc"u8);
        T.Unlink(Root, "f");
        Assert.Equal(0u, T.Stat(f).Links);
        T.Write(handle, f, 3, "def"u8);
        Assert.Equal("abcdef"u8, T.Read(handle, f, 0, 10));
        T.Close(handle, f);
        Assert.Equal(6, T.Stat(f).Size);
        T.Fs.Forget(f, 1);
        Assert.Equal(Errno.ENOENT, T.Fs.GetAttributes(f, out _));
    }

    [Fact]
    public void The_close_may_come_after_the_forget()
    {
        ulong first = T.Create(Root, "f", out InodeNumber f);
        ulong second = T.Open(f);
        T.Unlink(Root, "f");
        T.Fs.Forget(f, 1);
        T.Write(first, f, 0, "abc"u8);
        T.Close(first, f);
        Assert.Equal("abc"u8, T.Read(second, f, 0, 10));
        T.Close(second, f);
        Assert.Equal(Errno.ENOENT, T.Fs.GetAttributes(f, out _));
    }

    [Fact]
    public void Forgetting_an_inode_with_a_name_does_nothing()
    {
        InodeNumber f = T.File(Root, "f", "abc"u8);
        T.Fs.Forget(f, 5);
        T.Fs.Forget(Root, 5);
        T.Fs.Forget(new InodeNumber(987654), 1);
        Assert.Equal("abc"u8, T.Content(f));
    }

    [Fact]
    public void A_forget_takes_back_no_more_than_it_says()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        T.Lookup(Root, "d");
        T.Rmdir(Root, "d");
        T.Fs.Forget(d, 1);
        Assert.Equal(0u, T.Stat(d).Links);
        T.Fs.Forget(d, 1);
        Assert.Equal(Errno.ENOENT, T.Fs.GetAttributes(d, out _));
    }

    [Fact]
    public void Every_answer_that_names_an_inode_counts_once()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        T.Mkdir(d, "e");
        T.Lookup(T.Lookup(d, "e").Inode, "..");
        T.Rmdir(d, "e");
        T.Rmdir(Root, "d");
        Assert.Equal(2, Lookups(d));

        InodeNumber l = T.Symlink(Root, "l", "x");
        T.Unlink(Root, "l");
        Assert.Equal(1, Lookups(l));

        InodeNumber p = T.Mknod(Root, "p", 0x1000);
        T.Lookup(p, ".");
        T.Unlink(Root, "p");
        T.Lookup(p, ".");
        Assert.Equal(3, Lookups(p));

        ulong handle = T.CreateTemporary(Root, out InodeNumber t);
        T.Link(t, Root, "t");
        T.Close(handle, t);
        T.Unlink(Root, "t");
        Assert.Equal(2, Lookups(t));

        handle = T.Create(Root, "f", out InodeNumber f);
        T.Close(T.Create(Root, "f", out _), f);
        T.Link(f, Root, "g");
        T.Lookup(Root, "g");
        T.Close(handle, f);
        T.Unlink(Root, "f");
        T.Unlink(Root, "g");
        Assert.Equal(4, Lookups(f));
    }

    [Fact]
    public void What_names_no_inode_to_the_caller_does_not_count()
    {
        InodeNumber f = T.File(Root, "f", "abc"u8);
        T.Stat(f);
        T.Chmod(f, 0x180);
        T.Rename(Root, "f", Root, "g");
        Assert.Equal(Errno.EEXIST, T.TryLink(f, Root, "g"));
        Assert.Equal(Errno.EEXIST, T.TryMknod(Root, "g", 0x8000));
        Assert.Equal(Errno.EEXIST, T.Fs.Create(T.Caller, Root, "g"u8, 0x1A4, OpenMode.Write | OpenMode.Exclusive, null, out _, out _));
        T.List(Root);
        T.Unlink(Root, "g");
        Assert.Equal(1, Lookups(f));
    }

    [Fact]
    public void An_entry_of_a_listing_counts_where_it_was_taken_with_its_attributes()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        InodeNumber[] files = [.. Enumerable.Range(0, 9).Select(i => T.Touch(d, $"f{i}"))];
        T.List(d);
        T.List(d, withAttributes: true);

        // Each portion ends with an entry that is refused, and comes again.
        T.List(d, withAttributes: true, portion: 2);
        Assert.All(files, (_, i) => T.Unlink(d, $"f{i}"));
        Assert.All(files, f => Assert.Equal(3, Lookups(f)));
        T.Rmdir(Root, "d");
        Assert.Equal(1, Lookups(d));
    }

    [Fact]
    public void What_nobody_holds_goes_with_its_last_name()
    {
        InodeNumber f = T.File(Root, "f", "abc"u8);
        InodeNumber g = T.File(Root, "g", "abc"u8);
        InodeNumber d = T.Mkdir(Root, "d");
        InodeNumber h = T.File(Root, "h", "abc"u8);
        T.Forget(f);
        T.Forget(g);
        T.Forget(d);
        T.Unlink(Root, "f");
        T.Rename(Root, "h", Root, "g");
        T.Rmdir(Root, "d");
        Assert.All([f, g, d], inode => Assert.Equal(Errno.ENOENT, T.Fs.GetAttributes(inode, out _)));
        Assert.Equal("abc"u8, T.Content(h));
    }

    [Fact]
    public void A_removed_directory_is_itself_but_leads_nowhere()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        InodeNumber e = T.Mkdir(d, "e");
        T.Rmdir(d, "e");
        T.Rmdir(Root, "d");
        T.Forget(d);
        Assert.Equal(e, T.Lookup(e, ".").Inode);
        Assert.Equal(Errno.ENOENT, T.TryLookup(e, "..", out _));
        Assert.Equal(Errno.ENOENT, T.TryLookup(d, ".", out _));
    }

    [Fact]
    public void An_orphan_can_be_opened_again_while_it_is_held()
    {
        ulong first = T.Create(Root, "f", out InodeNumber f);
        T.Unlink(Root, "f");
        ulong second = T.Open(f);
        T.Close(first, f);
        T.Close(second, f);
        T.Fs.Forget(f, 1);
        Assert.Equal(Errno.ENOENT, T.TryOpen(f));
    }

    [Fact]
    public void A_temporary_file_has_no_name_until_it_is_linked()
    {
        ulong handle = T.CreateTemporary(Root, out InodeNumber f);
        Assert.Equal((0x8180u, 0u), (T.Stat(f).Mode, T.Stat(f).Links));
        Assert.Empty(T.Names(Root));
        T.Write(handle, f, 0, "abc"u8);
        T.Link(f, Root, "f");
        Assert.Equal(1u, T.Stat(f).Links);
        T.Close(handle, f);
        T.Fs.Forget(f, 1);
        Assert.Equal("abc"u8, T.Content(f));
    }

    [Fact]
    public void A_temporary_file_that_was_never_linked_vanishes()
    {
        ulong handle = T.CreateTemporary(Root, out InodeNumber f);
        T.Close(handle, f);
        T.Fs.Forget(f, 1);
        Assert.Equal(Errno.ENOENT, T.Fs.GetAttributes(f, out _));
        Assert.Equal(Errno.ENOENT, T.TryLink(f, Root, "f"));
    }

    [Fact]
    public void An_exclusive_temporary_file_and_an_unlinked_one_never_get_a_name()
    {
        ulong handle = T.CreateTemporary(Root, out InodeNumber f, OpenMode.Write | OpenMode.Exclusive);
        Assert.Equal(Errno.ENOENT, T.TryLink(f, Root, "f"));
        T.Close(handle, f);
        handle = T.Create(Root, "g", out InodeNumber g);
        T.Unlink(Root, "g");
        Assert.Equal(Errno.ENOENT, T.TryLink(g, Root, "g"));
        T.Close(handle, g);
    }

    [Fact]
    public void A_temporary_file_needs_a_directory()
    {
        InodeNumber f = T.Touch(Root, "f");
        Assert.Equal(Errno.ENOTDIR, T.Fs.CreateTemporary(T.Caller, f, 0x180, OpenMode.Write, null, out _, out _));
    }

    [Fact]
    public void A_handle_is_for_its_file_and_its_mode()
    {
        InodeNumber f = T.File(Root, "f", "abc"u8);
        InodeNumber g = T.File(Root, "g", "abc"u8);
        ulong handle = T.Open(f, OpenMode.Read);
        Assert.Equal(Errno.EBADF, T.Fs.Write(handle, f, 0, "x"u8, false, out _));
        Assert.Equal(Errno.EBADF, T.Fs.Fallocate(handle, f, 0, 10, FallocateMode.None));
        Assert.Equal(Errno.EBADF, T.Fs.Read(handle, g, 0, new byte[1], out _));
        Assert.Equal(Errno.EBADF, T.Fs.Read(0, f, 0, new byte[1], out _));
        Assert.Equal(Errno.OK, T.Fs.Flush(handle, f));
        T.Close(handle, f);
        Assert.Equal(Errno.EBADF, T.Fs.Release(handle, f));
    }

    [Fact]
    public void Only_regular_files_are_opened()
    {
        Assert.Equal(Errno.EISDIR, T.TryOpen(Root));
        Assert.Equal(Errno.ENOENT, T.TryOpen(new InodeNumber(987654)));
        Assert.NotEqual(Errno.OK, T.TryOpen(T.Symlink(Root, "l", "x")));
    }

    /// <summary>How many lookups of a nameless inode that is not open have to be taken back until it is gone.</summary>
    private int Lookups(InodeNumber inode)
    {
        int count = 0;
        while (T.Fs.GetAttributes(inode, out _) == Errno.OK)
        {
            T.Fs.Forget(inode, 1);
            Assert.True(++count < 100, $"inode {inode} stays");
        }

        return count;
    }
}
