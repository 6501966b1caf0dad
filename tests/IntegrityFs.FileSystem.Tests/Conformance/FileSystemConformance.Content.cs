using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Conformance;

/// <content>read, write, truncate, fallocate, lseek, copy_file_range.</content>
public abstract partial class FileSystemConformance
{
    [Fact]
    public void What_was_written_is_read()
    {
        byte[] data = Driver.Pattern(100_000);
        ulong handle = T.Create(Root, "f", out InodeNumber f);
        T.Write(handle, f, 0, data.AsSpan(0, 50_001));
        T.Write(handle, f, 50_001, data.AsSpan(50_001));
        Assert.Equal(data, T.Read(handle, f, 0, 200_000));
        Assert.Equal(data[4090..8200], T.Read(handle, f, 4090, 4110));
        T.Write(handle, f, 4000, "overwritten"u8);
        "overwritten"u8.CopyTo(data.AsSpan(4000));
        Assert.Equal(data, T.Read(handle, f, 0, 200_000));
        Assert.Equal(100_000, T.Stat(f).Size);
        T.Close(handle, f);
    }

    [Fact]
    public void Reading_ends_at_the_end_of_the_file()
    {
        InodeNumber f = T.File(Root, "f", "abc"u8);
        ulong handle = T.Open(f);
        Assert.Equal("c"u8, T.Read(handle, f, 2, 100));
        Assert.Empty(T.Read(handle, f, 3, 100));
        Assert.Empty(T.Read(handle, f, long.MaxValue - 10, 100));
        Assert.Empty(T.Read(handle, f, 0, 0));
        Assert.Equal(Errno.EINVAL, T.Fs.Read(handle, f, -1, new byte[1], out _));
        T.Close(handle, f);
    }

    [Fact]
    public void Writing_behind_the_end_leaves_a_hole_of_zeroes()
    {
        ulong handle = T.Create(Root, "f", out InodeNumber f);
        T.Write(handle, f, 1_000_000, "end"u8);
        Assert.Equal(1_000_003, T.Stat(f).Size);
        Assert.True(T.Stat(f).Blocks < 1_000_000 / 512);
        byte[] content = T.Read(handle, f, 0, 2_000_000);
        Assert.True(content.AsSpan(0, 1_000_000).IndexOfAnyExcept((byte)0) < 0);
        Assert.Equal("end"u8, content.AsSpan(1_000_000));
        T.Close(handle, f);
    }

    [Fact]
    public void Writing_sets_modification_and_change_time_and_reading_sets_none()
    {
        InodeNumber f = T.File(Root, "f", "abc"u8);
        Attributes before = T.Stat(f);
        ulong handle = T.Open(f);
        Timestamp now = Clock.Step();
        T.Write(handle, f, 1, "x"u8);
        Assert.Equal((before.Atime, now, now), (T.Stat(f).Atime, T.Stat(f).Mtime, T.Stat(f).Ctime));
        Clock.Step();
        T.Read(handle, f, 0, 3);
        Assert.Equal((before.Atime, now, now), (T.Stat(f).Atime, T.Stat(f).Mtime, T.Stat(f).Ctime));
        T.Close(handle, f);
    }

    [Fact]
    public void Writing_nothing_does_nothing()
    {
        ulong handle = T.Create(Root, "f", out InodeNumber f);
        Attributes before = T.Stat(f);
        Clock.Step();
        T.Write(handle, f, 100, default);
        Assert.Equal((0L, before.Mtime), (T.Stat(f).Size, T.Stat(f).Mtime));
        Assert.Equal(Errno.EINVAL, T.Fs.Write(handle, f, -1, "x"u8, false, out _));
        T.Close(handle, f);
    }

    [Fact]
    public void A_write_that_kills_privileges_clears_set_id_bits_and_capability()
    {
        ulong handle = T.Create(Root, "f", out InodeNumber f);
        T.Chmod(f, 0xDED);
        T.SetXattr(f, "security.capability", [1, 0, 0, 2]);
        T.Write(handle, f, 0, "a"u8);
        Assert.Equal(0x8DEDu, T.Stat(f).Mode);
        Assert.True(T.HasXattr(f, "security.capability"));
        Assert.Equal(Errno.OK, T.Fs.Write(handle, f, 0, "b"u8, true, out _));
        Assert.Equal(0x81EDu, T.Stat(f).Mode);
        Assert.False(T.HasXattr(f, "security.capability"));
        T.Chmod(f, 0xDE4);
        Assert.Equal(Errno.OK, T.Fs.Write(handle, f, 0, "b"u8, true, out _));
        Assert.Equal(0x85E4u, T.Stat(f).Mode);
        T.Close(handle, f);
    }

