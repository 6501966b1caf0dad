using System.Text;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;
using static IntegrityFs.Fuse.Tests.Kernel;

namespace IntegrityFs.Fuse.Tests;

public sealed class RequestTests
{
    [Fact]
    public void A_written_file_reads_back()
    {
        using var kernel = new Kernel();
        ulong node = kernel.Create("f");
        byte[] data = [.. Enumerable.Range(0, 10000).Select(i => (byte)i)];

        Reply written = kernel.Ask(Opcode.Write, node, Bytes(new WriteIn(node, 5, (uint)data.Length, 0, 0, 0, 0)), data);
        Reply read = kernel.Ask(Opcode.Read, node, Bytes(new ReadIn(node, 5, 20000, 0, 0, 0, 0)));

        Assert.Equal((uint)data.Length, written.As<WriteOut>().Size);
        Assert.Equal(data, read.Payload);
    }

    [Fact]
    public void A_missing_name_is_a_negative_entry_with_a_lifetime()
    {
        using var kernel = new Kernel();
        Reply reply = kernel.Ask(Opcode.Lookup, 1, Name("nothing"));
        Assert.Equal(0, reply.Error);
        Assert.Equal(0ul, reply.As<EntryOut>().Node);
        Assert.Equal(86400ul, reply.As<EntryOut>().EntryValid);
    }

    [Fact]
    public void Dot_of_a_stale_handle_is_an_error_and_of_a_living_one_itself()
    {
        using var kernel = new Kernel();
        Assert.Equal(2, kernel.Ask(Opcode.Lookup, 77, Name(".")).Error);
        Assert.Equal(1ul, kernel.Ask(Opcode.Lookup, 1, Name(".")).As<EntryOut>().Node);
    }

    [Fact]
    public void Fsync_is_never_answered_with_enosys()
    {
        using var kernel = new Kernel(new Refusing(Errno.ENOSYS));
        byte[] body = Bytes(new FsyncIn(0, 0, 0));
        Assert.Equal(5, kernel.Ask(Opcode.Fsync, 1, body).Error);
        Assert.Equal(5, kernel.Ask(Opcode.FsyncDir, 1, body).Error);
    }

    [Theory]
    [InlineData(Opcode.Access)]
    [InlineData(Opcode.Bmap)]
    [InlineData(Opcode.Interrupt)]
    [InlineData(Opcode.Poll)]
    [InlineData(Opcode.SetLk)]
    [InlineData(Opcode.OpenDir)]
    [InlineData((Opcode)4096)]
    [InlineData((Opcode)uint.MaxValue)]
    public void What_the_kernel_does_better_itself_is_answered_with_enosys(object operation)
    {
        using var kernel = new Kernel();
        Assert.Equal(38, kernel.Ask((Opcode)operation, 1, new byte[64]).Error);
    }

    [Fact]
    public void An_exception_below_costs_one_request_and_is_eio()
    {
        using var kernel = new Kernel(new Refusing(null));
        Assert.Equal(5, kernel.Ask(Opcode.GetAttr, 1, Bytes(default(GetAttrIn))).Error);
        Assert.Equal(5, kernel.Ask(Opcode.Fsync, 1, Bytes(default(FsyncIn))).Error);
    }

    [Fact]
    public void Open_keeps_the_cache_and_needs_no_flush_unless_writing_back()
    {
        using var kernel = new Kernel();
        ulong node = kernel.Create("f");
        var flags = kernel.Ask(Opcode.Open, node, Bytes(new OpenIn(0, 0))).As<OpenOut>().Flags;
        Assert.Equal(OpenReply.KeepCache | OpenReply.NoFlush, flags);

        using var writing = new Kernel(options: new FuseServerOptions { Writeback = true });
        node = writing.Create("f");
        flags = writing.Ask(Opcode.Open, node, Bytes(new OpenIn(0, 0))).As<OpenOut>().Flags;
        Assert.Equal(OpenReply.KeepCache, flags);
    }

    [Theory]
    [InlineData(0u, 0u, false, OpenMode.Read)]
    [InlineData(1u, 0u, false, OpenMode.Write)]
    [InlineData(1u, 0u, true, OpenMode.Read | OpenMode.Write)]
    [InlineData(2u, 0u, false, OpenMode.Read | OpenMode.Write)]
    [InlineData(0x201u, 1u, false, OpenMode.Write | OpenMode.Truncate | OpenMode.KillPrivileges)]
    [InlineData(0x101400u | 1u, 0u, false, OpenMode.Write)]
    public void Open_flags_are_translated(uint flags, uint openFlags, bool writeback, OpenMode expected)
    {
        var files = new Refusing(Errno.OK);
        using var kernel = new Kernel(files, new FuseServerOptions { Writeback = writeback });
        Assert.Equal(0, kernel.Ask(Opcode.Open, 1, Bytes(new OpenIn(flags, openFlags))).Error);
        Assert.Equal(expected, files.LastOpen);
    }

