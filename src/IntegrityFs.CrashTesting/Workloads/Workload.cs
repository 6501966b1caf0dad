using System.Globalization;

namespace IntegrityFs.CrashTesting;

/// <summary>A named list of operations. The set-up runs before recording and is durable; the rest is what crashes.
/// Text: operations separated by ';' or lines, "begin" between set-up and the rest, '#' starts a comment line, and
/// "for N : op" repeats an operation with '%' replaced by 0 .. N − 1.</summary>
public sealed record Workload(string Id, IReadOnlyList<Operation> Setup, IReadOnlyList<Operation> Operations)
{
    /// <summary>Reads a workload.</summary>
    /// <exception cref="FormatException">The text is none.</exception>
    public static Workload Parse(string id, string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var setup = new List<Operation>();
        var operations = new List<Operation>();
        foreach (string part in text.Split([';', '\n'], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (part == "begin")
            {
                setup.AddRange(operations);
                operations.Clear();
            }
            else if (part.StartsWith("for ", StringComparison.Ordinal))
            {
                int colon = part.IndexOf(':', StringComparison.Ordinal);
                int count = int.Parse(part.AsSpan(4, colon - 4), CultureInfo.InvariantCulture);
                for (int i = 0; i < count; i++)
                {
                    string number = i.ToString(CultureInfo.InvariantCulture);
                    operations.Add(Operation.Parse(part[(colon + 1)..].Replace("%", number, StringComparison.Ordinal)));
                }
            }
            else if (!part.StartsWith('#'))
            {
                operations.Add(Operation.Parse(part));
            }
        }

        return new Workload(id, setup, operations);
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        string rest = string.Join("; ", Operations);
        return Setup.Count == 0 ? rest : string.Join("; ", Setup) + "; begin; " + rest;
    }
}
