namespace IntegrityFs.CrashTesting;

/// <summary>A promise that was broken.</summary>
/// <param name="Workload">Id of the workload.</param>
/// <param name="Text">The workload's text, perhaps shrunk.</param>
/// <param name="State">The crash state's text; empty where no crash was needed.</param>
/// <param name="Rule">Which promise: P2, I1 ... I10, J1 ..., model.</param>
/// <param name="Message">What was seen.</param>
public sealed record Violation(string Workload, string Text, string State, string Rule, string Message)
{
    /// <summary>The seed of the run that found it.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Options of the command line that choose the subject and the profile.</summary>
    public string Options { get; init; } = "";

    /// <summary>One line that reproduces it; a workload that was not shrunk is named by its id.</summary>
    public string Reproducer
    {
        get
        {
            string workload = WorkloadSource.Find(Workload)?.ToString() == Text ? Workload : $"\"{Text}\"";
            return $"integrityfs crashtest run --workload {workload}" + (State.Length == 0 ? $" --seed {Seed}" : $" --state {State}")
                + (Options.Length == 0 ? "" : " " + Options);
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Rule} [{Workload}] seed {Seed}: {Message}\n  reproduce: {Reproducer}";
}