    [Fact]
    public void Now_replaces_the_plain_time_bit()
    {
        var files = new Refusing(Errno.OK);
        using var kernel = new Kernel(files);
        var valid = SetAttrValid.Atime | SetAttrValid.AtimeNow | SetAttrValid.Mtime | SetAttrValid.KillSuidSgid | SetAttrValid.Size;
        kernel.Ask(Opcode.SetAttr, 1, Bytes(default(SetAttrIn) with { Valid = valid, Size = 3, Mtime = 9, MtimeNanoseconds = 8 }));
        Assert.Equal(AttributeMask.AtimeNow | AttributeMask.Mtime | AttributeMask.KillPrivileges | AttributeMask.Size, files.LastChange.Mask);
        Assert.Equal(new Timestamp(9, 8), files.LastChange.Mtime);
    }

    [Fact]
    public void The_umask_arrives_only_where_the_kernel_left_it_to_the_server()
    {
        var files = new Refusing(Errno.OK);
        using (var kernel = new Kernel(files))
        {
            kernel.Ask(Opcode.MkDir, 1, Bytes(new MkDirIn(0x1ff, 0x12)), Name("d"));
            Assert.Equal(0x12u, files.LastCaller.Umask);
        }

        using var old = new Kernel(files, initialize: false);
        old.Init(45, EverythingOffered & ~InitFlags.DontMask);
        old.Ask(Opcode.MkDir, 1, Bytes(new MkDirIn(0x1ff, 0x12)), Name("d"));
        Assert.Equal(0u, files.LastCaller.Umask);
    }

    [Fact]
    public void Labels_and_groups_behind_a_create_are_taken_apart()
    {
        using var kernel = new Kernel();
        byte[] label = Name("system_u:object_r:etc_t:s0");
        byte[] contexts = Contexts(("security.selinux", label), ("security.other", [1, 2, 3]));
        byte[] groups = Join(Bytes(new ExtensionHeader(16, ExtensionHeader.Groups)), Bytes(1), Bytes(1000));

        Reply reply = kernel.AskExtended(Opcode.Create, 1, Join(Bytes(new CreateIn(2, 0x81a4, 0, 0)), Name("f")), Join(contexts, groups));

        Assert.Equal(0, reply.Error);
        ulong node = reply.As<EntryOut>().Node;
        Assert.Equal(label, kernel.Ask(Opcode.GetXattr, node, Bytes(new GetXattrIn(100, 0)), Name("security.selinux")).Payload);
        Assert.Equal(new byte[] { 1, 2, 3 }, kernel.Ask(Opcode.GetXattr, node, Bytes(new GetXattrIn(100, 0)), Name("security.other")).Payload);
    }

    [Fact]
    public void Malformed_labels_create_nothing()
    {
        using var kernel = new Kernel();
        byte[] good = Contexts(("security.selinux", [1, 2, 3, 4]));
        foreach (int i in new[] { 0, 1, 2, 3, 8, 9, 10, 11 })
        {
            byte[] bad = [.. good];
            bad[i] = 0xff;
            byte[] body = Join(Bytes(new CreateIn(2, 0x81a4, 0, 0)), Name($"bad{i}"));
            Assert.Equal(22, kernel.AskExtended(Opcode.Create, 1, body, bad).Error);
            Assert.Equal(0ul, kernel.Ask(Opcode.Lookup, 1, Name($"bad{i}")).As<EntryOut>().Node);
        }
    }

    [Fact]
    public void A_listing_continues_where_the_buffer_ended_and_shows_each_name_once()
    {
        using var kernel = new Kernel();
        foreach (int i in Enumerable.Range(0, 100))
        {
            kernel.Create($"name-{i}");
        }

        foreach (Opcode operation in new[] { Opcode.ReadDir, Opcode.ReadDirPlus })
        {
            List<string> names = List(kernel, operation, 1000);
            Assert.Equal(102, names.Count);
            Assert.Equal(102, names.Distinct().Count());
        }

        Assert.Equal(22, kernel.Ask(Opcode.ReadDir, 1, Bytes(new ReadIn(0, 0, 10, 0, 0, 0, 0))).Error);
    }

