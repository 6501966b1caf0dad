using System.CommandLine;
using System.Globalization;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest mutants</c>.</summary>
internal static class MutantsCommand
{
    private const string Details = """
        Plant a defect in IntegrityFs, one after the other, and see that the campaigns find it

        Examples:
          integrityfs crashtest mutants
          integrityfs crashtest mutants --only skip-revoke --only wrong-slot
          integrityfs crashtest mutants --markdown
        """;

    public static Command Build()
    {
        var common = new HarnessOptions();
        var only = new Option<string[]>("--only") { Description = "Only this mutant; may be given again", HelpName = "NAME" };
        var command = new Command("mutants", Details) { only };
        common.AddTo(command, markdown: true);
        command.SetAction(parsed =>
        {
            string[] names = parsed.GetValue(only) ?? [];
            if (Array.Find(names, name => !MutantCampaign.Names.Contains(name)) is { } unknown)
            {
                throw new CommandFailure(Cause.Usage, $"--only: no mutant is named {unknown}; there are {string.Join(", ", MutantCampaign.Names)}");
            }

            bool json = parsed.GetValue(common.Json);
            int done = 0;
            var progress = new ProgressLine(json);
            IReadOnlyList<MutantVerdict> verdicts = new MutantCampaign(parsed.GetValue(common.Seed), common.Time(parsed))
            {
                Progress = verdict => progress.Show(() => string.Create(CultureInfo.InvariantCulture, $"{Interlocked.Increment(ref done)} mutants ({verdict.Name}: {(verdict.Killed ? "killed" : "SURVIVES")})")),
            }.Run(common.Threads(parsed), names.Length > 0 ? names : null);
            progress.Clear();
            Console.Out.Write(json ? Json(verdicts) : MutantCampaign.Markdown(verdicts));
            return verdicts.All(verdict => verdict.Killed) ? CrashtestExit.Clean : CrashtestExit.Violation;
        });
        return command;
    }

    private static string Json(IReadOnlyList<MutantVerdict> verdicts) => JsonText.Object(writer =>
    {
        writer.WriteNumber("mutants", verdicts.Count);
        writer.WriteNumber("killed", verdicts.Count(verdict => verdict.Killed));
        writer.WriteStartArray("verdicts");
        foreach (MutantVerdict verdict in verdicts)
        {
            writer.WriteStartObject();
            writer.WriteString("mutant", verdict.Name);
            writer.WriteString("defect", verdict.Defect);
            writer.WriteBoolean("killed", verdict.Killed);
            writer.WriteString("by", verdict.By);
            writer.WriteString("rule", verdict.Rule);
            writer.WriteString("case", verdict.Case);
            writer.WriteNumber("states", verdict.States);
            writer.WriteNumber("seconds", Math.Round(verdict.Elapsed.TotalSeconds, 2));
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    });
}
