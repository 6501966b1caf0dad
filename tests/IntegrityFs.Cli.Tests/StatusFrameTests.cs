using CsCheck;
using IntegrityFs.Cli.Daemon;

namespace IntegrityFs.Cli.Tests;

public sealed class StatusFrameTests
{
    [Fact]
    public void What_the_daemon_writes_the_launcher_reads()
    {
        using var pipe = new MemoryStream();
        StatusReport[] reports =
        [
            new(StatusKind.Note, Cause.None, "replayed 3 transactions"),
            new(StatusKind.Failed, Cause.WrongKey, "wrong key – ключ"),
            new(StatusKind.Ready, Cause.None, ""),
        ];
        foreach (StatusReport report in reports)
        {
            pipe.Write(StatusFrame.Encode(report));
        }

        pipe.Position = 0;
        foreach (StatusReport report in reports)
        {
            Assert.Equal(report, StatusFrame.Read(pipe));
        }

        Assert.Null(StatusFrame.Read(pipe));
    }

    [Fact]
    public void A_pipe_that_ends_inside_a_frame_is_a_dead_daemon() =>
        Gen.Int[0, 7].Sample(length =>
        {
            byte[] frame = StatusFrame.Encode(new StatusReport(StatusKind.Ready, Cause.None, "text"));
            Assert.Null(StatusFrame.Read(new MemoryStream(frame, 0, length)));
        });
}
