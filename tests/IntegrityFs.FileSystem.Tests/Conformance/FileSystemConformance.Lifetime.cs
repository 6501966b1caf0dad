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
}
