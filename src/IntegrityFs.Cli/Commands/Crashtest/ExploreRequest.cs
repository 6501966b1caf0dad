using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>What is to be explored.</summary>
internal sealed record ExploreRequest
{
    public required string Recording { get; init; }

    /// <summary>Base image: then the recording is a log of dm-log-writes.</summary>
    public string? Base { get; init; }

    public string? Check { get; init; }

    public required KeySource Key { get; init; }

    /// <summary>Names; empty for the recording's own.</summary>
    public IReadOnlyList<string> Personalities { get; init; } = [];

    public ExploreProfile Profile { get; init; } = ExploreProfile.Bounded;

    public int MostStates { get; init; } = 1000;

    public ulong Seed { get; init; }

    public int Jobs { get; init; } = 1;

    public bool Mount { get; init; }

    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    public string? State { get; init; }

    public string? Keep { get; init; }

    public string? Json { get; init; }

    public string? JUnit { get; init; }

    public string? Html { get; init; }

    public bool Quiet { get; init; }
}
