namespace IntegrityFs.CrashTesting.Tests;

/// <summary>The generated parts of docs/TESTING.md.</summary>
internal static class TestingDocument
{
    /// <summary>The text between the markers of a part.</summary>
    public static string Between(string part)
    {
        string text = File.ReadAllText(Path.Combine(Root(), "docs", "TESTING.md"));
        string begin = $"<!-- {part}: begin -->";
        int from = text.IndexOf(begin, StringComparison.Ordinal);
        int to = text.IndexOf($"<!-- {part}: end -->", StringComparison.Ordinal);
        Assert.True(from >= 0 && to > from, $"docs/TESTING.md has no part '{part}'");
        return text[(from + begin.Length)..to].Trim();
    }

    private static string Root()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "IntegrityFs.sln")))
        {
            at = at.Parent;
        }

        return at?.FullName ?? throw new InvalidOperationException("the tests do not run inside the source tree");
    }
}
