using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Conformance;

/// <content>chmod, chown, utimensat; extended attributes; readdir.</content>
public abstract partial class FileSystemConformance
{
    [Fact]
    public void Chmod_changes_permission_bits_only()
    {
        InodeNumber f = T.Touch(Root, "f");
        Attributes before = T.Stat(f);
        Timestamp now = Clock.Step();
        Attributes a = T.Chmod(f, 0xFFFFFFFF);
        Assert.Equal((0x8FFFu, before.Mtime, now), (a.Mode, a.Mtime, a.Ctime));
        Assert.Equal(0x8000u, T.Chmod(f, 0).Mode);
        Assert.Equal(0x43FFu, T.Chmod(T.Mkdir(Root, "d"), 0x3FF).Mode);
        AttributeChange change = new() { Mask = AttributeMask.Mode, Mode = 0x1FF };
        Assert.Equal(Errno.EOPNOTSUPP, T.TrySet(T.Symlink(Root, "l", "x"), change));
    }

    [Fact]
    public void Chown_changes_what_it_names_and_clears_set_id_bits_of_files()
    {
        InodeNumber f = T.Touch(Root, "f");
        T.Chmod(f, 0xDED);
        T.SetXattr(f, "security.capability", [1]);
        Attributes a = T.Set(f, new AttributeChange { Mask = AttributeMask.Uid, Uid = 5 });
        Assert.Equal((5u, 1000u, 0x81EDu), (a.Uid, a.Gid, a.Mode));
        Assert.False(T.HasXattr(f, "security.capability"));
        Timestamp now = Clock.Step();
        a = T.Set(f, new AttributeChange { Mask = AttributeMask.Gid, Gid = 6 });
        Assert.Equal((5u, 6u, now), (a.Uid, a.Gid, a.Ctime));

        InodeNumber d = T.Mkdir(Root, "d");
        T.Chmod(d, 0x5ED);
        Assert.Equal(0x45EDu, T.Set(d, new AttributeChange { Mask = AttributeMask.Uid, Uid = 5 }).Mode);
    }

    [Fact]
    public void Times_are_kept_to_the_nanosecond_before_and_after_1970()
    {
        InodeNumber f = T.Touch(Root, "f");
        Timestamp atime = new(-5_000_000_000, 999_999_999);
        Timestamp mtime = new(50_000_000_000, 1);
        Timestamp now = Clock.Step();
        Attributes a = T.Set(f, new AttributeChange { Mask = AttributeMask.Atime | AttributeMask.Mtime, Atime = atime, Mtime = mtime });
        Assert.Equal((atime, mtime, now), (a.Atime, a.Mtime, a.Ctime));
        Assert.Equal((atime, mtime, now), (T.Stat(f).Atime, T.Stat(f).Mtime, T.Stat(f).Ctime));
    }

    [Fact]
    public void Times_may_be_set_to_now_or_left_alone()
    {
        InodeNumber f = T.Touch(Root, "f");
        Attributes before = T.Stat(f);
        Timestamp now = Clock.Step();
        Attributes a = T.Set(f, new AttributeChange { Mask = AttributeMask.AtimeNow });
        Assert.Equal((now, before.Mtime, now), (a.Atime, a.Mtime, a.Ctime));
        Timestamp later = Clock.Step();
        a = T.Set(f, new AttributeChange { Mask = AttributeMask.MtimeNow });
        Assert.Equal((now, later, later), (a.Atime, a.Mtime, a.Ctime));
        Clock.Step();
        a = T.Set(f, new AttributeChange { Mask = AttributeMask.None });
        Assert.Equal((now, later, later), (a.Atime, a.Mtime, a.Ctime));
        AttributeChange bad = new() { Mask = AttributeMask.Mtime, Mtime = new Timestamp(0, 1_000_000_000) };
        Assert.Equal(Errno.EINVAL, T.TrySet(f, bad));
    }

