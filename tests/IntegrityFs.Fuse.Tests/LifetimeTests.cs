using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Fuse.Protocol;
using IntegrityFs.Fuse.Serving;
using IntegrityFs.Volume;
using static IntegrityFs.Fuse.Tests.Kernel;

namespace IntegrityFs.Fuse.Tests;

/// <summary>How long an inode without a name lives, as the kernel's lookup counts have it. The file system is the real one,
/// on a volume in memory.</summary>
public sealed class LifetimeTests : IDisposable
{
    private const int NoEntry = 2;
    private static readonly byte[] s_key = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];

    private readonly MemoryDevice _device = new(16 << 20);
    private readonly ProtectedVolume _volume;
    private readonly ICatalog _catalog;
    private readonly PosixFileSystem _files;
    private readonly Kernel _kernel;
    private readonly Dictionary<ulong, ulong> _handles = [];

    public LifetimeTests()
    {
        VolumeFormatter.Format(_device, s_key, new VolumeFormatOptions());
        _volume = ProtectedVolume.Open(_device, s_key, new VolumeOptions());
        CatalogStore.Format(_volume, default, 1);
        _catalog = CatalogStore.Open(_volume);
        _files = new PosixFileSystem(_catalog, TimeProvider.System);
        _kernel = new Kernel(_files);
    }

    public void Dispose()
    {
        _kernel.Dispose();
        _volume.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void A_forget_that_comes_after_a_newer_lookup_and_the_removal_takes_back_only_its_own()
    {
        // The kernel drops the directory from its cache; before that FORGET is served, somebody enters the directory (a
        // second LOOKUP; a working directory has no handle), and another one removes it.
        ulong node = Entry(Opcode.MkDir, Bytes(new MkDirIn(0x1ed, 0)), Name("d"));
        Assert.Equal(node, Entry(Opcode.Lookup, Name("d")));
        Assert.Equal(0, _kernel.Ask(Opcode.RmDir, 1, Name("d")).Error);
        Forget(node, 1);
        Assert.Equal(0, Stat(node));
        Forget(node, 1);
        Assert.Equal(NoEntry, Stat(node));
    }

    [Fact]
    public void Each_kind_of_entry_in_a_reply_counts_once()
    {
        ulong d = Entry(Opcode.MkDir, Bytes(new MkDirIn(0x1ed, 0)), Name("d"));
        ulong n = Entry(Opcode.MkNod, Bytes(new MkNodIn(0x8000, 0, 0, 0)), Name("n"));
        ulong l = Entry(Opcode.Symlink, Name("l"), Name("target"));
        ulong c = Entry(Opcode.Create, Bytes(new CreateIn(2, 0x81a4, 0, 0)), Name("c"));
        ulong t = Entry(Opcode.TmpFile, Bytes(new CreateIn(2, 0x81a4, 0, 0)));
        Assert.Equal(n, Entry(Opcode.Link, Bytes(new LinkIn(n)), Name("m")));
        Assert.Equal(n, Entry(Opcode.Lookup, Name("m")));
        Assert.Equal(0, _kernel.Ask(Opcode.RmDir, 1, Name("d")).Error);
        Remove("n", "m", "l", "c");
        Release(c);
        Release(t);
        Assert.Equal((1, 3, 1, 1, 1), (Lookups(d), Lookups(n), Lookups(l), Lookups(c), Lookups(t)));
    }

    [Fact]
    public void A_listing_with_attributes_counts_the_entries_that_fit_and_not_the_dots()
    {
        ulong d = Entry(Opcode.MkDir, Bytes(new MkDirIn(0x1ed, 0)), Name("d"));
        ulong[] nodes = [.. Enumerable.Range(0, 5).Select(i => Entry(Opcode.MkNod, d, Bytes(new MkNodIn(0x8000, 0, 0, 0)), Name($"f{i}")))];
        var listed = new List<ulong>();
        ulong cookie = 0;
        while (true)
        {
            // Room for two entries and most of a third one.
            Reply reply = _kernel.Ask(Opcode.ReadDirPlus, d, Bytes(new ReadIn(0, cookie, (3 * 160) - 8, 0, 0, 0, 0)));
            Assert.Equal(0, reply.Error);
            Assert.Equal(0, reply.Payload.Length % 160);
            if (reply.Payload.Length == 0)
            {
                break;
            }

            for (int at = 0; at < reply.Payload.Length; at += 160)
            {
                listed.Add(reply.As<EntryOut>(at).Node);
                cookie = reply.As<DirectoryEntryOut>(at + 128).Cookie;
            }
        }

        listed.Sort();
        Assert.Equal([0, 0, .. nodes], listed);
        Assert.Equal(0, _kernel.Ask(Opcode.ReadDir, d, Bytes(new ReadIn(0, 0, 4096, 0, 0, 0, 0))).Error);
        for (int i = 0; i < nodes.Length; i++)
        {
            Assert.Equal(0, _kernel.Ask(Opcode.Unlink, d, Name($"f{i}")).Error);
            Assert.Equal(2, Lookups(nodes[i]));
        }

        Assert.Equal(0, _kernel.Ask(Opcode.RmDir, 1, Name("d")).Error);
        Assert.Equal(1, Lookups(d));
    }

    [Fact]
    public void A_batch_takes_back_what_each_of_its_entries_says()
    {
        ulong f = Entry(Opcode.MkNod, Bytes(new MkNodIn(0x8000, 0, 0, 0)), Name("f"));
        ulong g = Entry(Opcode.MkNod, Bytes(new MkNodIn(0x8000, 0, 0, 0)), Name("g"));
        Entry(Opcode.Lookup, Name("g"));
        Remove("f", "g");
        byte[] batch = Join(Bytes(new BatchForgetIn(2, 0)), Bytes(new ForgetOne(g, 1)), Bytes(new ForgetOne(f, 1)));
        Assert.Null(_kernel.Send(_kernel.Message(Opcode.BatchForget, 0, batch, [])));
        Assert.Equal((NoEntry, 0), (Stat(f), Stat(g)));
        Assert.Equal(1, Lookups(g));
    }

    [Fact]
    public void A_stale_handle_of_a_program_names_an_inode_again_and_counts()
    {
        ulong f = Entry(Opcode.MkNod, Bytes(new MkNodIn(0x8000, 0, 0, 0)), Name("f"));
        Forget(f, 1);
        Reply reply = _kernel.Ask(Opcode.Lookup, f, Name("."));
        Assert.Equal((0, f), (reply.Error, reply.As<EntryOut>().Node));
        Remove("f");
        Assert.Equal(1, Lookups(f));
        Assert.Equal(NoEntry, _kernel.Ask(Opcode.Lookup, f, Name(".")).Error);
    }

    [Fact]
    public void A_reply_that_the_kernel_does_not_take_counts_nothing_and_opens_nothing()
    {
        ulong d = Entry(Opcode.MkDir, Bytes(new MkDirIn(0x1ed, 0)), Name("d"));
        ulong f = Entry(Opcode.MkNod, d, Bytes(new MkNodIn(0x8000, 0, 0, 0)), Name("a-name-of-some-length"));
        ulong g = Entry(Opcode.MkNod, d, Bytes(new MkNodIn(0x8000, 0, 0, 0)), Name("g"));
        byte[][] requests =
        [
            _kernel.Message(Opcode.Lookup, d, Name("g"), []),
            _kernel.Message(Opcode.Lookup, d, Name("absent"), []),
            _kernel.Message(Opcode.Lookup, d, Name("g/"), []),
            _kernel.Message(Opcode.Link, d, Join(Bytes(new LinkIn(g)), Name("h")), []),
            _kernel.Message(Opcode.Open, f, Bytes(new OpenIn(0, 0)), []),
            _kernel.Message(Opcode.Create, d, Join(Bytes(new CreateIn(2, 0x81a4, 0, 0)), Name("g")), []),
            _kernel.Message(Opcode.TmpFile, d, Bytes(new CreateIn(2, 0x81a4, 0, 0)), []),
            _kernel.Message(Opcode.ReadDirPlus, d, Bytes(new ReadIn(0, 0, 4096, 0, 0, 0, 0)), []),
            _kernel.Message(Opcode.ReadDir, d, Bytes(new ReadIn(0, 0, 4096, 0, 0, 0, 0)), []),
            _kernel.Message(Opcode.GetAttr, d, Bytes(default(GetAttrIn)), []),
        ];
        int before = _files.HeldInodes;
        using (var worker = new Worker(_kernel.Session, new Gone(requests), 1))
        {
            foreach (byte[] _ in requests)
            {
                Assert.Null(worker.ServeOne());
            }
        }

        Assert.Equal(before, _files.HeldInodes);
        foreach (string name in new[] { "a-name-of-some-length", "g", "h" })
        {
            Assert.Equal(0, _kernel.Ask(Opcode.Unlink, d, Name(name)).Error);
        }

        Assert.Equal((1, 1), (Lookups(f), Lookups(g)));
        Assert.Equal(0, _kernel.Ask(Opcode.RmDir, 1, Name("d")).Error);
        Assert.Equal(1, Lookups(d));
    }

    [Fact]
    public void A_listing_that_fails_half_way_is_sent_as_far_as_it_came()
    {
        using var kernel = new Kernel(new Refusing(Format.Errno.EIO) { Entries = 3 });
        byte[] body = Bytes(new ReadIn(0, 0, 4096, 0, 0, 0, 0));
        Reply reply = kernel.Ask(Opcode.ReadDirPlus, 1, body);
        Assert.Equal((0, 3 * 160), (reply.Error, reply.Payload.Length));
        Assert.Equal(5, kernel.Ask(Opcode.ReadDirPlus, 1, Bytes(new ReadIn(0, 3, 4096, 0, 0, 0, 0))).Error);
    }

    [Fact]
    public void Unmounting_destroys_what_the_kernel_has_not_forgotten()
    {
        Entry(Opcode.Create, Bytes(new CreateIn(2, 0x81a4, 0, 0)), Name("f"));
        Entry(Opcode.TmpFile, Bytes(new CreateIn(2, 0x81a4, 0, 0)));
        Entry(Opcode.MkDir, Bytes(new MkDirIn(0x1ed, 0)), Name("d"));
        Remove("f");
        Assert.Equal(0, _kernel.Ask(Opcode.RmDir, 1, Name("d")).Error);
        Assert.Equal(0, _kernel.Ask(Opcode.Destroy, 0).Error);
        using CatalogReadScope scope = _catalog.EnterRead();
        Assert.False(_catalog.TryNextOrphan(default, out _));
    }

    private ulong Entry(Opcode operation, params byte[][] body) => Entry(operation, 1, body);

    private ulong Entry(Opcode operation, ulong parent, params byte[][] body)
    {
        Reply reply = _kernel.Ask(operation, parent, body);
        Assert.Equal(0, reply.Error);
        if (operation is Opcode.Create or Opcode.TmpFile)
        {
            _handles[reply.As<EntryOut>().Node] = reply.As<OpenOut>(128).Handle;
        }

        return reply.As<EntryOut>().Node;
    }

    private void Release(ulong node) =>
        Assert.Equal(0, _kernel.Ask(Opcode.Release, node, Bytes(new ReleaseIn(_handles[node], 0, 0, 0))).Error);

    private void Remove(params string[] names) =>
        Assert.All(names, name => Assert.Equal(0, _kernel.Ask(Opcode.Unlink, 1, Name(name)).Error));

    /// <summary>How many lookups of a removed inode have to be taken back until it is gone.</summary>
    private int Lookups(ulong node)
    {
        int count = 0;
        while (Stat(node) == 0)
        {
            Forget(node, 1);
            Assert.True(++count < 100, $"node {node} stays");
        }

        return count;
    }

    private void Forget(ulong node, ulong lookups) =>
        Assert.Null(_kernel.Send(_kernel.Message(Opcode.Forget, node, Bytes(new ForgetIn(lookups)), [])));

    private int Stat(ulong node) => _kernel.Ask(Opcode.GetAttr, node, Bytes(default(GetAttrIn))).Error;

    /// <summary>Brings some requests, whose callers are gone when the replies come.</summary>
    private sealed class Gone(byte[][] requests) : IRequestChannel
    {
        private int _next;

        public int Receive(Span<byte> buffer)
        {
            byte[] request = requests[_next++];
            request.CopyTo(buffer);
            return request.Length;
        }

        public int TryReceive(Span<byte> buffer) => Receive(buffer);

        public int Send(ReadOnlySpan<byte> reply) => -NoEntry;

        public void Dispose()
        {
        }
    }
}
