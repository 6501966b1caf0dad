using IntegrityFs.Fuse.Mounting;

namespace IntegrityFs.Fuse.Tests;

public sealed class MountingTests
{
    [Fact]
    public void The_uppermost_mount_at_a_path_is_found_and_its_name_unescaped()
    {
        string[] lines =
        [
            "22 1 253:0 / / rw,relatime - ext4 /dev/vda rw",
            @"40 22 0:39 / /mnt/a\040b\134c rw - fuse.integrityfs x rw",
            @"41 40 7:2 / /mnt/a\040b\134c rw - fuseblk.integrityfs /dev/loop2 rw",
        ];
        Assert.Equal(new DeviceNumber(7, 2), MountPoint.FindDevice(@"/mnt/a b\c", lines));
        Assert.Null(MountPoint.FindDevice("/mnt/other", lines));
        Assert.Equal((7u << 20) | 2, new DeviceNumber(7, 2).Packed);
    }

    [Fact]
    public void Options_of_mount_become_flags_and_the_last_one_wins()
    {
        var options = new FuseMountOptions { Source = "s", Target = "/t" };
        foreach (string option in new[] { "rw", "ro", "nosuid", "noatime", "relatime", "noexec", "exec", "defaults" })
        {
            Assert.True(options.TryApply(option));
        }

        Assert.Equal(FuseMountFlags.ReadOnly | FuseMountFlags.NoSetUserId | FuseMountFlags.RelativeAccessTimes, options.Flags);
        Assert.False(options.TryApply("errors=eio"));
        Assert.True(options.TryApply("rw"));
        Assert.Equal(FuseMountFlags.None, options.Flags & FuseMountFlags.ReadOnly);
    }

    [Fact]
    public void Commas_in_a_source_are_escaped_for_fusermount()
    {
        var options = new FuseMountOptions { Source = @"/images/a,b\c", Target = "/t", AllowOther = true };
        Assert.Equal(
            @"rw,nosuid,nodev,default_permissions,allow_other,max_read=1048576,subtype=integrityfs,fsname=/images/a\,b\\c",
            UserMount.Options(options, 1 << 20));
    }

    [Theory]
    [InlineData("/dev/fd/7", 7)]
    [InlineData("/dev/fd/", -1)]
    [InlineData("/dev/fd/7/x", -1)]
    [InlineData("/mnt", -1)]
    public void An_inherited_descriptor_is_recognised(string target, int expected) =>
        Assert.Equal(expected, MountPoint.InheritedDescriptor(target));

    [Theory]
    [InlineData(1, 1 << 20)]
    [InlineData(17, 1 << 20)]
    [InlineData(4, 4095)]
    [InlineData(4, 2 << 20)]
    public void Options_out_of_range_are_refused(int threads, int transfer) => Assert.Throws<ArgumentOutOfRangeException>(
        () => new FuseServerOptions { Threads = threads, MaxTransfer = transfer }.Validate());
}
