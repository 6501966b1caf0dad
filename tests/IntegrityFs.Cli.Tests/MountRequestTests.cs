using IntegrityFs.FileSystem;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli.Tests;

public sealed class MountRequestTests
{
    private static MountRequest Parse(string line) => MountRequest.Parse(line.Split(' '));

    [Fact]
    public void Mount8_without_options_gives_rw()
    {
        MountRequest request = Parse("/img /mnt -o rw");
        Assert.Equal("/img", request.Source);
        Assert.Equal("/mnt", request.Target);
        Assert.False(request.Options.ReadOnly);
        Assert.IsType<KeySource.Unspecified>(request.Options.Key);
    }

    [Theory]
    [InlineData("-o rw,keyfile=/k")]
    [InlineData("-o rw,key-file=/k")]
    [InlineData("-o rw -o keyfile=/k")]
    [InlineData("-orw,keyfile=/k")]
    [InlineData("--key-file /k")]
    [InlineData("--key-file=/k")]
    [InlineData("--options keyfile=/k")]
    public void Key_files_are_named_in_several_ways(string options)
    {
        KeySource key = Parse("/img /mnt " + options).Options.Key;
        Assert.Equal(new KeySource.KeyFile("/k"), key);
    }

    [Fact]
    public void Fstab_options_for_others_are_passed_over()
    {
        MountOptions options = Parse("/dev/loop0 /mnt -o ro,noatime,nosuid,noexec,nodev,keyfile=/k,allow_other,default_permissions,nofail,_netdev,user,x-systemd.automount,X-foo=1,helper=integrityfs,uhelper=integrityfs,comment=hello,defaults,noauto").Options;
        Assert.True(options.ReadOnly);
        Assert.Equal(
            MountFlags.ReadOnly | MountFlags.NoAtime | MountFlags.NoSetUserId | MountFlags.NoExecute | MountFlags.NoDevices,
            options.Flags);
        Assert.True(options.AllowOther);
    }

    [Fact]
    public void All_the_switches_of_mount8_are_accepted()
    {
        MountRequest request = Parse("SRC DIR -s -f -n -v -o rw,remount,sync,dirsync");
        Assert.True(request.Sloppy);
        Assert.True(request.Fake);
        Assert.True(request.Verbose);
        Assert.True(request.Options.Remount);
        Assert.Equal(MountFlags.Remount | MountFlags.Synchronous | MountFlags.DirectorySynchronous, request.Options.Flags);
    }

    [Fact]
    public void Switches_may_be_clustered_and_may_come_first()
    {
        MountRequest request = Parse("-sfnv -o ro SRC DIR -t fuse.integrityfs");
        Assert.True(request.Sloppy && request.Fake && request.Verbose && request.Options.ReadOnly);
        Assert.Equal("SRC", request.Source);
    }

    [Fact]
    public void What_mount_fuse3_passes_is_understood()
    {
        MountRequest request = MountRequest.Parse(["SRC", "DIR", "-o", "rw,keyfile=/k,dev,suid"]);
        Assert.Equal(MountFlags.None, request.Options.Flags);
    }

    [Theory]
    [InlineData("rw,ro", true)]
    [InlineData("ro,rw", false)]
    public void The_last_of_contradicting_options_wins(string options, bool readOnly) =>
        Assert.Equal(readOnly, Parse("SRC DIR -o " + options).Options.ReadOnly);

    [Fact]
    public void Our_own_options_are_read()
    {
        MountOptions options = Parse("S D -o keyfile=/k,commit=30,data=auto,errors=remount-ro,verify=full,cache=64M,writeback,threads=4,hash-threads=2,fusetype=fuse,log=/var/log/x,max_read=131072,fsname=vol").Options;
        Assert.Equal(30, options.CommitSeconds);
        Assert.Equal(DataMode.Auto, options.Data);
        Assert.Equal(ErrorPolicy.RemountReadOnly, options.Errors);
        Assert.Equal(VerifyMode.Full, options.Verify);
        Assert.Equal(64L << 20, options.CacheBytes);
        Assert.True(options.WriteBack);
        Assert.Equal(4, options.Threads);
        Assert.Equal(2, options.HashLanes);
        Assert.Equal(FuseType.Fuse, options.FuseType);
        Assert.Equal("/var/log/x", options.LogFile);
        Assert.Equal(131072, options.MaxRead);
        Assert.Equal("vol", options.SourceName);
    }

    [Fact]
    public void Commas_are_protected_by_backslash_and_by_quotes()
    {
        Assert.Equal(new KeySource.KeyFile("/a,b"), Parse(@"S D -o keyfile=/a\,b,ro").Options.Key);
        MountOptions options = Parse("S D -o context=\"system_u:object_r:etc_t:s0:c1,c2\",ro").Options;
        Assert.Equal(["context=system_u:object_r:etc_t:s0:c1,c2"], options.SecurityOptions);
        Assert.True(options.ReadOnly);
        Assert.Equal(new KeySource.KeyFile("/a,b"), MountRequest.Parse(["S", "D", "--key-file", "/a,b"]).Options.Key);
    }

    [Theory]
    [InlineData("S D -o nonsense")]
    [InlineData("S D -o commit=0")]
    [InlineData("S D -o commit=-1")]
    [InlineData("S D -o commit=abc")]
    [InlineData("S D -o commit=99999999999999")]
    [InlineData("S D -o cache=-1")]
    [InlineData("S D -o cache=4K")]
    [InlineData("S D -o cache=99999999999G")]
    [InlineData("S D -o data=writeback")]
    [InlineData("S D -o errors=continue")]
    [InlineData("S D -o verify=none")]
    [InlineData("S D -o keyfile=")]
    [InlineData("S D -o")]
    [InlineData("S D -x")]
    [InlineData("S D --nonsense")]
    [InlineData("S")]
    [InlineData("S D E")]
    [InlineData("S D -t ext4")]
    [InlineData("S D -N /proc/1/ns/mnt")]
    public void A_wrong_command_line_is_a_usage_error(string line)
    {
        var failure = Assert.Throws<CommandFailure>(() => Parse(line));
        Assert.Equal(Cause.Usage, failure.Cause);
    }

    [Fact]
    public void Sloppy_passes_over_unknown_options_but_not_bad_values()
    {
        Assert.True(Parse("S D -s -o nonsense,ro").Options.ReadOnly);
        Assert.Throws<CommandFailure>(() => Parse("S D -s -o commit=x"));
    }

    [Theory]
    [InlineData("password=tell")]
    [InlineData("passphrase=tell")]
    [InlineData("key=tell")]
    public void A_secret_among_the_options_is_refused_and_not_repeated(string option)
    {
        var failure = Assert.Throws<CommandFailure>(() => Parse("S D -o " + option));
        Assert.DoesNotContain("tell", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_source_with_the_type_in_front_is_understood() =>
        Assert.Equal("/dev/sda1", Parse("integrityfs#/dev/sda1 /mnt").Source);

    [Fact]
    public void Words_after_a_double_dash_may_begin_with_a_dash() =>
        Assert.Equal("-img", MountRequest.Parse(["-o", "ro", "--", "-img", "D"]).Source);
}
