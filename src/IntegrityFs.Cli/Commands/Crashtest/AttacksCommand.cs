using System.CommandLine;
using System.Globalization;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest attacks</c>.</summary>
internal static class AttacksCommand
{
    private const string Details = """
        Modify a used volume offline, in every zone, and see what its owner is shown

        Flips, zeroes, copies, swaps, blocks of another volume and of earlier times, single and in sets, the journal cut and
        re-injected, two futures mixed, the device made shorter and longer, every field of superblocks and key slots. A volume
        closed in order and a crashed one are attacked. Each attack must be detected or harmless.

        Examples:
          integrityfs crashtest attacks                                    (200 of each kind in each zone)
          integrityfs crashtest attacks --per-cell 0 --budget 24h        (all, every byte flipped once)
          integrityfs crashtest attacks --markdown
          integrityfs crashtest attacks --only closed:flip:632604
        """;

    public static Command Build()
    {
        var common = new HarnessOptions();
        var perCell = new Option<int>("--per-cell") { Description = "Attacks of each kind in each zone; 0 for all", HelpName = "N", DefaultValueFactory = _ => 200 };
        var only = new Option<string?>("--only") { Description = "Only this attack, as a failure names it", HelpName = "ID" };
        var command = new Command("attacks", Details) { perCell, only };
        common.AddTo(command, markdown: true);
        command.SetAction(parsed =>
        {
            int wanted = parsed.GetValue(perCell);
            string? id = parsed.GetValue(only);
            bool json = parsed.GetValue(common.Json);
            var progress = new ProgressLine(json);
            AttackResult result = new AttackCampaign(new AttackOptions
            {
                Seed = parsed.GetValue(common.Seed),
                Jobs = common.Threads(parsed),
                TimeBudget = common.Time(parsed),
                PerCell = wanted > 0 && id is null ? wanted : int.MaxValue,
                Only = id,
                Progress = (done, failures) => progress.Show(() => string.Create(CultureInfo.InvariantCulture, $"{done} attacks, {failures} failures")),
            }).Run();
            progress.Clear();
            return id is not null && result.Attacks == 0
                ? throw new CommandFailure(Cause.Usage, $"--only: no attack is named {id}")
                : Print(result, json, parsed.GetValue(common.Markdown));
        });
        return command;
    }

    private static int Print(AttackResult result, bool json, bool markdown)
    {
        if (json)
        {
            Console.Out.Write(JsonText.Object(writer =>
            {
                writer.WriteNumber("attacks", result.Attacks);
                writer.WriteNumber("flipsNothingReads", result.Unread);
                writer.WriteStartArray("cells");
                foreach (AttackCell cell in result.Cells)
                {
                    writer.WriteStartObject();
                    writer.WriteString("zone", AttackResult.ZoneName(cell.Zone));
                    writer.WriteString("kind", cell.Kind);
                    writer.WriteNumber("refused", cell.Refused);
                    writer.WriteNumber("error", cell.Error);
                    writer.WriteNumber("repaired", cell.Repaired);
                    writer.WriteNumber("unreferenced", cell.Unreferenced);
                    writer.WriteNumber("rolledBack", cell.RolledBack);
                    writer.WriteNumber("broken", cell.Broken);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
                JsonLists.Write(writer, "failures", result.Failures);
            }));
        }
        else
        {
            Console.Out.Write(result.Markdown());
            if (!markdown)
            {
                Console.Out.WriteLine(result);
            }
        }

        return HarnessOptions.Finish(result.Failures, print: !json);
    }
}
