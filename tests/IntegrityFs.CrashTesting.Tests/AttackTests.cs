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
        Assert.Empty(result.Cells.SelectMany(cell => Undocumented(cell)));
    }

    /// <summary>Outcomes that docs/TESTING.md does not name in the cell.</summary>
    private static IEnumerable<string> Undocumented(AttackCell cell)
    {
        string[] lines = TestingDocument.Between("attacks").Split('\n');
        string[] kinds = Columns(lines[0]);
        string zone = AttackResult.ZoneName(cell.Zone);
        string? row = lines.FirstOrDefault(line => Columns(line)[0] == zone);
        int column = Array.IndexOf(kinds, cell.Kind);
        string documented = row is null || column < 0 ? "" : Columns(row)[column];
        return cell.Classes.Where(outcome => !documented.Contains(outcome, StringComparison.Ordinal))
            .Select(outcome => $"{zone}, {cell.Kind}: {outcome}; documented: '{documented}'");
    }

    private static string[] Columns(string line) => line.Trim('|').Split('|', StringSplitOptions.TrimEntries);
}
