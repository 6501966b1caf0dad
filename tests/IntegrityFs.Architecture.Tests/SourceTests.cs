using System.Text.RegularExpressions;

namespace IntegrityFs.Architecture.Tests;

public sealed partial class SourceTests
{
    private const int MostLines = 700;

    // Where pointers are allowed: whole floors whose trade they are, and single files elsewhere.
    private static readonly string[] NativeCorners =
    [
        "src/IntegrityFs.Device/",
        "src/IntegrityFs.Fuse/",
        "src/IntegrityFs.CrashTesting/Devices/",
        "src/IntegrityFs.Keys/SecretMemory.cs",
        "src/IntegrityFs.Integrity/Authenticator.cs",
        "src/IntegrityFs.Integrity/MultiBufferHmac.cs",
        "src/IntegrityFs.Integrity/MultiBufferLibrary.cs",
        "src/IntegrityFs.Volume/BlockCache.cs",
        "src/IntegrityFs.Volume/Gate.cs",
        "src/IntegrityFs.Volume/ProtectedVolume.Bulk.cs",
        "src/IntegrityFs.Volume/ProtectedVolume.Verifying.cs",
        "src/IntegrityFs.Volume/VolumeOperation.cs",
        "src/IntegrityFs.Volume/VolumeReadQueue.cs",
        "src/IntegrityFs.Volume/IVolume.cs",
        "src/IntegrityFs.Cli/Native",
    ];

    // Put together so that this file does not break its own rule.
    private static readonly string[] UnfinishedWords = ["TO" + "DO", "FIX" + "ME", "NotImplemented" + "Exception"];

    [GeneratedRegex(@"\bunsafe\b")]
    private static partial Regex Unsafe();

    // A path of a development machine: at the start of a word, so that "$M/root/etc" is none.
    [GeneratedRegex(@"(?<![\w$}\])>.~*-])/(work|root|home/\w+)/\w")]
    private static partial Regex MachinePath();

    [GeneratedRegex(@"\[(Fact|Theory)\([^)]*\bSkip\b")]
    private static partial Regex SkippedTest();

    private static string WithoutComment(string line)
    {
        int at = line.IndexOf("//", StringComparison.Ordinal);
        return at < 0 ? line : line[..at];
    }

    [Fact]
    public void Pointers_stay_in_the_native_corners()
    {
        Assert.DoesNotContain(
            Repository.Sources("src")
                .Where(path => !NativeCorners.Any(corner => path.StartsWith(corner, StringComparison.Ordinal))),
            path => Repository.Lines(path).Any(line => Unsafe().IsMatch(WithoutComment(line))));
    }

    [Fact]
    public void Files_are_short_enough_to_be_read()
    {
        Assert.Empty(Repository.Sources("src")
            .Select(path => (Path: path, Count: Repository.Lines(path).Length))
            .Where(file => file.Count > MostLines)
            .Select(file => $"{file.Path}: {file.Count} lines"));
    }

    [Fact]
    public void Nothing_is_marked_as_unfinished()
    {
        Assert.Empty(Repository.Sources("src").Concat(Repository.Sources("tests"))
            .SelectMany(path => Repository.Lines(path).Select((line, index) => (path, line, index)))
            .Where(at => UnfinishedWords.Any(word => at.line.Contains(word, StringComparison.Ordinal)))
            .Select(at => $"{at.path}:{at.index + 1}"));
    }

    [Fact]
    public void No_test_is_skipped()
    {
        Assert.DoesNotContain(Repository.Sources("tests"), path => SkippedTest().IsMatch(Repository.Text(path)));
    }

    [Fact]
    public void No_file_names_a_path_of_a_development_machine()
    {
        Assert.Empty(Repository.TrackedFiles
            .Where(path => !path.EndsWith("/SourceTests.cs", StringComparison.Ordinal))
            .SelectMany(path => Repository.Lines(path).Select((line, index) => (path, line, index)))
            .Where(at => MachinePath().IsMatch(at.line))
            .Select(at => $"{at.path}:{at.index + 1}: {at.line.Trim()}"));
    }

    [Theory]
    [InlineData("cd /work/clone", true)]
    [InlineData("path=\"/root/x\"", true)]
    [InlineData("cp -a $M/root/etc x", false)]
    [InlineData("see https://example.org/work/a", false)]
    public void The_rule_for_machine_paths_knows_one_when_it_sees_one(string line, bool expected) =>
        Assert.Equal(expected, MachinePath().IsMatch(line));
}
