using System.CommandLine;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest properties</c>.</summary>
internal static class PropertiesCommand
{
    private const string Details = """
        Explore what survives a crash, and in what order: the table of persistence properties

        Examples:
          integrityfs crashtest properties --markdown
          integrityfs crashtest properties --json
        """;

    public static Command Build()
    {
        Option<bool> json = SharedOptions.Json();
        var markdown = new Option<bool>("--markdown") { Description = "Print the table that docs/TESTING.md holds" };
        var seed = new Option<ulong>("--seed") { Description = "Seed of the sampled states", HelpName = "N", DefaultValueFactory = _ => 1 };
        var command = new Command("properties", Details) { markdown, seed, json };
        command.SetAction(parsed =>
        {
            bool silent = parsed.GetValue(json) || parsed.GetValue(markdown);
            var progress = new ProgressLine(silent);
            IReadOnlyList<PropertyRow> rows = PropertyTable.Make(parsed.GetValue(seed), row => progress.Show(() => row.Question));
            progress.Clear();
            Console.Out.Write(parsed.GetValue(json) ? Json(rows) : parsed.GetValue(markdown) ? PropertyTable.Markdown(rows) : Text(rows));
            return CrashtestExit.Clean;
        });
        return command;
    }

    private static string Text(IReadOnlyList<PropertyRow> rows) => string.Concat(rows.Select(row =>
        $"{row.Question}\n  {row.Operations}\n  data=journal: {string.Join("; ", row.Journal)}\n  data=auto:    {string.Join("; ", row.Auto)}\n  ({row.States} states)\n"));

    private static string Json(IReadOnlyList<PropertyRow> rows) => JsonText.Object(writer =>
    {
        writer.WriteStartArray("properties");
        foreach (PropertyRow row in rows)
        {
            writer.WriteStartObject();
            writer.WriteString("question", row.Question);
            writer.WriteString("operations", row.Operations);
            JsonLists.Write(writer, "journal", row.Journal);
            JsonLists.Write(writer, "auto", row.Auto);
            writer.WriteNumber("states", row.States);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    });
}