    [Fact]
    public void Truncating_cuts_and_grows_with_zeroes()
    {
        byte[] data = Driver.Pattern(10_000);
        InodeNumber f = T.File(Root, "f", data);
        Timestamp now = Clock.Step();
        Attributes a = T.Truncate(f, 5_000);
        Assert.Equal((5_000L, now, now), (a.Size, a.Mtime, a.Ctime));
        T.Truncate(f, 9_000);
        byte[] content = T.Content(f);
        Assert.Equal(data[..5_000], content[..5_000]);
        Assert.True(content.AsSpan(5_000).IndexOfAnyExcept((byte)0) < 0);
        Assert.Equal(9_000, content.Length);
        T.Truncate(f, 0);
        Assert.Equal((0L, 0L), (T.Stat(f).Size, T.Stat(f).Blocks));
    }

    [Fact]
    public void Truncating_is_for_regular_files()
    {
        AttributeChange cut = new() { Mask = AttributeMask.Size, Size = 0 };
        Assert.Equal(Errno.EISDIR, T.TrySet(Root, cut));
        Assert.Equal(Errno.EINVAL, T.TrySet(T.Mknod(Root, "p", 0x1000), cut));
        cut.Size = -1;
        Assert.Equal(Errno.EINVAL, T.TrySet(T.Touch(Root, "f"), cut));
        Assert.Equal(Errno.ENOENT, T.TrySet(new InodeNumber(987654), cut));
    }

    [Fact]
    public void Opening_with_truncate_empties_the_file()
    {
        InodeNumber f = T.File(Root, "f", "abc"u8);
        T.Chmod(f, 0x9ED);
        Timestamp now = Clock.Step();
        ulong handle = T.Open(f, OpenMode.Write | OpenMode.Truncate | OpenMode.KillPrivileges);
        Attributes a = T.Stat(f);
        Assert.Equal((0L, now, now, 0x81EDu), (a.Size, a.Mtime, a.Ctime, a.Mode));
        T.Close(handle, f);
    }

    [Fact]
    public void Fallocate_extends_keeps_or_zeroes()
    {
        byte[] data = Driver.Pattern(20_000);
        ulong handle = T.Create(Root, "f", out InodeNumber f);
        T.Write(handle, f, 0, data);
        Assert.Equal(Errno.OK, T.Fs.Fallocate(handle, f, 0, 50_000, FallocateMode.None));
        Assert.Equal(50_000, T.Stat(f).Size);
        Assert.Equal(Errno.OK, T.Fs.Fallocate(handle, f, 50_000, 50_000, FallocateMode.KeepSize));
        Assert.Equal(50_000, T.Stat(f).Size);
        Assert.Equal(data, T.Read(handle, f, 0, 20_000));
        Assert.Equal(Errno.OK, T.Fs.Fallocate(handle, f, 1_000, 9_000, FallocateMode.PunchHole | FallocateMode.KeepSize));
        data.AsSpan(1_000, 9_000).Clear();
        Assert.Equal(data, T.Read(handle, f, 0, 20_000));
        Assert.Equal(Errno.OK, T.Fs.Fallocate(handle, f, 15_000, 45_000, FallocateMode.ZeroRange));
        Assert.Equal(60_000, T.Stat(f).Size);
        data.AsSpan(15_000).Clear();
        Assert.Equal(data, T.Read(handle, f, 0, 20_000));
        Assert.Equal(Errno.OK, T.Fs.Fallocate(handle, f, 0, 90_000, FallocateMode.ZeroRange | FallocateMode.KeepSize));
        Assert.Equal(60_000, T.Stat(f).Size);
        Assert.True(T.Read(handle, f, 0, 60_000).AsSpan().IndexOfAnyExcept((byte)0) < 0);
        T.Close(handle, f);
    }

    [Fact]
    public void Fallocate_refuses_what_it_cannot_do()
    {
        ulong handle = T.Create(Root, "f", out InodeNumber f);
        Assert.Equal(Errno.EOPNOTSUPP, T.Fs.Fallocate(handle, f, 0, 10, FallocateMode.PunchHole));
        Assert.Equal(Errno.EOPNOTSUPP, T.Fs.Fallocate(handle, f, 0, 10, FallocateMode.PunchHole | FallocateMode.ZeroRange | FallocateMode.KeepSize));
        Assert.Equal(Errno.EOPNOTSUPP, T.Fs.Fallocate(handle, f, 0, 10, (FallocateMode)8));
        Assert.Equal(Errno.EINVAL, T.Fs.Fallocate(handle, f, 0, 0, FallocateMode.None));
        Assert.Equal(Errno.EINVAL, T.Fs.Fallocate(handle, f, 0, -1, FallocateMode.None));
        Assert.Equal(Errno.EINVAL, T.Fs.Fallocate(handle, f, -1, 10, FallocateMode.None));
        Assert.Equal(Errno.EFBIG, T.Fs.Fallocate(handle, f, long.MaxValue - 1, 10, FallocateMode.None));
        T.Close(handle, f);
    }