    [Fact]
    public void Size_mode_owner_and_times_change_in_one_request()
    {
        InodeNumber f = T.File(Root, "f", "abcdef"u8);
        Timestamp mtime = new(7, 8);
        Attributes a = T.Set(f, new AttributeChange
        {
            Mask = AttributeMask.Size | AttributeMask.Mode | AttributeMask.Uid | AttributeMask.Mtime,
            Size = 3,
            Mode = 0x180,
            Uid = 9,
            Mtime = mtime,
        });
        Assert.Equal((3L, 0x8180u, 9u, mtime), (a.Size, a.Mode, a.Uid, a.Mtime));
        Assert.Equal("abc"u8, T.Content(f));
    }

    [Fact]
    public void Changing_a_vanished_inode_fails()
    {
        Assert.Equal(Errno.ENOENT, T.TrySet(new InodeNumber(987654), new AttributeChange { Mask = AttributeMask.Mode }));
        Assert.Equal(Errno.ENOENT, T.TrySetXattr(new InodeNumber(987654), "user.a", "1"u8));
    }

    [Fact]
    public void Extended_attributes_are_set_replaced_listed_and_removed()
    {
        InodeNumber f = T.Touch(Root, "f");
        Timestamp now = Clock.Step();
        T.SetXattr(f, "user.a", "1"u8);
        Assert.Equal(now, T.Stat(f).Ctime);
        T.SetXattr(f, "security.selinux", "system_u:object_r:etc_t:s0\0"u8);
        T.SetXattr(f, "trusted.t", default);
        Assert.Equal(["security.selinux", "trusted.t", "user.a"], T.ListXattr(f));
        Assert.Equal("1"u8, T.GetXattr(f, "user.a"));
        Assert.Empty(T.GetXattr(f, "trusted.t"));
        T.SetXattr(f, "user.a", "22"u8);
        Assert.Equal("22"u8, T.GetXattr(f, "user.a"));
        Assert.Equal(Errno.OK, T.TryRemoveXattr(f, "user.a"));
        Assert.Equal(Errno.ENODATA, T.TryRemoveXattr(f, "user.a"));
        Assert.False(T.HasXattr(f, "user.a"));
        Assert.Equal(["security.selinux", "trusted.t"], T.ListXattr(f));
    }

    [Fact]
    public void Creating_and_replacing_attributes_demand_what_they_say()
    {
        InodeNumber f = T.Touch(Root, "f");
        Assert.Equal(Errno.ENODATA, T.TrySetXattr(f, "user.a", "1"u8, XattrMode.Replace));
        Assert.Equal(Errno.OK, T.TrySetXattr(f, "user.a", "1"u8, XattrMode.Create));
        Assert.Equal(Errno.EEXIST, T.TrySetXattr(f, "user.a", "2"u8, XattrMode.Create));
        Assert.Equal(Errno.OK, T.TrySetXattr(f, "user.a", "3"u8, XattrMode.Replace));
        Assert.Equal("3"u8, T.GetXattr(f, "user.a"));
    }

    [Fact]
    public void Lengths_of_attributes_are_asked_for_and_checked()
    {
        InodeNumber f = T.Touch(Root, "f");
        byte[] name = Driver.Bytes("user.a");
        T.SetXattr(f, "user.a", "12345"u8);
        Assert.Equal(Errno.OK, T.Fs.GetXattr(f, name, default, out int length));
        Assert.Equal(5, length);
        Assert.Equal(Errno.ERANGE, T.Fs.GetXattr(f, name, new byte[4], out _));
        Assert.Equal(Errno.OK, T.Fs.ListXattr(f, default, out length));
        Assert.Equal(7, length);
        Assert.Equal(Errno.ERANGE, T.Fs.ListXattr(f, new byte[6], out _));
        Assert.Equal(Errno.OK, T.Fs.ListXattr(T.Touch(Root, "g"), default, out length));
        Assert.Equal(0, length);
    }

