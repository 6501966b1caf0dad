using System.Text.Json;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>Violations, for people and for machines.</summary>
internal static class ViolationText
{
    /// <summary>Prints each with the line that reproduces it.</summary>
    public static void Print(TextWriter writer, IReadOnlyList<Violation> violations)
    {
        foreach (Violation violation in violations)
        {
            writer.WriteLine(violation);
        }
    }

    /// <summary>The property "violations".</summary>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<Violation> violations)
    {
        json.WriteStartArray("violations");
        foreach (Violation violation in violations)
        {
            json.WriteStartObject();
            json.WriteString("rule", violation.Rule);
            json.WriteString("workload", violation.Workload);
            json.WriteString("text", violation.Text);
            json.WriteString("state", violation.State);
            json.WriteString("message", violation.Message);
            json.WriteString("reproduce", violation.Reproducer);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
