using System.Globalization;

namespace IntegrityFs.CrashTesting.Tests;

/// <summary>The real stack under the harness. The budget of an ordinary test run is small; INTEGRITYFS_CRASH_SECONDS
/// makes it longer, INTEGRITYFS_CRASH_SEED moves it to other samples.</summary>
public sealed class CampaignTests(ITestOutputHelper output)
{
    private static readonly double s_seconds = double.Parse(
        Environment.GetEnvironmentVariable("INTEGRITYFS_CRASH_SECONDS") ?? "60", CultureInfo.InvariantCulture);

    private static readonly ulong s_seed = ulong.Parse(
        Environment.GetEnvironmentVariable("INTEGRITYFS_CRASH_SEED") ?? "1", CultureInfo.InvariantCulture);

    private static readonly int s_jobs = int.Parse(
        Environment.GetEnvironmentVariable("INTEGRITYFS_CRASH_JOBS") ?? "1", CultureInfo.InvariantCulture);

    private void Run(IEnumerable<Workload> workloads, SubjectOptions subject, CrashProfile profile, double share)
    {
        var campaign = new CrashCampaign(new IntegrityFsSubject(subject), new CampaignOptions
        {
            Profile = profile,
            Seed = s_seed,
            Jobs = s_jobs,
            TimeBudget = TimeSpan.FromSeconds(s_seconds * share),
            MaxFailedWorkloads = 8,
        });
        CampaignResult result = campaign.Run(workloads);
        output.WriteLine(result.ToString());
        Assert.True(result.Violations.Count == 0, $"seed {s_seed}: {result}\n{string.Join('\n', result.Violations.Take(8))}");
        Assert.True(result.Workloads.Count > 0, "the budget was too small for one workload");
    }

    [Fact]
    public void Known_patterns_survive_every_crash() =>
        Run(PatternTable.All, new SubjectOptions(), CrashProfile.Quick, 0.35);

    [Fact]
    public void Known_patterns_survive_with_data_in_place() =>
        Run(PatternTable.All, new SubjectOptions { DataMode = Volume.DataMode.Auto }, CrashProfile.Quick, 0.25);

    [Fact]
    public void Sequences_of_operations_survive_every_crash() =>
        Run(new SequenceWorkloads(1).Sample(200, s_seed).Concat(new SequenceWorkloads(2).Sample(100_000, s_seed)), new SubjectOptions(), CrashProfile.Quick, 0.2);

    [Fact]
    public void Long_random_runs_survive_every_crash() =>
        Run(Enumerable.Range(0, 10_000).Select(i => RandomWorkloads.Create(s_seed + (ulong)i, 60)), new SubjectOptions { DeviceLength = 4 << 20 }, CrashProfile.Quick with { MaxStatesPerPoint = 12 }, 0.2);
}
