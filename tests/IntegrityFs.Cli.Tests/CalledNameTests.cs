namespace IntegrityFs.Cli.Tests;

public sealed class CalledNameTests
{
    [Theory]
    [InlineData("integrityfs", "Main")]
    [InlineData("/usr/local/bin/integrityfs", "Main")]
    [InlineData("@integrityfs", "Main")]
    [InlineData("mkfs.integrityfs", "Mkfs")]
    [InlineData("/sbin/mount.integrityfs", "Mount")]
    [InlineData("/sbin/mount.fuse.integrityfs", "Mount")]
    [InlineData("@/sbin/mount.fuse.integrityfs", "Mount")]
    [InlineData("@mount.fuse.integrityfs", "Mount")]
    [InlineData("umount.integrityfs", "Umount")]
    [InlineData("umount.fuse.integrityfs", "Umount")]
    [InlineData("fsck.integrityfs", "Fsck")]
    [InlineData("/usr/sbin/fsck.fuse.integrityfs", "Fsck")]
    [InlineData("mount", "Main")]
    [InlineData("", "Main")]
    [InlineData(null, "Main")]
    public void The_name_says_what_to_do(string? name, string verb) =>
        Assert.Equal(verb, CalledName.Parse(name).ToString());
}
