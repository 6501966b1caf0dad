using IntegrityFs.Cli.Commands;

namespace IntegrityFs.Cli.Tests;

public sealed class UmountRequestTests
{
    [Theory]
    [InlineData("/mnt", false, false, false)]
    [InlineData("/mnt -n -l -f -v -r -t fuse.integrityfs -N 1", true, true, true)]
    [InlineData("/mnt -t fuse.integrityfs", false, false, false)]
    [InlineData("-l /mnt", true, false, false)]
    public void The_forms_of_umount8_are_understood(string line, bool lazy, bool force, bool verbose) =>
        Assert.Equal(new UmountRequest("/mnt", lazy, force, verbose), UmountRequest.Parse(line.Split(' ')));

    [Theory]
    [InlineData("-x /mnt")]
    [InlineData("-l")]
    [InlineData("/a /b")]
    public void A_wrong_command_line_is_a_usage_error(string line) =>
        Assert.Equal(Cause.Usage, Assert.Throws<CommandFailure>(() => UmountRequest.Parse(line.Split(' '))).Cause);
}
