using IntegrityFs.Cli.Logging;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Cli.Tests;

public sealed class AuditTests
{
    [Fact]
    public void A_mismatch_makes_an_integrity_record()
    {
        (int type, string text) = AuditSink.Record(Mismatch("/etc/passwd"))!.Value;
        Assert.Equal(AuditSink.IntegrityFailure, type);
        Assert.Equal("op=verify-block volume=v block=7 zone=Data inode=3 name=\"/etc/passwd\" res=failed", text);
    }

    [Theory]
    [InlineData("/a b")]
    [InlineData("/a\"b")]
    [InlineData("/a\nres=success")]
    [InlineData("/ü")]
    public void A_file_name_cannot_forge_a_field(string path) =>
        Assert.Matches("name=[0-9A-F]+ res=failed$", AuditSink.Record(Mismatch(path))!.Value.Text);

    [Fact]
    public void The_life_of_the_daemon_makes_records_and_other_lines_do_not()
    {
        var line = new LogLine(LogLevel.Information, "x", "serving", [new("Uuid", "u")], Daemon.Log.ServingEvent);
        Assert.Equal((AuditSink.TrustedApplication, "op=mount volume=u res=success"), AuditSink.Record(line));
        Assert.Null(AuditSink.Record(line with { Event = 0 }));
    }

    private static LogLine Mismatch(string path) => new(
        LogLevel.Error, "x", "y", [new("Volume", "v"), new("Block", 7L), new("Zone", "Data"), new("Inode", 3UL), new("Path", path)], 1001);
}
