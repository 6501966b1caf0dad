using System.Runtime.CompilerServices;
using IntegrityFs.Fuse.Protocol;
using IntegrityFs.Fuse.Serving;

namespace IntegrityFs.Fuse.Tests;

public sealed class ProtocolTests
{
    [Fact]
    public void Structures_have_the_sizes_of_the_kernel_header()
    {
        Assert.Equal(40, Unsafe.SizeOf<RequestHeader>());
        Assert.Equal(16, Unsafe.SizeOf<InitIn>());
        Assert.Equal(8, Unsafe.SizeOf<ForgetIn>());
        Assert.Equal(8, Unsafe.SizeOf<BatchForgetIn>());
        Assert.Equal(16, Unsafe.SizeOf<ForgetOne>());
        Assert.Equal(16, Unsafe.SizeOf<GetAttrIn>());
        Assert.Equal(88, Unsafe.SizeOf<SetAttrIn>());
        Assert.Equal(16, Unsafe.SizeOf<MkNodIn>());
        Assert.Equal(8, Unsafe.SizeOf<MkDirIn>());
        Assert.Equal(8, Unsafe.SizeOf<RenameIn>());
        Assert.Equal(16, Unsafe.SizeOf<Rename2In>());
        Assert.Equal(8, Unsafe.SizeOf<LinkIn>());
        Assert.Equal(8, Unsafe.SizeOf<OpenIn>());
        Assert.Equal(16, Unsafe.SizeOf<CreateIn>());
        Assert.Equal(24, Unsafe.SizeOf<ReleaseIn>());
        Assert.Equal(24, Unsafe.SizeOf<FlushIn>());
        Assert.Equal(40, Unsafe.SizeOf<ReadIn>());
        Assert.Equal(40, Unsafe.SizeOf<WriteIn>());
        Assert.Equal(16, Unsafe.SizeOf<FsyncIn>());
        Assert.Equal(16, Unsafe.SizeOf<SetXattrIn>() + Unsafe.SizeOf<SetXattrExtension>());
        Assert.Equal(8, Unsafe.SizeOf<GetXattrIn>());
        Assert.Equal(32, Unsafe.SizeOf<IoctlIn>());
        Assert.Equal(32, Unsafe.SizeOf<FallocateIn>());
        Assert.Equal(24, Unsafe.SizeOf<LseekIn>());
        Assert.Equal(56, Unsafe.SizeOf<CopyFileRangeIn>());
        Assert.Equal(24, Unsafe.SizeOf<StatxIn>());
        Assert.Equal(16, Unsafe.SizeOf<ReplyHeader>());
        Assert.Equal(64, Unsafe.SizeOf<InitOut>());
        Assert.Equal(88, Unsafe.SizeOf<AttrOut>());
        Assert.Equal(128, Unsafe.SizeOf<EntryOut>());
        Assert.Equal(104, Unsafe.SizeOf<AttrReply>());
        Assert.Equal(16, Unsafe.SizeOf<OpenOut>());
        Assert.Equal(8, Unsafe.SizeOf<WriteOut>());
        Assert.Equal(80, Unsafe.SizeOf<StatFsOut>());
        Assert.Equal(24, Unsafe.SizeOf<DirectoryEntryOut>());
        Assert.Equal(288, Unsafe.SizeOf<StatxOut>());
        Assert.Equal(16, Unsafe.SizeOf<IoctlOut>());
    }

    [Fact]
    public void The_data_of_a_write_is_page_aligned_in_the_request_buffer() =>
        Assert.Equal(0, (RequestHandler.RequestStart + Unsafe.SizeOf<RequestHeader>() + Unsafe.SizeOf<WriteIn>()) % PageBuffer.PageSize);

    public static TheoryData<uint> Minors => [.. Enumerable.Range(31, 20).Select(minor => (uint)minor)];

