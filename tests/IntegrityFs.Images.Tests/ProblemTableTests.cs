using IntegrityFs.Format;

namespace IntegrityFs.Images.Tests;

/// <summary>The table of problems, the documents that print it, and the images that show it.</summary>
public sealed class ProblemTableTests
{
    // What no broken image of this project can show: they need damage outside the volume, or a device that fails.
    private static readonly ProblemCode[] s_shownElsewhere =
    [
        ProblemCode.SuperblockCopy, ProblemCode.KeySlotCopy, ProblemCode.JournalGap, ProblemCode.JournalImageLost, ProblemCode.TagNodeCopy,
        ProblemCode.TagNodeLost, ProblemCode.BitmapUnreadable, ProblemCode.RootMissing, ProblemCode.OrphanLeft, ProblemCode.DataBlockBad,
        ProblemCode.DeviceError, ProblemCode.VolumeUnusable,
    ];

    private static string Repository() =>
        Enumerable.Range(0, 12).Aggregate(AppContext.BaseDirectory, static (at, _) => File.Exists(Path.Combine(at, "IntegrityFs.sln")) ? at : Path.GetDirectoryName(at) ?? at);

    private static string Option(RepairLevel level) => level switch
    {
        RepairLevel.Safe => "-p",
        RepairLevel.All => "-y",
        _ => "none",
    };

    [Fact]
    public void Every_code_has_one_row_and_rows_ascend()
    {
        ProblemCode[] codes = [.. Enum.GetValues<ProblemCode>().Where(code => code != ProblemCode.None)];
        Assert.Equal(codes, ProblemTable.Rules.Select(rule => rule.Code));
        Assert.Equal(codes.Length, ProblemTable.Rules.Select(rule => rule.Name).Distinct().Count());
    }

    [Fact]
    public void The_operations_document_prints_the_table()
    {
        string[] lines = File.ReadAllLines(Path.Combine(Repository(), "docs/OPERATIONS.md"));
        foreach (ProblemRule rule in ProblemTable.Rules)
        {
            string option = rule.Repair == RepairLevel.None ? "none" : $"`{Option(rule.Repair)}`";
            Assert.Contains($"| {(int)rule.Code} | `{rule.Name}` | {option} | {rule.Meaning} | {rule.Remedy} |", lines);
        }
    }

    [Fact]
    public void The_manual_page_prints_the_table()
    {
        string[] lines = File.ReadAllLines(Path.Combine(Repository(), "docs/man/fsck.integrityfs.8"));
        foreach (ProblemRule rule in ProblemTable.Rules)
        {
            int at = Array.IndexOf(lines, $".B {(int)rule.Code} {Escaped(rule.Name)}");
            Assert.True(at > 0, rule.Name);
            Assert.Equal($"({Escaped(Option(rule.Repair))}) {Escaped(rule.Meaning)}: {Escaped(rule.Remedy)}.", lines[at + 1]);
        }
    }

    [Fact]
    public void Every_problem_is_shown_by_an_image_or_by_a_test_of_its_own()
    {
        IEnumerable<ProblemCode> shown = BrokenTrees.All.Concat(BrokenItems.All).SelectMany(image => image.Expected).Concat(s_shownElsewhere).Distinct();
        Assert.Empty(ProblemTable.Rules.Select(rule => rule.Code).Except(shown));
    }

    private static string Escaped(string text) => text.Replace("-", "\\-", StringComparison.Ordinal);
}
