using System.CommandLine;
using System.Globalization;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest tools</c>.</summary>
internal static class ToolsCommand
{
    private const string Details = """
        Cut off every tool that writes (mkfs, key, fsck, unmount) at every point

        Examples:
          integrityfs crashtest tools
          integrityfs crashtest tools --only mkfs --thorough
        """;

    public static Command Build()
    {
        Option<bool> json = SharedOptions.Json();
        var seed = new Option<ulong>("--seed") { Description = "Seed of all choices", HelpName = "N", DefaultValueFactory = _ => 1 };
        var only = new Option<string?>("--only") { Description = "Only tools whose name contains this", HelpName = "TEXT" };
        var thorough = new Option<bool>("--thorough") { Description = "All subsets of more writes, and more tears" };
        var command = new Command("tools", Details) { only, thorough, seed, json };
        command.SetAction(parsed =>
        {
            bool silent = parsed.GetValue(json);
            var campaign = new ToolCampaign(parsed.GetValue(thorough) ? CrashProfile.Thorough with { MaxStatesPerPoint = 2000 } : CrashProfile.Quick, parsed.GetValue(seed))
            {
                Progress = silent ? null : result => Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{result.Tool,-40} {result.Writes,4} writes {result.Points,4} points {result.States,6} states {result.Failures.Count} failures")),
            };
            IReadOnlyList<ToolResult> results = campaign.Run(parsed.GetValue(only));
            if (silent)
            {
                Console.Out.Write(JsonText.Object(writer =>
                {
                    writer.WriteStartArray("tools");
                    foreach (ToolResult result in results)
                    {
                        writer.WriteStartObject();
                        writer.WriteString("tool", result.Tool);
                        writer.WriteNumber("writes", result.Writes);
                        writer.WriteNumber("points", result.Points);
                        writer.WriteNumber("states", result.States);
                        JsonLists.Write(writer, "failures", result.Failures);
                        writer.WriteEndObject();
                    }

                    writer.WriteEndArray();
                }));
            }

            return HarnessOptions.Finish([.. results.SelectMany(result => result.Failures)], print: !silent);
        });
        return command;
    }
}
