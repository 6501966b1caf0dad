namespace IntegrityFs.CrashTesting.Tests;

/// <summary>Offline modification of every zone of a used volume, sampled; INTEGRITYFS_ATTACKS_PER_CELL widens it.</summary>
public sealed class AttackTests(ITestOutputHelper output)
{
    private static readonly int s_perCell = int.Parse(
        Environment.GetEnvironmentVariable("INTEGRITYFS_ATTACKS_PER_CELL") ?? "16", System.Globalization.CultureInfo.InvariantCulture);

    [Fact]
    public void Every_attack_is_detected_or_harmless()
    {
        AttackResult result = new AttackCampaign(new AttackOptions { PerCell = s_perCell }).Run();
        output.WriteLine(result.ToString());
        output.WriteLine(result.Markdown());
        Assert.True(result.Failures.Count == 0, string.Join('\n', result.Failures));
        Assert.True(result.Attacks > 1500, result.ToString());
    }
}
