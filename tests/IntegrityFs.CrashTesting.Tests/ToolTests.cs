namespace IntegrityFs.CrashTesting.Tests;

/// <summary>Tools that write, cut off at every point.</summary>
public sealed class ToolTests(ITestOutputHelper output)
{
    [Fact]
    public void A_crash_of_any_tool_leaves_the_old_or_the_new()
    {
        IReadOnlyList<ToolResult> results = new ToolCampaign(CrashProfile.Quick with { MaxStatesPerPoint = 24 }, 1).Run();
        foreach (ToolResult result in results)
        {
            output.WriteLine($"{result.Tool}: {result.Writes} writes, {result.Points} points, {result.States} states, {result.Failures.Count} failures");
        }

        Assert.Empty(results.SelectMany(result => result.Failures));
        Assert.True(results.Count >= 18);
        Assert.All(results, result => Assert.True(result.States > 1, result.Tool));
    }
}
