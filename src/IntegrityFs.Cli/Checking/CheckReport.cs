using System.Globalization;
using IntegrityFs.Cli.Daemon;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli.Checking;

/// <summary>What a check found, for people and as JSON.</summary>
internal sealed class CheckReport
{
    private const int MostProblems = 10_000;

    public required string Device { get; init; }

    public required bool ReadOnly { get; init; }

    public Guid Uuid { get; set; }

    public string Label { get; set; } = "";

    public RecoveryReport Recovery { get; set; } = new();

    public bool Skipped { get; set; }

    public long BlocksVerified { get; set; }

    public long Files { get; set; }

    public long Directories { get; set; }

    public long Orphans { get; set; }

    /// <summary>The first findings; the others are only counted.</summary>
    public List<Problem> Problems { get; } = [];

    public long Count { get; private set; }

    public long Left { get; private set; }

    /// <summary>True where the volume could not be opened, so that nothing of it was checked.</summary>
    public bool Unusable { get; private set; }

    public int ExitCode => (Count > Left ? FsckExit.Corrected : 0) | (Left > 0 ? FsckExit.ErrorsLeft : 0) | (Unusable ? FsckExit.Operational : 0);

    public void Add(Problem problem)
    {
        Count++;
        Left += problem.Repaired ? 0 : 1;
        Unusable |= problem.Code == ProblemCode.VolumeUnusable;
        if (Problems.Count < MostProblems)
        {
            Problems.Add(problem);
        }
    }

    public string Json() => JsonText.Object(json =>
    {
        json.WriteString("device", Device);
        json.WriteString("uuid", Uuid);
        json.WriteString("label", Label);
        json.WriteBoolean("readOnly", ReadOnly);
        json.WriteBoolean("skippedBecauseClean", Skipped);
        json.WriteNumber("exitCode", ExitCode);
        json.WriteNumber("blocksVerified", BlocksVerified);
        json.WriteNumber("files", Files);
        json.WriteNumber("directories", Directories);
        json.WriteNumber("orphans", Orphans);
        json.WriteNumber("problemsFound", Count);
        json.WriteNumber("problemsLeft", Left);
        MountStatus.WriteRecovery(json, Recovery);
        json.WriteStartArray("problems");
        foreach (Problem problem in Problems)
        {
            json.WriteStartObject();
            json.WriteNumber("id", (int)problem.Code);
            json.WriteString("name", problem.Rule.Name);
            json.WriteString("kind", problem.Rule.Kind.ToString().ToLowerInvariant());
            json.WriteString("repair", RepairWord(problem.Rule.Repair));
            json.WriteString("message", problem.Message);
            json.WriteBoolean("repaired", problem.Repaired);
            if (problem.Block >= 0)
            {
                json.WriteNumber("block", problem.Block);
            }

            if (problem.Inode != 0)
            {
                json.WriteNumber("inode", problem.Inode);
            }

            if (problem.Path is not null)
            {
                json.WriteString("path", problem.Path);
            }

            if (problem.Offset >= 0)
            {
                json.WriteNumber("offset", problem.Offset);
                json.WriteNumber("length", problem.Length);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    /// <summary>The last line for people.</summary>
    public string Summary()
    {
        if (Skipped)
        {
            return $"{Device}: clean";
        }

        if (Unusable)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{Device}: {Count} problems, {Count - Left} repaired, {Left} left; the volume cannot be opened");
        }

        string scope = string.Create(CultureInfo.InvariantCulture, $"{Files} files, {Directories} directories, {BlocksVerified} blocks verified");
        return Count == 0
            ? $"{Device}: no problem ({scope})"
            : string.Create(CultureInfo.InvariantCulture, $"{Device}: {Count} problems, {Count - Left} repaired, {Left} left ({scope})");
    }

    /// <summary>The option that repairs it.</summary>
    private static string RepairWord(RepairLevel level) => level switch
    {
        RepairLevel.Safe => "-p",
        RepairLevel.All => "-y",
        _ => "none",
    };
}
