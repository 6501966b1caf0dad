namespace IntegrityFs.CrashTesting.Tests;

/// <summary>The harness sees: each deliberate defect of the file system is caught, and the file system without one is not.</summary>
public sealed class MutantTests(ITestOutputHelper output)
{
    [Fact]
    public void Every_mutant_is_killed()
    {
        var campaign = new MutantCampaign(1, TimeSpan.FromSeconds(90))
        {
            Progress = verdict => output.WriteLine($"{verdict.Name}: {(verdict.Killed ? $"{verdict.By}, {verdict.Rule}, {verdict.States} states, {verdict.Elapsed.TotalSeconds:0.0} s, {verdict.Case}" : "SURVIVES")}"),
        };
        IReadOnlyList<MutantVerdict> verdicts = campaign.Run(jobs: 2);
        Assert.Empty(verdicts.Where(verdict => !verdict.Killed).Select(verdict => verdict.Name));
        Assert.True(verdicts.Count >= 29);
    }

    [Fact]
    public void Two_lives_of_the_product_are_kept_apart()
    {
        var lives = new TwoLives(new IntegrityFsSubject(new SubjectOptions()));
        Assert.All(TwoLives.Pairs, pair => Assert.Null(lives.Explore(pair.Setup, pair.First, pair.Second)));
        Assert.True(lives.States > 50);
    }
}