    [Fact]
    public void Attribute_values_are_up_to_64_kib_and_names_up_to_255_bytes()
    {
        InodeNumber f = T.Touch(Root, "f");
        byte[] value = Driver.Pattern(65536);
        T.SetXattr(f, "user.big", value);
        Assert.Equal(value, T.GetXattr(f, "user.big"));
        T.SetXattr(f, "user.big", "small"u8);
        Assert.Equal("small"u8, T.GetXattr(f, "user.big"));
        Assert.Equal(Errno.E2BIG, T.TrySetXattr(f, "user.big", new byte[65537]));
        Assert.Equal(Errno.OK, T.TrySetXattr(f, "user." + new string('n', 250), "x"u8));
        Assert.Equal(Errno.ERANGE, T.TrySetXattr(f, "user." + new string('n', 251), "x"u8));
        Assert.Equal(Errno.ERANGE, T.TrySetXattr(f, "", "x"u8));
    }

    [Fact]
    public void Namespaces_have_their_rules()
    {
        InodeNumber f = T.Touch(Root, "f");
        InodeNumber l = T.Symlink(Root, "l", "x");
        InodeNumber p = T.Mknod(Root, "p", 0x1000);
        Assert.Equal(Errno.EOPNOTSUPP, T.TrySetXattr(f, "other.a", "x"u8));
        Assert.Equal(Errno.EOPNOTSUPP, T.TrySetXattr(f, "system.other", "x"u8));
        Assert.Equal(Errno.EOPNOTSUPP, T.TrySetXattr(f, "plain", "x"u8));
        Assert.Equal(Errno.EINVAL, T.TrySetXattr(f, "user.", "x"u8));
        Assert.Equal(Errno.EOPNOTSUPP, T.Fs.GetXattr(f, "other.a"u8, default, out _));
        Assert.Equal(Errno.EOPNOTSUPP, T.TryRemoveXattr(f, "other.a"));
        Assert.Equal(Errno.EPERM, T.TrySetXattr(l, "user.a", "x"u8));
        Assert.Equal(Errno.EPERM, T.TrySetXattr(p, "user.a", "x"u8));
        Assert.Equal(Errno.OK, T.TrySetXattr(Root, "user.a", "x"u8));
        Assert.Equal(Errno.OK, T.TrySetXattr(l, "security.selinux", "x"u8));
        Assert.Equal(Errno.OK, T.TrySetXattr(p, "trusted.a", "x"u8));
    }

    [Fact]
    public void Labels_come_with_the_new_inode()
    {
        Labels labels = new(("security.selinux", "etc_t"u8.ToArray()), ("security.SMACK64", "_"u8.ToArray()));
        string[] names = ["security.SMACK64", "security.selinux"];
        Assert.Equal(Errno.OK, T.Fs.MakeDirectory(T.Caller, Root, "d"u8, 0x1ED, labels, out Attributes d));
        Assert.Equal(Errno.OK, T.Fs.MakeNode(T.Caller, Root, "p"u8, 0x1000, 0, labels, out Attributes p));
        Assert.Equal(Errno.OK, T.Fs.Symlink(T.Caller, Root, "l"u8, "x"u8, labels, out Attributes l));
        Assert.Equal(Errno.OK, T.Fs.Create(T.Caller, Root, "f"u8, 0x1A4, OpenMode.Write, labels, out Attributes f, out _));
        Assert.Equal(Errno.OK, T.Fs.CreateTemporary(T.Caller, Root, 0x1A4, OpenMode.Write, labels, out Attributes t, out _));
        Assert.All([d, p, l, f, t], a => Assert.Equal(names, T.ListXattr(a.Inode)));
        Assert.Equal("etc_t"u8, T.GetXattr(f.Inode, "security.selinux"));
    }

