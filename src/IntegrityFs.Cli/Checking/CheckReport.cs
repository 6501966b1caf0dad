using System.Globalization;
using IntegrityFs.Cli.Daemon;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli.Checking;

/// <summary>What a check found, for people and as JSON.</summary>
internal sealed class CheckReport
{
    public required string Device { get; init; }

    public required bool ReadOnly { get; init; }

    public Guid Uuid { get; set; }

    public string Label { get; set; } = "";

    public RecoveryReport Recovery { get; set; } = new();

    public bool Skipped { get; set; }

    public long BlocksVerified { get; set; }

    public long Files { get; set; }

    public long Directories { get; set; }

    public List<ScanProblem> Problems { get; } = [];

    public int Left => Problems.Count(p => !p.Repaired);

    public int ExitCode =>
        (Problems.Any(p => p.Repaired) ? FsckExit.Corrected : 0) | (Left > 0 ? FsckExit.ErrorsLeft : 0);

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
        MountStatus.WriteRecovery(json, Recovery);
        json.WriteStartArray("problems");
        foreach (ScanProblem problem in Problems)
        {
            json.WriteStartObject();
            json.WriteString("kind", problem.Kind.ToString().ToLowerInvariant());
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

        string scope = string.Create(CultureInfo.InvariantCulture, $"{Files} files, {Directories} directories, {BlocksVerified} blocks verified");
        return Problems.Count == 0
            ? $"{Device}: no problem ({scope})"
            : string.Create(CultureInfo.InvariantCulture, $"{Device}: {Problems.Count} problems, {Problems.Count - Left} repaired, {Left} left ({scope})");
    }
}
