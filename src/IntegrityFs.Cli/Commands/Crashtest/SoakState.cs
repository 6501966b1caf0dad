using System.Globalization;
using System.Text.Json;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>Where a soak is, in a file that is replaced whole: the first item that is not done, the ones beyond it that
/// are, the counts, and the violations.</summary>
internal sealed class SoakState
{
    private readonly HashSet<long> _beyond = [];

    /// <summary>The seed that the numbers of items belong to.</summary>
    public ulong Seed { get; private init; }

    /// <summary>All items before it are done.</summary>
    public long Next { get; private set; }

    /// <summary>States explored in all sessions.</summary>
    public long States { get; private set; }

    /// <summary>Seconds of all sessions.</summary>
    public double Seconds { get; set; }

    /// <summary>What was found, with the lines that reproduce it.</summary>
    public List<string> Violations { get; } = [];

    /// <summary>Reads the file; a new state where there is none.</summary>
    public static SoakState Load(string path, ulong seed)
    {
        if (!File.Exists(path))
        {
            return new SoakState { Seed = seed };
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
            JsonElement root = document.RootElement;
            var state = new SoakState
            {
                Seed = root.GetProperty("seed").GetUInt64(),
                Next = root.GetProperty("next").GetInt64(),
                States = root.GetProperty("states").GetInt64(),
                Seconds = root.GetProperty("seconds").GetDouble(),
            };
            state._beyond.UnionWith(root.GetProperty("beyond").EnumerateArray().Select(item => item.GetInt64()));
            state.Violations.AddRange(root.GetProperty("violations").EnumerateArray().Select(item => item.GetString()!));
            return state;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new CommandFailure(Cause.Usage, $"{path} is no state of a soak: {e.Message}", e);
        }
    }

    /// <summary>The items from here on that are not done.</summary>
    public IEnumerable<long> Open()
    {
        HashSet<long> done = [.. _beyond];
        for (long number = Next; ; number++)
        {
            if (!done.Contains(number))
            {
                yield return number;
            }
        }
    }

    /// <summary>An item was explored to its end.</summary>
    public void Done(long number, WorkloadOutcome outcome, IReadOnlyList<Violation> violations)
    {
        States += outcome.States + outcome.RecoveryStates;
        Violations.AddRange(violations.Select(violation => violation.ToString()));
        _beyond.Add(number);
        while (_beyond.Remove(Next))
        {
            Next++;
        }
    }

    /// <summary>Replaces the file; a crash leaves the old or the new one.</summary>
    public void Save(string path)
    {
        string text = JsonText.Object(json =>
        {
            json.WriteNumber("seed", Seed);
            json.WriteNumber("next", Next);
            json.WriteNumber("states", States);
            json.WriteNumber("seconds", Math.Round(Seconds, 1));
            json.WriteStartArray("beyond");
            foreach (long number in _beyond.Order())
            {
                json.WriteNumberValue(number);
            }

            json.WriteEndArray();
            json.WriteStartArray("violations");
            foreach (string violation in Violations)
            {
                json.WriteStringValue(violation);
            }

            json.WriteEndArray();
        });
        string next = path + ".new";
        using (var stream = new FileStream(next, FileMode.Create, FileAccess.Write))
        {
            stream.Write(System.Text.Encoding.UTF8.GetBytes(text));
            stream.Flush(flushToDisk: true);
        }

        File.Move(next, path, overwrite: true);
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"seed {Seed}: {Next} workloads in order and {_beyond.Count} beyond, {States} states in {Seconds:0} s of all sessions, {(Violations.Count == 0 ? "no violation" : Violations.Count + " violations")}");
}
