using System.Text;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting.Tests;

public sealed class LiveTests
{
    private static byte[] Fill(byte value, int length = 1024) => Enumerable.Repeat(value, length).ToArray();

    [Theory]
    [InlineData(CrashLoss.All, false, 1)]
    [InlineData(CrashLoss.None, false, 2)]
    public void A_device_loses_exactly_what_no_flush_covered(CrashLoss loss, bool torn, byte expected)
    {
        using var memory = new ImageDevice(new PageImage(1 << 16));
        var device = new UnflushedDevice(memory);
        device.Write(0, Fill(1));
        device.Flush();
        device.Write(0, Fill(2));
        device.Write(512, Fill(2, 512));
        Repair(memory, device.Fail(new CrashPlan(loss, 1, torn)).Repairs);
        byte[] found = new byte[1024];
        memory.Read(0, found);
        Assert.Equal(Fill(expected), found);
        Assert.Throws<DeviceException>(() => device.Write(0, Fill(3)));
        Assert.Throws<DeviceException>(device.Flush);
    }

    [Fact]
    public void A_random_failure_repeats_by_its_seed_and_leaves_whole_sectors_old_or_new()
    {
        HashSet<string> seen = [];
        for (ulong seed = 0; seed < 40; seed++)
        {
            string first = Fail(seed);
            Assert.Equal(first, Fail(seed));
            Assert.DoesNotContain(first, c => c is not ('1' or '2'));
            seen.Add(first);
        }

        Assert.True(seen.Count > 10, $"only {seen.Count} outcomes");

        static string Fail(ulong seed)
        {
            using var memory = new ImageDevice(new PageImage(1 << 16));
            var device = new UnflushedDevice(memory);
            device.Write(0, Fill(1, 4096));
            device.Flush();
            for (int i = 0; i < 4; i++)
            {
                device.Write(i * 1024, Fill(2));
            }

            Repair(memory, device.Fail(new CrashPlan(CrashLoss.Random, seed, Torn: true)).Repairs);
            byte[] found = new byte[4096];
            memory.Read(0, found);
            Assert.All(found.Chunk(512), sector => Assert.Single(sector.Distinct()));
            return string.Concat(found.Chunk(512).Select(sector => sector[0]));
        }
    }

    [Fact]
    public void A_live_history_keeps_what_was_synchronised_and_answers_nothing_after_the_crash()
    {
        var program = new ProgramFixture();
        FileTree start = program.Start;
        program.Create("kept", "data", sync: true);
        program.SyncDirectory();
        program.Create("lost", "data", sync: true);
        using var history = new LiveHistory("lose-dir-ops", start);
        foreach (RecordingEvent item in program.Recording().Events)
        {
            history.Append(item);
        }

        (FileTree tree, IReadOnlyList<string> lost) = history.Freeze(new CrashPlan(CrashLoss.DirectoryOperations, 0, false));
        Assert.Equal("kept=data", ProgramFixture.Show(tree));
        Assert.Equal("request 6: create /lost", Assert.Single(lost));
        var late = new Thread(() => history.Append(program.Recording().Events[0]));
        late.Start();
        Assert.False(late.Join(100));
        history.Thaw();
        Assert.True(late.Join(5000));
    }

    [Theory]
    [InlineData("random 17 whole")]
    [InlineData("dir-ops 0 torn")]
    public void A_plan_survives_the_control_socket(string text) => Assert.Equal(text, CrashPlan.Parse(text)!.ToString());

    [Theory]
    [InlineData("")]
    [InlineData("all")]
    [InlineData("all x whole")]
    [InlineData("everything 1 whole")]
    public void What_is_no_plan_is_refused(string text) => Assert.Null(CrashPlan.Parse(text));

    [Fact]
    public void A_tree_is_the_same_after_it_was_written_to_another_file_system()
    {
        var from = new ModelFileSystem(new ManualClock());
        var caller = new Caller(5, 6, 1, 0);
        Assert.Equal(Errno.OK, from.MakeDirectory(caller, InodeNumber.Root, "d"u8, 0x1C0, null, out Attributes directory));
        Assert.Equal(Errno.OK, from.Create(caller, directory.Inode, "f"u8, 0x1A4, OpenMode.Write, null, out Attributes file, out ulong handle));
        from.Write(handle, file.Inode, 10_000, Encoding.ASCII.GetBytes("after a hole"), false, out _);
        from.SetXattr(file.Inode, "user.a"u8, "v"u8, XattrMode.Any, false);
        from.Link(file.Inode, InodeNumber.Root, "other"u8, out _);
        from.Symlink(caller, InodeNumber.Root, "s"u8, "d/f"u8, null, out _);
        from.MakeNode(caller, InodeNumber.Root, "p"u8, FileTypes.Fifo | 0x1A4, 0, null, out _);
        FileTree tree = FileTree.Take(from);

        var to = new ModelFileSystem(new ManualClock());
        TreeWriter.Write(tree, to);
        FileTree again = FileTree.Take(to);
        Assert.Equal(tree.Hash(), again.Hash());
        Assert.Equal(tree.Walk().Select(item => item.Path), again.Walk().Select(item => item.Path));
        Assert.NotEqual(tree.Hash(), tree.Change(file.Inode.Value, node => node.WithContent(3, "x"u8)).Hash());
        Assert.NotEqual(tree.Hash(), tree.Change(1, node => node with { Entries = node.Entries.Remove("other") }).Hash());
    }

    private static void Repair(ImageDevice memory, IReadOnlyList<(long Offset, byte[] Data)> repairs)
    {
        foreach ((long offset, byte[] data) in repairs)
        {
            memory.Write(offset, data);
        }
    }
}
