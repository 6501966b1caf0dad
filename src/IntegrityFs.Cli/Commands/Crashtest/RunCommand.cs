using System.CommandLine;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest run</c>: the campaign over crash states of IntegrityFs, within a budget; or one workload, or one
/// crash state of it.</summary>
internal static class RunCommand
{
    private const string Details = """
        Runs workloads on volumes in memory, records every write and flush, builds the crash states, recovers each and
        compares it with a model. Without --workload or --trace: every known pattern, every recorded program and every
        sequence of one operation in both data modes, whatever the budget; then sequences of two and three operations and
        random runs until the budget is spent.

        Examples:
          integrityfs crashtest run --budget 5m --jobs 2
          integrityfs crashtest run --workload A13-g322 --profile thorough
          integrityfs crashtest run --workload "creat f; write f 0 9000 1; begin; truncate f 100; fsync f"
          integrityfs crashtest run --workload seq2-4711 --state "p3:all-5,6[0.1]" --data auto
          integrityfs crashtest run --trace program.trace
          integrityfs crashtest run --list
        """;

    public static Command Build()
    {
        var settings = new SubjectSettings();
        var workload = new Option<string?>("--workload") { Description = "Only this workload: an id, or the text of one", HelpName = "ID" };
        var state = new Option<string?>("--state") { Description = "Only this crash state of it", HelpName = "STATE" };
        var trace = new Option<string?>("--trace") { Description = "Only the workload in this file, one operation a line", HelpName = "FILE" };
        var budget = new Option<string>("--budget") { Description = "Time: 90s, 5m, 2h", HelpName = "TIME", DefaultValueFactory = _ => "5m" };
        var items = new Option<long?>("--items") { Description = "Exactly the first N workloads, without a time budget", HelpName = "N" };
        var list = new Option<bool>("--list") { Description = "Print the workloads that every run does, and stop" };
        Option<bool> json = SharedOptions.Json();
        var command = new Command("run", "Run workloads and judge every crash state\n\n" + Details) { workload, state, trace, budget, items, list, json };
        settings.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetResult(state) is not null && result.GetResult(workload) is null && result.GetResult(trace) is null)
            {
                result.AddError("--state needs --workload or --trace");
            }
        });
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(list))
            {
                return PrintList();
            }

            CrashProfile profile = settings.Profile(parsed);
            IReadOnlyList<ICrashSubject> subjects = settings.Subjects(parsed);
            Workload? only = WorkloadFile.Find(parsed.GetValue(workload), parsed.GetValue(trace));
            using var signals = new StopSignals();
            var options = new CampaignOptions
            {
                Seed = settings.Seed(parsed),
                Jobs = settings.Jobs(parsed),
                Profile = profile,
                TimeBudget = DurationText.Parse(parsed.GetRequiredValue(budget)),
                Stop = signals.Token,
            };
            return parsed.GetValue(state) is { Length: > 0 } named
                ? CampaignReport.PrintReproduced(subjects, options, only!, named, parsed.GetValue(json))
                : Run(subjects, options, only, parsed.GetValue(items), parsed.GetValue(json));
        });
        return command;
    }

    private static int Run(IReadOnlyList<ICrashSubject> subjects, CampaignOptions options, Workload? only, long? count, bool json)
    {
        IEnumerable<CampaignItem> items;
        if (only is not null)
        {
            items = subjects.Select((_, index) => new CampaignItem(index, only, options.Profile));
        }
        else
        {
            var plan = new CampaignPlan(options.Seed, options.Profile, subjects.Count);
            items = count is { } first ? plan.From(0).Take((int)Math.Min(first, int.MaxValue)) : plan.From(0);
            options = options with { AlwaysItems = plan.AlwaysCount };
        }

        options = only is not null || count is not null ? options with { TimeBudget = TimeSpan.FromDays(1000) } : options;
        var progress = new ProgressLine(json);
        var campaign = new CrashCampaign(subjects, options with { Progress = at => progress.Show(() => CampaignReport.Line(at)) });
        CampaignResult result = campaign.Run(items);
        progress.Clear();
        return CampaignReport.Print(result, options.Seed, options.Stop.IsCancellationRequested, json);
    }

    private static int PrintList()
    {
        foreach (Workload workload in PatternTable.All.Concat(ProgramTraces.All))
        {
            Console.Out.WriteLine($"{workload.Id}\t{workload.Setup.Count + workload.Operations.Count} operations");
        }

        for (int length = 1; length <= 3; length++)
        {
            Console.Out.WriteLine($"seq{length}-0 ... seq{length}-{new SequenceWorkloads(length).Count - 1}\tsequences of {length}{(length == 1 ? "" : " (not all in every run)")}");
        }

        Console.Out.WriteLine("random-SEED-LENGTH-ACTORS\trandom runs (not all in every run)");
        return CrashtestExit.Clean;
    }
}
