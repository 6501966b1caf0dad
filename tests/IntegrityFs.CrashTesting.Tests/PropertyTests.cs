namespace IntegrityFs.CrashTesting.Tests;

/// <summary>The published table of persistence properties is what a fresh run gives.</summary>
public sealed class PropertyTests(ITestOutputHelper output)
{
    [Fact]
    public void The_documented_persistence_properties_are_those_of_a_fresh_run()
    {
        IReadOnlyList<PropertyRow> rows = PropertyTable.Make(1);
        string fresh = PropertyTable.Markdown(rows);
        output.WriteLine($"{rows.Sum(row => row.States)} states");
        output.WriteLine(fresh);
        Assert.DoesNotContain(rows.SelectMany(row => row.Journal.Concat(row.Auto)), answer => answer.Any(char.IsLetter) && answer.ToUpperInvariant() == answer);
        Assert.Equal(fresh.Trim(), TestingDocument.Between("properties"));
    }
}