    [Fact]
    public void Xattr_lengths_are_asked_for_with_an_empty_buffer_and_names_may_hold_slashes()
    {
        using var kernel = new Kernel();
        byte[] body = Join(Bytes(new SetXattrIn(3, 0)), Bytes(default(SetXattrExtension)), Name("user.a/b"), [7, 8, 9]);
        Assert.Equal(0, kernel.Ask(Opcode.SetXattr, 1, body).Error);
        Assert.Equal(3u, kernel.Ask(Opcode.GetXattr, 1, Bytes(new GetXattrIn(0, 0)), Name("user.a/b")).As<GetXattrOut>().Size);
        Assert.Equal(34, kernel.Ask(Opcode.GetXattr, 1, Bytes(new GetXattrIn(2, 0)), Name("user.a/b")).Error);
        Assert.Equal("user.a/b\0", Encoding.UTF8.GetString(kernel.Ask(Opcode.ListXattr, 1, Bytes(new GetXattrIn(100, 0))).Payload));
    }

    [Fact]
    public void After_destroy_nothing_reaches_the_file_system_and_the_host_is_told_once()
    {
        int closed = 0;
        using var kernel = new Kernel(options: new FuseServerOptions { Unmounted = () => closed++ });
        Assert.Equal(0, kernel.Ask(Opcode.Destroy, 0).Error);
        Assert.Equal(19, kernel.Ask(Opcode.GetAttr, 1, Bytes(default(GetAttrIn))).Error);
        Assert.Null(kernel.Send(kernel.Message(Opcode.Forget, 5, Bytes(new ForgetIn(1)), [])));
        kernel.Session.Finish(-1);
        Assert.Equal(1, closed);
    }

    [Fact]
    public void Ranges_that_overflow_are_refused()
    {
        using var kernel = new Kernel();
        ulong node = kernel.Create("f");
        const ulong Huge = ulong.MaxValue - 1;
        Assert.Equal(22, kernel.Ask(Opcode.Read, node, Bytes(new ReadIn(node, Huge, 10, 0, 0, 0, 0))).Error);
        Assert.Equal(22, kernel.Ask(Opcode.Read, node, Bytes(new ReadIn(node, 0, uint.MaxValue, 0, 0, 0, 0))).Error);
        Assert.Equal(22, kernel.Ask(Opcode.Write, node, Bytes(new WriteIn(node, long.MaxValue, 1, 0, 0, 0, 0)), [1]).Error);
        Assert.Equal(22, kernel.Ask(Opcode.Write, node, Bytes(new WriteIn(node, 0, 2, 0, 0, 0, 0)), [1]).Error);
        Assert.Equal(27, kernel.Ask(Opcode.Fallocate, node, Bytes(new FallocateIn(node, long.MaxValue, long.MaxValue, 0, 0))).Error);
        Assert.Equal(95, kernel.Ask(Opcode.Fallocate, node, Bytes(new FallocateIn(node, 0, 10, 8, 0))).Error);
        Assert.Equal(6, kernel.Ask(Opcode.Lseek, node, Bytes(new LseekIn(node, Huge, 3, 0))).Error);
        Assert.Equal(22, kernel.Ask(Opcode.SetAttr, node, Bytes(default(SetAttrIn) with { Valid = SetAttrValid.Size, Size = Huge })).Error);
        Assert.Equal(22, kernel.Ask(Opcode.CopyFileRange, node, Bytes(new CopyFileRangeIn(node, Huge, node, node, 0, 1, 0))).Error);
    }

    private static byte[] Contexts(params (string Name, byte[] Value)[] contexts)
    {
        var body = new List<byte>();
        foreach ((string name, byte[] value) in contexts)
        {
            body.AddRange(Join(Bytes(new SecurityContextHeader((uint)value.Length, 0)), Name(name), value));
            body.AddRange(new byte[-body.Count & 7]);
        }

        return Join(Bytes(new ExtensionHeader((uint)body.Count + 8, (uint)contexts.Length)), [.. body]);
    }

    private static List<string> List(Kernel kernel, Opcode operation, uint size)
    {
        var names = new List<string>();
        ulong cookie = 0;
        while (true)
        {
            Reply reply = kernel.Ask(operation, 1, Bytes(new ReadIn(0, cookie, size, 0, 0, 0, 0)));
            Assert.Equal(0, reply.Error);
            Assert.True(reply.Payload.Length <= size);
            if (reply.Payload.Length == 0)
            {
                return names;
            }

            int start = operation == Opcode.ReadDirPlus ? 128 : 0;
            for (int at = 0; at < reply.Payload.Length;)
            {
                var entry = reply.As<DirectoryEntryOut>(at + start);
                names.Add(Encoding.UTF8.GetString(reply.Payload, at + start + 24, (int)entry.NameLength));
                cookie = entry.Cookie;
                at += (start + 24 + (int)entry.NameLength + 7) & ~7;
            }
        }
    }
}
