namespace IntegrityFs.Cli.Tests;

public sealed class MountTableTests
{
    [Fact]
    public void A_line_of_mountinfo_is_taken_apart()
    {
        MountEntry entry = MountTable.Parse(@"98 27 7:0 / /mnt/a\040b rw,nosuid shared:5 master:1 - fuseblk.integrityfs /dev/loop0 rw,user_id=1000,group_id=0,allow_other")!;
        Assert.Equal("7:0", entry.DeviceNumber);
        Assert.Equal("/mnt/a b", entry.MountPoint);
        Assert.Equal("/dev/loop0", entry.Source);
        Assert.True(entry.IsOurs);
        Assert.Equal(1000u, entry.Owner);
    }

    [Fact]
    public void A_line_without_optional_fields_is_taken_apart()
    {
        MountEntry entry = MountTable.Parse("22 1 0:21 / /proc rw,relatime - proc proc rw")!;
        Assert.Equal("/proc", entry.MountPoint);
        Assert.False(entry.IsOurs);
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("1 2 3 4 5 6 - x")]
    public void What_is_no_line_of_mountinfo_is_passed_over(string line) => Assert.Null(MountTable.Parse(line));

    [Fact]
    public void The_topmost_mount_on_a_directory_counts()
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "1 0 0:1 / /m rw - tmpfs a rw\n2 0 0:2 / /m rw - fuse.integrityfs b rw\n3 0 0:3 / /mm rw - tmpfs c rw\n");
            Assert.Equal("0:2", MountTable.Find("/m", file)!.DeviceNumber);
            Assert.Null(MountTable.Find("/", file));
        }
        finally
        {
            File.Delete(file);
        }
    }
}
