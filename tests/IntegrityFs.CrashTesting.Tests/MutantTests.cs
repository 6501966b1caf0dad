using IntegrityFs.Integrity;

namespace IntegrityFs.CrashTesting.Tests;

/// <summary>The harness sees: each deliberate defect of the file system is caught, and the file system without one is not.</summary>
public sealed class MutantTests(ITestOutputHelper output)
{
    [Fact]
    public void Every_mutant_is_killed()
    {
        string? only = Environment.GetEnvironmentVariable("INTEGRITYFS_MUTANTS");
        var campaign = new MutantCampaign(1, TimeSpan.FromSeconds(300))
        {
            Progress = verdict => output.WriteLine($"{verdict.Name}: {(verdict.Killed ? $"{verdict.By}, {verdict.Rule}, {verdict.States} states, {verdict.Elapsed.TotalSeconds:0.0} s, {verdict.Case}" : "SURVIVES")}"),
        };
        IReadOnlyList<MutantVerdict> verdicts = campaign.Run(jobs: 2, only?.Split(','));
        Assert.Empty(verdicts.Where(verdict => !verdict.Killed).Select(verdict => verdict.Name));
        Assert.True(only is not null || verdicts.Count == MutantCampaign.Names.Count);
    }

    [Fact]
    public void Every_defect_that_can_be_switched_on_is_hunted()
    {
        string[] defects = [.. Enum.GetNames<Mutation>().Concat(Enum.GetNames<UpperDefect>()).Where(name => name != "None")];
        Assert.True(defects.Length >= 28);
        Assert.Equal([.. defects, "DeviceLosesFlushes"], MutantCampaign.Names.Select(name => string.Concat(name.Split('-').Select(part => char.ToUpperInvariant(part[0]) + part[1..]))));
    }

    [Fact]
    public void Two_lives_of_the_product_are_kept_apart()
    {
        var lives = new TwoLives(new IntegrityFsSubject(new SubjectOptions()));
        Assert.All(TwoLives.Pairs, pair => Assert.Null(lives.Explore(pair.Setup, pair.First, pair.Second)));
        Assert.True(lives.States > 30);
    }

    [Theory]
    [InlineData(Volume.DataMode.Journal)]
    [InlineData(Volume.DataMode.Auto)]
    public void A_crash_and_a_lost_superblock_together_lose_nothing(Volume.DataMode mode)
    {
        var crash = new DamagedCrash(new IntegrityFsSubject(new SubjectOptions { DeviceLength = 2 << 20, JournalBytes = 96 * 4096, DataMode = mode }));
        Violation? violation = crash.Explore(1);
        Assert.True(violation is null, violation?.ToString());
        Assert.True(crash.States > 40);
    }

    [Fact]
    public void The_documented_mutants_are_those_that_are_hunted()
    {
        string[] rows = [.. TestingDocument.Between("mutants").Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Skip(1)];
        Assert.Equal(MutantCampaign.Names, rows.Select(row => row.Split('|', StringSplitOptions.TrimEntries)[1]));
        Assert.DoesNotContain(rows, row => row.Contains("survives", StringComparison.Ordinal));
    }
}
