using IntegrityFs.Format;

namespace IntegrityFs.Cli.Tests;

public sealed class ExitCodeTests
{
    [Fact]
    public void Every_refused_mount_sets_the_failure_bit()
    {
        foreach (Cause cause in Enum.GetValues<Cause>())
        {
            int code = MountExit.From(cause);
            Assert.Equal(cause != Cause.None, (code & MountExit.Failure) != 0);
            Assert.Equal(0, code & ~(1 | 2 | 4 | 8 | 16 | 32));
        }
    }

    [Theory]
    [InlineData("None", 0)]
    [InlineData("Usage", 33)]
    [InlineData("System", 34)]
    [InlineData("KeySource", 34)]
    [InlineData("Internal", 36)]
    [InlineData("Interrupted", 40)]
    [InlineData("WrongKey", 32)]
    [InlineData("Integrity", 32)]
    [InlineData("InUse", 32)]
    [InlineData("NotAVolume", 32)]
    public void Mount_codes_are_mount8_bits(string cause, int code) =>
        Assert.Equal(code, MountExit.From(Enum.Parse<Cause>(cause)));

    [Theory]
    [InlineData("None", 0)]
    [InlineData("Usage", 16)]
    [InlineData("Interrupted", 32)]
    [InlineData("WrongKey", 8)]
    [InlineData("InUse", 8)]
    [InlineData("System", 8)]
    [InlineData("Integrity", 12)]
    [InlineData("CorruptStructure", 12)]
    public void Fsck_codes_are_fsck8_bits_and_damage_fails_a_boot(string cause, int code) =>
        Assert.Equal(code, FsckExit.From(Enum.Parse<Cause>(cause)));

    [Fact]
    public void No_two_causes_share_a_code() =>
        Assert.Equal(Enum.GetNames<Cause>().Length, Enum.GetValues<Cause>().Select(c => (int)c).Distinct().Count());

    [Fact]
    public void Help_names_every_code()
    {
        foreach (Cause cause in Enum.GetValues<Cause>())
        {
            Assert.Matches($@"(?m)^\s+{(int)cause}\s", ExitCodeText.Commands);
        }
    }

    [Fact]
    public void What_the_floors_throw_has_a_cause_of_its_own()
    {
        Assert.Equal(Cause.Integrity, Failures.Translate(new IntegrityException(Zone.Journal, 3, "x")).Cause);
        Assert.Equal(Cause.CorruptStructure, Failures.Translate(new CorruptFormatException("x")).Cause);
        Assert.Equal(Cause.InUse, Failures.Translate(new DeviceException(Errno.EBUSY, DeviceOperation.Open, -1, "x")).Cause);
        Assert.Equal(Cause.System, Failures.Translate(new DeviceException(Errno.EIO, DeviceOperation.Read, 0, "x")).Cause);
        Assert.Equal(Cause.System, Failures.Translate(new UnauthorizedAccessException("x")).Cause);
        Assert.Equal(Cause.Internal, Failures.Translate(new NullReferenceException("x")).Cause);
    }
}
