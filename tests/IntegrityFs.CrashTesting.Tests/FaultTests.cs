namespace IntegrityFs.CrashTesting.Tests;

/// <summary>The real stack on a device that fails, lies, or is full; and on a machine without memory.</summary>
public sealed class FaultTests(ITestOutputHelper output)
{
    private static readonly int s_runs = int.Parse(
        Environment.GetEnvironmentVariable("INTEGRITYFS_FAULT_RUNS") ?? "60", System.Globalization.CultureInfo.InvariantCulture);

    [Theory]
    [InlineData(Volume.DataMode.Journal)]
    [InlineData(Volume.DataMode.Auto)]
    public void Every_fault_is_reported_or_harmless(Volume.DataMode mode)
    {
        FaultResult result = new FaultCampaign(new FaultOptions { RunsPerWorkload = s_runs })
            .Run(new IntegrityFsSubject(new SubjectOptions { DataMode = mode, DeviceLength = 2 << 20, JournalBytes = 96 * 4096 }));
        output.WriteLine(result.ToString());
        foreach (FaultRow row in result.Rows)
        {
            output.WriteLine(row.ToString());
        }

        Assert.True(result.Failures.Count == 0, string.Join('\n', result.Failures));
        Assert.True(result.Runs > 200, result.ToString());
    }

    /// <summary>One wrong bit on the way from the device is asked for again: in the journal's scan it once cost a durable
    /// transaction.</summary>
    [Theory]
    [InlineData("BitRot on Read 0")]
    [InlineData("BitRot on Read 2")]
    [InlineData("BitRot on Read 4")]
    [InlineData("BitRot on Read 6")]
    [InlineData("BitRot on Read 8")]
    [InlineData("Error on Read 0")]
    [InlineData("Error on Read 2+")]
    public void A_bad_read_while_mounting_loses_nothing(string plan) =>
        Assert.Empty(FaultCampaign.Reproduce(new IntegrityFsSubject(new SubjectOptions()), FaultCampaign.Workloads[0], plan));
}
