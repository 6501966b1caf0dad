namespace IntegrityFs.CrashTesting;

/// <summary>One distinct state that a crash may leave.</summary>
/// <param name="Id">Names it within its recording and personality.</param>
/// <param name="Event">The crash comes just before this event.</param>
/// <param name="OutputLength">So many bytes had been printed by then.</param>
/// <param name="Tree">What a user finds; null where only an image can be shown (a foreign file system).</param>
/// <param name="Hash">Hash of the tree, or of the image.</param>
/// <param name="Problem">Why there is no tree: the volume did not recover.</param>
public sealed record CrashCase(string Id, int Event, int OutputLength, FileTree? Tree, ulong Hash, string? Problem = null);

/// <summary>What a checker said.</summary>
/// <param name="Passed">Exit code 0.</param>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Output">What it printed, shortened.</param>
/// <param name="TimedOut">It had to be ended.</param>
public sealed record Verdict(bool Passed, int ExitCode, string Output, bool TimedOut = false);

/// <summary>Judges states.</summary>
public interface ICaseJudge
{
    /// <summary>Runs the checker on a state; called from several threads.</summary>
    Verdict Judge(CrashCase state);
}

/// <summary>Where states come from.</summary>
public interface ICaseSource
{
    /// <summary>Number of crash points.</summary>
    int Points { get; }

    /// <summary>The states of every <paramref name="workers"/>-th point, from the <paramref name="worker"/>-th on.</summary>
    IEnumerable<CrashCase> Cases(int worker, int workers, CancellationToken cancel);

    /// <summary>One state by its name.</summary>
    /// <exception cref="FormatException">There is none.</exception>
    CrashCase Find(string id);

    /// <summary>What the state lacks, one line each: what was done before the crash and is not there.</summary>
    IReadOnlyList<string> Lost(CrashCase state);

    /// <summary>States that lack less than this one, for shrinking, most first.</summary>
    IEnumerable<CrashCase> Smaller(string id);
}

/// <summary>A kind of failure: states that the checker rejects in the same words.</summary>
/// <param name="Example">The state that lacks the least.</param>
/// <param name="Verdict">What the checker said about it.</param>
/// <param name="States">How many distinct states.</param>
/// <param name="Lost">What the example lacks.</param>
/// <param name="After">The last thing done before the crash.</param>
/// <param name="Before">The next thing done.</param>
/// <param name="Mark">The last mark before the crash.</param>
public sealed record FailureGroup(
    CrashCase Example, Verdict Verdict, int States, IReadOnlyList<string> Lost, string After, string Before, string Mark);

/// <summary>The outcome of an exploration.</summary>
public sealed record ExploreResult
{
    /// <summary>Name of the personality.</summary>
    public required string Personality { get; init; }

    /// <summary>Crash points.</summary>
    public required int Points { get; init; }

    /// <summary>States that were built.</summary>
    public required long Built { get; init; }

    /// <summary>Distinct states (tree and what had been printed).</summary>
    public required int Distinct { get; init; }

    /// <summary>States that the checker judged.</summary>
    public required int Checked { get; init; }

    /// <summary>States that the checker rejected.</summary>
    public required int Failed { get; init; }

    /// <summary>The failures, grouped; the most frequent first.</summary>
    public required IReadOnlyList<FailureGroup> Groups { get; init; }

    /// <summary>Each judged state and whether it passed, in the order of the crash.</summary>
    public required IReadOnlyList<(CrashCase Case, Verdict Verdict)> Judged { get; init; }

    /// <summary>Seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>True where it was stopped before its end.</summary>
    public bool Interrupted { get; init; }
}