    [Fact]
    public void Seeking_finds_data_and_holes()
    {
        const long Far = 1 << 20;
        ulong handle = T.Create(Root, "f", out InodeNumber f);
        T.Write(handle, f, Far, Driver.Pattern(65536));
        Assert.Equal(Errno.OK, T.Fs.Seek(f, 0, hole: false, out long data));
        Assert.Equal(Far, data);
        Assert.Equal(Errno.OK, T.Fs.Seek(f, 5, hole: true, out long hole));
        Assert.Equal(5, hole);
        Assert.Equal(Errno.OK, T.Fs.Seek(f, Far + 7, hole: true, out hole));
        Assert.Equal(Far + 65536, hole);
        Assert.Equal(Errno.ENXIO, T.Fs.Seek(f, Far + 65536, hole: true, out _));
        Assert.Equal(Errno.ENXIO, T.Fs.Seek(f, Far + 65536, hole: false, out _));
        Assert.Equal(Errno.ENXIO, T.Fs.Seek(f, -1, hole: false, out _));
        T.Truncate(f, Far * 2);
        Assert.Equal(Errno.ENXIO, T.Fs.Seek(f, Far + 65536, hole: false, out _));
        T.Close(handle, f);
    }

    [Fact]
    public void Copying_a_range_copies_bytes_and_keeps_holes()
    {
        const int Length = 1 << 20;
        byte[] data = Driver.Pattern(70_000);
        InodeNumber a = T.File(Root, "a", data);
        T.Truncate(a, Length);
        InodeNumber b = T.File(Root, "b", Driver.Pattern(300_000, 2));
        Assert.Equal(Errno.OK, T.Fs.CopyRange(a, 10, b, 5_000, long.MaxValue / 2, out long copied));
        Assert.Equal(Length - 10, copied);
        byte[] expected = new byte[5_000 + Length - 10];
        Driver.Pattern(300_000, 2).AsSpan(0, 5_000).CopyTo(expected);
        data.AsSpan(10).CopyTo(expected.AsSpan(5_000));
        Assert.Equal(expected, T.Content(b));
        Assert.True(T.Stat(b).Blocks < 400_000 / 512);
    }

    [Fact]
    public void Copying_a_range_within_one_file_must_not_overlap()
    {
        InodeNumber f = T.File(Root, "f", "0123456789"u8);
        Assert.Equal(Errno.EINVAL, T.Fs.CopyRange(f, 0, f, 4, 5, out _));
        Assert.Equal(Errno.EINVAL, T.Fs.CopyRange(f, 4, f, 0, 5, out _));
        Assert.Equal(Errno.OK, T.Fs.CopyRange(f, 0, f, 5, 5, out long copied));
        Assert.Equal(5, copied);
        Assert.Equal("0123401234"u8, T.Content(f));
        Assert.Equal(Errno.OK, T.Fs.CopyRange(f, 10, f, 0, 5, out copied));
        Assert.Equal(0, copied);
        Assert.Equal(Errno.OK, T.Fs.CopyRange(f, 8, f, 10, 5, out copied));
        Assert.Equal(2, copied);
        Assert.Equal("012340123434"u8, T.Content(f));
        Assert.Equal(Errno.EISDIR, T.Fs.CopyRange(f, 0, Root, 0, 5, out _));
        Assert.Equal(Errno.EISDIR, T.Fs.CopyRange(T.Mknod(Root, "p", 0x1000), 0, Root, 0, 5, out _));
        Assert.Equal(Errno.EINVAL, T.Fs.CopyRange(f, -1, f, 0, 5, out _));
    }

    [Fact]
    public void Syncing_succeeds_on_files_directories_and_the_whole()
    {
        InodeNumber f = T.File(Root, "f", "abc"u8);
        Assert.Equal(Errno.OK, T.Fs.Sync(f, dataOnly: false));
        Assert.Equal(Errno.OK, T.Fs.Sync(f, dataOnly: true));
        Assert.Equal(Errno.OK, T.Fs.SyncDirectory(Root, dataOnly: false));
        Assert.Equal(Errno.OK, T.Fs.SyncFileSystem());
        ulong handle = T.Open(f, OpenMode.Write | OpenMode.Synchronous);
        T.Write(handle, f, 0, "x"u8);
        T.Close(handle, f);
        Assert.Equal("xbc"u8, T.Content(f));
    }

    [Fact]
    public void Statistics_say_what_there_is()
    {
        Assert.Equal(Errno.OK, T.Fs.GetStatistics(out FileSystemStatistics s));
        Assert.Equal(255, s.NameLength);
        Assert.True(s.BlockSize >= 512 && s.Blocks >= s.FreeBlocks && s.FreeBlocks > 0 && s.Files >= s.FreeFiles && s.FreeFiles > 0);
    }
}
