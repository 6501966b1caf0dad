namespace IntegrityFs.CrashTesting;

/// <summary>A promise that was broken.</summary>
/// <param name="Workload">Id of the workload.</param>
/// <param name="Text">The workload's text, perhaps shrunk.</param>
/// <param name="State">The crash state's text; empty where no crash was needed.</param>
/// <param name="Rule">Which promise: P2, I1 ... I10, J1 ..., model.</param>
/// <param name="Message">What was seen.</param>
public sealed record Violation(string Workload, string Text, string State, string Rule, string Message)
{
    /// <summary>One line that reproduces it.</summary>
    public string Reproducer => State.Length == 0
        ? $"integrityfs crashtest --workload \"{Text}\""
        : $"integrityfs crashtest --workload \"{Text}\" --state {State}";

    /// <inheritdoc/>
    public override string ToString() => $"{Rule} [{Workload}] {Message}\n  reproduce: {Reproducer}";
}
