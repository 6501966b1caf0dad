// Promise: names every write that a crash state lacks, has torn or has spoiled, in terms of the volume.
using System.Globalization;

namespace IntegrityFs.CrashTesting;

/// <summary>Puts crash states into words.</summary>
internal static class StateExplanation
{
    private const int MaxNamed = 8;

    /// <summary>The violation with the explanation of its state behind its message.</summary>
    public static Violation Added(ICrashSubject subject, Recording recording, Violation violation)
    {
        if (violation.State.Length == 0)
        {
            return violation;
        }

        string[] levels = violation.State.Split('/');
        CrashState state = CrashState.Parse(levels[0], recording.Points);
        string text = Of(subject, recording, state);
        return violation with
        {
            Message = violation.Message + "\n  " + text + (levels.Length > 1 ? $"; then {levels.Length - 1} more while it recovered" : ""),
        };
    }

    /// <summary>What is missing and when the power failed.</summary>
    public static string Of(ICrashSubject subject, Recording recording, CrashState state)
    {
        CrashPoint point = recording.Points[state.Point];
        var missing = new List<string>();
        for (int i = 0; i < state.Masks.Length; i++)
        {
            WriteUnit unit = point.Pending[i];
            byte spoiled = state.Garbage is { } garbage ? garbage[i] : (byte)0;
            if (state.Masks[i] != unit.Whole)
            {
                string how = spoiled != 0 ? "spoiled" : state.Masks[i] == 0 ? "missing" : "torn";
                missing.Add($"{subject.Explain(unit, recording.Trace.Events)} ({how})");
            }
        }

        string when = string.Create(CultureInfo.InvariantCulture, $"power failed at event {point.Event} of {recording.Trace.Events.Count}, {When(recording, point)}");
        return missing.Count == 0
            ? $"{when}; all of the {state.Masks.Length} writes under way had arrived"
            : $"{when}; of {state.Masks.Length} writes under way: " + string.Join(", ", missing.Take(MaxNamed))
                + (missing.Count > MaxNamed ? $" and {missing.Count - MaxNamed} more" : "");
    }

    private static string When(Recording recording, CrashPoint point)
    {
        int operation = -1;
        for (int i = 0; i < point.Event; i++)
        {
            TraceEvent item = recording.Trace.Events[i];
            operation = item.Kind == TraceEventKind.OperationStart ? item.Number : operation;
        }

        int acknowledged = recording.Least(point);
        string during = operation < 0 ? "before the first operation"
            : string.Create(CultureInfo.InvariantCulture, $"during or after operation {operation} '{recording.Workload.Operations[operation]}'");
        return acknowledged == 0 ? during : string.Create(CultureInfo.InvariantCulture, $"{during}, with {acknowledged} operations acknowledged");
    }
}