    [Fact]
    public void A_bad_label_makes_no_inode()
    {
        Labels labels = new(("security.selinux", new byte[65537]));
        Assert.Equal(Errno.E2BIG, T.Fs.MakeDirectory(T.Caller, Root, "d"u8, 0x1ED, labels, out _));
        Assert.False(T.Exists(Root, "d"));
        Assert.Equal(2u, T.Stat(Root).Links);
    }

    [Fact]
    public void A_listing_starts_with_the_dots_and_tells_inodes_and_types()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        InodeNumber f = T.Touch(d, "f");
        InodeNumber l = T.Symlink(d, "l", "x");
        List<Listed> all = T.List(d);
        Assert.Equal((".", d, (byte)4), (all[0].Name, all[0].Inode, all[0].Type));
        Assert.Equal(("..", Root, (byte)4), (all[1].Name, all[1].Inode, all[1].Type));
        Assert.Equal((f, (byte)8), (all.Single(e => e.Name == "f").Inode, all.Single(e => e.Name == "f").Type));
        Assert.Equal((l, (byte)10), (all.Single(e => e.Name == "l").Inode, all.Single(e => e.Name == "l").Type));
        Assert.Equal(4, all.Count);
        Assert.All(all, e => Assert.Equal(0u, e.Attributes.Mode));
    }

    [Fact]
    public void A_listing_with_attributes_tells_them_for_every_entry()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        T.File(d, "f", "abc"u8);
        List<Listed> all = T.List(d, withAttributes: true);
        Assert.Equal(3, all.Single(e => e.Name == "f").Attributes.Size);
        Assert.Equal((d, Root), (all[0].Attributes.Inode, all[1].Attributes.Inode));
        Assert.All(all, e => Assert.NotEqual(0u, e.Attributes.Mode));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void A_listing_in_portions_sees_every_entry_once(int portion)
    {
        string[] names = [.. Enumerable.Range(0, 40).Select(i => $"n{i:d2}")];
        foreach (string name in names)
        {
            T.Touch(Root, name);
        }

        List<Listed> all = T.List(Root, portion: portion);
        Assert.Equal([".", "..", .. names], all.Select(e => e.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Entries_that_stay_are_listed_once_while_others_come_and_go()
    {
        for (int i = 0; i < 30; i++)
        {
            T.Touch(Root, $"keep{i}");
            T.Touch(Root, $"drop{i}");
        }

        List<string> seen = [];
        ulong cookie = 0;
        for (int step = 0; ; step++)
        {
            OneByOne sink = new();
            Assert.Equal(Errno.OK, T.Fs.ReadDirectory(Root, cookie, false, sink));
            if (sink.Name is null)
            {
                break;
            }

            seen.Add(sink.Name);
            cookie = sink.NextCookie;
            if (step < 30)
            {
                T.Unlink(Root, $"drop{step}");
                T.Touch(Root, $"late{step}");
            }
        }

        Assert.Equal(30, seen.Count(n => n.StartsWith("keep", StringComparison.Ordinal)));
        Assert.Equal(seen.Count, seen.Distinct().Count());
    }

    [Fact]
    public void Listing_needs_a_directory()
    {
        Assert.Equal(Errno.ENOTDIR, T.Fs.ReadDirectory(T.Touch(Root, "f"), 0, false, new OneByOne()));
        Assert.Equal(Errno.ENOENT, T.Fs.ReadDirectory(new InodeNumber(987654), 0, false, new OneByOne()));
    }

    private sealed class OneByOne : IDirectorySink
    {
        public string? Name { get; private set; }

        public ulong NextCookie { get; private set; }

        public bool Add(ReadOnlySpan<byte> name, InodeNumber inode, byte type, ulong nextCookie, in Attributes attributes)
        {
            if (Name is not null)
            {
                return false;
            }

            Name = System.Text.Encoding.Latin1.GetString(name);
            NextCookie = nextCookie;
            return true;
        }
    }
}
