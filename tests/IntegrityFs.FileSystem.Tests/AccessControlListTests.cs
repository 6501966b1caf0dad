using System.Buffers.Binary;
using CsCheck;
using IntegrityFs.FileSystem.Conformance;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Tests;

public sealed class AccessControlListTests
{
    private const ushort UserObject = 1, User = 2, GroupObject = 4, Group = 8, Mask = 16, Other = 32;
    private const string Access = "system.posix_acl_access";
    private const string Default = "system.posix_acl_default";
    private const uint None = uint.MaxValue;

    private static readonly byte[] Minimal = Acl((UserObject, 6, None), (GroupObject, 4, None), (Other, 0, None));
    private static readonly byte[] Named = Acl(
        (UserObject, 7, None), (User, 6, 1001), (GroupObject, 5, None), (Group, 7, 50), (Mask, 7, None), (Other, 1, None));

    private readonly Harness _harness = new();

    private Driver T => _harness.T;

    private static InodeNumber Root => InodeNumber.Root;

    [Fact]
    public void Complete_lists_in_order_are_valid()
    {
        Assert.Equal(Errno.OK, AccessControlList.Validate(Minimal));
        Assert.Equal(Errno.OK, AccessControlList.Validate(Named));
        Assert.Equal(Errno.OK, AccessControlList.Validate(default));
        Assert.Equal(Errno.OK, AccessControlList.Validate(Acl()));
    }

    [Fact]
    public void Everything_else_is_invalid()
    {
        byte[][] bad =
        [
            [1],
            [3, 0, 0, 0],
            [.. Minimal[..^1]],
            [.. Minimal, 0],
            Acl((UserObject, 6, None)),
            Acl((UserObject, 6, None), (GroupObject, 4, None)),
            Acl((GroupObject, 4, None), (UserObject, 6, None), (Other, 0, None)),
            Acl((UserObject, 6, None), (UserObject, 6, None), (GroupObject, 4, None), (Other, 0, None)),
            Acl((UserObject, 6, None), (GroupObject, 4, None), (Other, 0, None), (Other, 0, None)),
            Acl((UserObject, 6, None), (GroupObject, 4, None), (Other, 0, None), (Mask, 0, None)),
            Acl((UserObject, 8, None), (GroupObject, 4, None), (Other, 0, None)),
            Acl((UserObject, 6, None), (User, 6, 5), (GroupObject, 4, None), (Other, 0, None)),
            Acl((UserObject, 6, None), (User, 6, None), (GroupObject, 4, None), (Mask, 4, None), (Other, 0, None)),
            Acl((UserObject, 6, None), (GroupObject, 4, None), (User, 6, 5), (Mask, 4, None), (Other, 0, None)),
            Acl((UserObject, 6, None), (64, 4, 1), (GroupObject, 4, None), (Other, 0, None)),
        ];
        Assert.All(bad, acl => Assert.Equal(Errno.EINVAL, AccessControlList.Validate(acl)));
        Assert.Equal(Errno.E2BIG, AccessControlList.Validate(new byte[4097]));
    }

