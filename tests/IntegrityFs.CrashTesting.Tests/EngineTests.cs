namespace IntegrityFs.CrashTesting.Tests;

/// <summary>The engine is worth something only if it finds nothing in a correct store and every defect in a broken one.</summary>
public sealed class EngineTests
{
    private static readonly Workload[] s_workloads =
    [
        Workload.Parse("basics", "creat foo; write foo 0 6000 1; fsync foo; mkdir A; rename foo A/bar; sync; unlink A/bar; sync; creat new; sync"),
        Workload.Parse("attributes", "creat foo; setxattr foo user.a 40 1; sync; setxattr foo user.b 600 2; fsync foo; rmxattr foo user.a; fdatasync foo"),
        Workload.Parse("orphans", "creath h foo; writeh h 0 9000 1; sync; unlink foo; creat bar; sync; close h; sync"),
        Workload.Parse("numbers", "creat foo; sync; unlink foo; sync"),
        Workload.Parse("replace", "creat foo; write foo 0 3000 1; sync; begin; creat tmp; write tmp 0 3000 2; fsync tmp; rename tmp foo; sync"),
        Workload.Parse("rewrite", "creat foo; write foo 0 12000 1; sync; begin; write foo 0 12000 2; fdatasync foo; truncate foo 100; fdatasync foo"),
    ];

    private static CampaignResult Explore(ToyDefect defect, bool minimise = false) =>
        new CrashCampaign(new ToySubject(defect), new CampaignOptions { Minimise = minimise, Seed = 7 }).Run(s_workloads);

    [Fact]
    public void A_correct_store_passes_every_crash_state()
    {
        CampaignResult result = Explore(ToyDefect.None);
        Assert.True(result.Violations.Count == 0, string.Join('\n', result.Violations));
        Assert.True(result.States > 1000, result.ToString());
    }

    public static TheoryData<int> Defects => [.. Enum.GetValues<ToyDefect>().Where(defect => defect != ToyDefect.None).Select(defect => (int)defect)];

    [Theory]
    [MemberData(nameof(Defects))]
    public void Every_planted_defect_is_found(int defect)
    {
        CampaignResult result = Explore((ToyDefect)defect);
        Assert.True(result.Violations.Count > 0, $"{(ToyDefect)defect} survived: {result}");
    }

    [Fact]
    public void The_same_seed_finds_the_same()
    {
        CampaignResult first = Explore(ToyDefect.ChecksumOfHeaderOnly);
        CampaignResult second = Explore(ToyDefect.ChecksumOfHeaderOnly);
        Assert.Equal(first.Violations, second.Violations);
        Assert.Equal(first.Workloads, second.Workloads);
    }

    [Fact]
    public void A_violation_is_shrunk_and_its_reproducer_reproduces_it()
    {
        CampaignResult result = Explore(ToyDefect.AcknowledgeBeforeFlush, minimise: true);
        Violation violation = result.Violations[0];
        Workload shrunk = Workload.Parse(violation.Workload, violation.Text);
        Assert.True(shrunk.Setup.Count + shrunk.Operations.Count <= 3, violation.ToString());

        var campaign = new CrashCampaign(new ToySubject(ToyDefect.AcknowledgeBeforeFlush), new CampaignOptions());
        Assert.Contains(campaign.Reproduce(shrunk, violation.State), again => again.Rule == violation.Rule);
        var correct = new CrashCampaign(new ToySubject(ToyDefect.None), new CampaignOptions());
        Assert.Empty(correct.Reproduce(shrunk, ""));
    }
}