    [Theory]
    [MemberData(nameof(Minors))]
    public void Init_grants_only_what_is_offered_and_answers_with_the_smaller_version(uint minor)
    {
        // Before 7.36 there is no second word of flags.
        var offered = minor < 36
            ? (InitFlags)((ulong)Kernel.EverythingOffered & 0x3fffffff)
            : Kernel.EverythingOffered;
        using var kernel = new Kernel(initialize: false);

        Reply reply = kernel.Init(minor, offered);

        Assert.Equal(0, reply.Error);
        Assert.Equal(64, reply.Payload.Length);
        var init = reply.As<InitOut>();
        Assert.Equal(7u, init.Major);
        Assert.Equal(Math.Min(minor, 45), init.Minor);
        var granted = (InitFlags)(init.Flags | ((ulong)init.Flags2 << 32));
        Assert.Equal(InitFlags.None, granted & ~offered);
        Assert.Equal(minor >= 36, (granted & InitFlags.SecurityContext) != 0);
        Assert.Equal(1u << 20, init.MaxWrite);
        Assert.Equal(256, init.MaxPages);
        Assert.Equal(1u, init.TimeGranularity);
        Assert.Equal(granted, kernel.Session.Agreement.Flags);
    }

    [Fact]
    public void Init_never_asks_for_locks_writeback_or_ways_around_the_server()
    {
        using var kernel = new Kernel(initialize: false);
        Assert.Equal(0, kernel.Init(45, (InitFlags)ulong.MaxValue).Error);
        const InitFlags Unwanted = InitFlags.PosixLocks | InitFlags.FlockLocks | InitFlags.WritebackCache | InitFlags.AutoInvalidateData
            | InitFlags.Passthrough | InitFlags.OverIoUring | InitFlags.RequestTimeout | InitFlags.AllowIdMapping;
        Assert.Equal(InitFlags.None, kernel.Session.Agreement.Flags & Unwanted);
    }

    [Fact]
    public void Writeback_is_asked_for_where_it_is_an_option()
    {
        using var kernel = new Kernel(options: new FuseServerOptions { Writeback = true });
        Assert.True(kernel.Session.Agreement.Has(InitFlags.WritebackCache));
    }

    [Fact]
    public void Without_max_pages_requests_stay_at_32_pages()
    {
        using var kernel = new Kernel(initialize: false);
        var init = kernel.Init(31, Kernel.EverythingOffered & ~InitFlags.MaxPages & ~InitFlags.Extended).As<InitOut>();
        Assert.Equal(131072u, init.MaxWrite);
        Assert.Equal(0, init.MaxPages);
    }

    [Fact]
    public void Flags_of_the_second_word_count_only_with_init_ext()
    {
        using var kernel = new Kernel(initialize: false);
        kernel.Init(45, Kernel.EverythingOffered & ~InitFlags.Extended);
        Assert.False(kernel.Session.Agreement.Has(InitFlags.SecurityContext));
    }

    [Theory]
    [InlineData(30u)]
    [InlineData(8u)]
    public void A_protocol_that_is_too_old_is_refused(uint minor)
    {
        using var kernel = new Kernel(initialize: false);
        Assert.Equal(71, kernel.Init(minor, Kernel.EverythingOffered).Error);
        Assert.True(kernel.Session.Incompatible);
    }

    [Fact]
    public void A_newer_major_version_is_told_ours_and_may_ask_again()
    {
        using var kernel = new Kernel(initialize: false);
        Reply reply = kernel.Ask(Opcode.Init, 0, Kernel.Bytes(new InitIn(8, 0, 0, 0)));
        Assert.Equal(0, reply.Error);
        Assert.Equal(7u, reply.As<InitOut>().Major);
        Assert.Equal(0, kernel.Init(45, Kernel.EverythingOffered).Error);
    }

    [Fact]
    public void A_second_init_is_refused()
    {
        using var kernel = new Kernel();
        Assert.Equal(22, kernel.Init(45, Kernel.EverythingOffered).Error);
    }
}