    [Fact]
    public void No_bytes_at_all_make_it_throw()
    {
        Gen.Byte.Array[0, 100].Sample(bytes =>
        {
            if (bytes.Length >= 4)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(bytes, 2);
            }

            if (AccessControlList.Validate(bytes) == Errno.OK)
            {
                AccessControlList.ModeOf(bytes, out _);
                AccessControlList.ApplyMode(bytes, 0x1FF);
                Assert.Equal(Errno.OK, AccessControlList.Validate(bytes));
            }
        });
    }

    [Fact]
    public void A_list_that_says_no_more_than_the_mode_becomes_the_mode()
    {
        InodeNumber f = T.Touch(Root, "f", 0x1FF);
        T.SetXattr(f, Access, Minimal);
        Assert.Equal(0x81A0u, T.Stat(f).Mode);
        Assert.False(T.HasXattr(f, Access));
    }

    [Fact]
    public void Setting_an_access_list_sets_the_mode_with_the_mask_as_group()
    {
        InodeNumber f = T.Touch(Root, "f");
        Timestamp now = _harness.Clock.Step();
        T.SetXattr(f, Access, Named);
        Assert.Equal((0x81F9u, now), (T.Stat(f).Mode, T.Stat(f).Ctime));
        Assert.Equal(Named, T.GetXattr(f, Access));
        Assert.Equal([Access], T.ListXattr(f));
    }

    [Fact]
    public void Setting_an_access_list_clears_set_group_id_where_asked()
    {
        InodeNumber f = T.Touch(Root, "f");
        T.Chmod(f, 0x5ED);
        T.SetXattr(f, Access, Named);
        Assert.Equal(0x85F9u, T.Stat(f).Mode);
        Assert.Equal(Errno.OK, T.Fs.SetXattr(f, Driver.Bytes(Access), Named, XattrMode.Any, killSetGid: true));
        Assert.Equal(0x81F9u, T.Stat(f).Mode);
    }

    [Fact]
    public void Chmod_changes_owner_mask_and_other_of_the_list()
    {
        InodeNumber f = T.Touch(Root, "f");
        T.SetXattr(f, Access, Named);
        T.Chmod(f, 0x98D);
        byte[] expected = Acl((UserObject, 6, None), (User, 6, 1001), (GroupObject, 5, None), (Group, 7, 50), (Mask, 1, None), (Other, 5, None));
        Assert.Equal(expected, T.GetXattr(f, Access));
        Assert.Equal(0x898Du, T.Stat(f).Mode);
    }

    [Fact]
    public void Removing_an_access_list_keeps_the_mode_and_may_be_done_twice()
    {
        InodeNumber f = T.Touch(Root, "f");
        T.SetXattr(f, Access, Named);
        Assert.Equal(Errno.OK, T.TryRemoveXattr(f, Access));
        Assert.False(T.HasXattr(f, Access));
        Assert.Equal(0x81F9u, T.Stat(f).Mode);
        Assert.Equal(Errno.OK, T.TryRemoveXattr(f, Access));
        T.SetXattr(f, Access, Named);
        T.SetXattr(f, Access, Acl());
        Assert.False(T.HasXattr(f, Access));
    }

    [Fact]
    public void Malformed_lists_and_wrong_carriers_are_refused()
    {
        InodeNumber f = T.Touch(Root, "f");
        InodeNumber l = T.Symlink(Root, "l", "x");
        Assert.Equal(Errno.EINVAL, T.TrySetXattr(f, Access, "nonsense"u8));
        Assert.Equal(Errno.EACCES, T.TrySetXattr(f, Default, Named));
        Assert.Equal(Errno.EOPNOTSUPP, T.TrySetXattr(l, Access, Named));
        Assert.Equal(Errno.EINVAL, T.TrySetXattr(Root, Default, Acl((UserObject, 6, None))));
        Assert.Equal(0x81A4u, T.Stat(f).Mode);
    }

    [Fact]
    public void A_default_list_is_inherited_by_files_as_access_list_and_by_directories_as_both()
    {
        InodeNumber d = T.Mkdir(Root, "d");
        T.SetXattr(d, Default, Named);
        Assert.Equal(0x41EDu, T.Stat(d).Mode);

        InodeNumber f = T.Touch(d, "f", 0x1A4);
        byte[] expected = Acl((UserObject, 6, None), (User, 6, 1001), (GroupObject, 5, None), (Group, 7, 50), (Mask, 4, None), (Other, 0, None));
        Assert.Equal(expected, T.GetXattr(f, Access));
        Assert.Equal(0x81A0u, T.Stat(f).Mode);
        Assert.False(T.HasXattr(f, Default));

        InodeNumber s = T.Mkdir(d, "s", 0x1FF);
        Assert.Equal(Named, T.GetXattr(s, Default));
        Assert.Equal(Named, T.GetXattr(s, Access));
        Assert.Equal(0x41F9u, T.Stat(s).Mode);

        ulong handle = T.CreateTemporary(d, out InodeNumber t);
        Assert.True(T.HasXattr(t, Access));
        T.Close(handle, t);
        Assert.Empty(T.ListXattr(T.Symlink(d, "l", "x")));
    }

    [Fact]
    public void A_minimal_default_list_replaces_the_umask_and_is_not_kept_on_files()
    {
        Harness harness = new(new PosixFileSystemOptions { ApplyUmask = true });
        Driver t = harness.T;
        t.Caller = t.Caller with { Umask = 0x3F };
        InodeNumber d = t.Mkdir(Root, "d", 0x1FF);
        Assert.Equal(0x41C0u, t.Stat(d).Mode);
        t.SetXattr(d, Default, Minimal);
        InodeNumber f = t.Touch(d, "f", 0x1FF);
        Assert.Equal(0x81A0u, t.Stat(f).Mode);
        Assert.Empty(t.ListXattr(f));
        Assert.Equal([Default], t.ListXattr(t.Mkdir(d, "s", 0x1FF)));
    }

    [Fact]
    public void The_umask_is_applied_only_where_the_kernel_leaves_it_to_us()
    {
        Harness harness = new(new PosixFileSystemOptions { ApplyUmask = true });
        harness.T.Caller = harness.T.Caller with { Umask = 0x12 };
        Assert.Equal(0x81EDu, harness.T.Stat(harness.T.Touch(Root, "f", 0x1FF)).Mode);
        Assert.Equal(0xA1FFu, harness.T.Stat(harness.T.Symlink(Root, "l", "x")).Mode);
        T.Caller = T.Caller with { Umask = 0x12 };
        Assert.Equal(0x81FFu, T.Stat(T.Touch(Root, "f", 0x1FF)).Mode);
    }

    [Fact]
    public void A_long_list_is_inherited_and_followed_by_chmod()
    {
        List<(ushort, ushort, uint)> entries = [(UserObject, 7, None)];
        for (uint id = 1; id <= 400; id++)
        {
            entries.Add((User, 6, id));
        }

        entries.AddRange([(GroupObject, 5, None), (Mask, 7, None), (Other, 0, None)]);
        byte[] acl = Acl([.. entries]);
        InodeNumber d = T.Mkdir(Root, "d");
        T.SetXattr(d, Default, acl);
        InodeNumber f = T.Touch(d, "f", 0x1FF);
        Assert.Equal(acl, T.GetXattr(f, Access));
        Assert.Equal(0x81C0u, T.Chmod(f, 0x1C0).Mode);
        Assert.Equal(Errno.OK, AccessControlList.Validate(T.GetXattr(f, Access)));
        Assert.Null(_harness.Catalog.FindProblem());
    }

    private static byte[] Acl(params (ushort Tag, ushort Permissions, uint Id)[] entries)
    {
        byte[] acl = new byte[4 + (8 * entries.Length)];
        BinaryPrimitives.WriteUInt32LittleEndian(acl, 2);
        for (int i = 0; i < entries.Length; i++)
        {
            Span<byte> at = acl.AsSpan(4 + (8 * i));
            BinaryPrimitives.WriteUInt16LittleEndian(at, entries[i].Tag);
            BinaryPrimitives.WriteUInt16LittleEndian(at[2..], entries[i].Permissions);
            BinaryPrimitives.WriteUInt32LittleEndian(at[4..], entries[i].Id);
        }

        return acl;
    }
}
