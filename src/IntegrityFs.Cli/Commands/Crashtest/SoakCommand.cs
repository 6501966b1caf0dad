using System.CommandLine;
using System.Diagnostics;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest soak</c>: the campaign without an end; stops on a signal and goes on where it was.</summary>
internal static class SoakCommand
{
    private const string Details = """
        Goes through the same workloads as crashtest run, all sequences of two operations in both data modes among them,
        and on with sequences of three and random runs, until SIGINT or SIGTERM. FILE keeps the place, the counts and what
        was found; the next soak with the same FILE goes on there.

        Example:
          integrityfs crashtest soak --state soak.json --jobs 2
        """;

    public static Command Build()
    {
        var settings = new SubjectSettings();
        var state = new Option<string>("--state") { Description = "File that keeps the place; made where it is missing", HelpName = "FILE", Required = true };
        var budget = new Option<string>("--budget") { Description = "Stop after this time: 90s, 5m, 2h", HelpName = "TIME", DefaultValueFactory = _ => "10000h" };
        var command = new Command("soak", "Run until stopped, and go on where it stopped\n\n" + Details) { state, budget };
        settings.AddTo(command);
        command.SetAction(parsed =>
        {
            using var signals = new StopSignals();
            var options = new CampaignOptions
            {
                Seed = settings.Seed(parsed),
                Jobs = settings.Jobs(parsed),
                Profile = settings.Profile(parsed),
                TimeBudget = DurationText.Parse(parsed.GetRequiredValue(budget)),
                Stop = signals.Token,
                MaxFailedWorkloads = int.MaxValue,
            };
            return Run(parsed.GetRequiredValue(state), settings.Subjects(parsed), options);
        });
        return command;
    }

    private static int Run(string path, IReadOnlyList<ICrashSubject> subjects, CampaignOptions options)
    {
        SoakState state = SoakState.Load(path, options.Seed);
        state.Save(path);
        var plan = new CampaignPlan(state.Seed, options.Profile, subjects.Count);
        var numbers = new List<long>();
        var progress = new ProgressLine(silent: false);
        var watch = Stopwatch.StartNew();
        double before = state.Seconds;
        double saved = 0;
        var campaign = new CrashCampaign(subjects, options with
        {
            Seed = state.Seed,
            Progress = at => progress.Show(() => CampaignReport.Line(at)),
            Finished = item =>
            {
                state.Done(NumberOf(item.Index), item.Outcome, item.Violations);
                state.Seconds = before + watch.Elapsed.TotalSeconds;
                if (watch.Elapsed.TotalSeconds - saved > 5 || item.Violations.Count > 0)
                {
                    saved = watch.Elapsed.TotalSeconds;
                    state.Save(path);
                }
            },
        });
        CampaignResult result = campaign.Run(Items());
        progress.Clear();
        state.Seconds = before + watch.Elapsed.TotalSeconds;
        state.Save(path);
        ViolationText.Print(Console.Out, result.Violations);
        Console.Out.WriteLine($"this session: {result}");
        Console.Out.WriteLine($"{state}; every sequence of two operations is done at {plan.AllPairsCount}");
        return state.Violations.Count == 0 ? CrashtestExit.Clean : CrashtestExit.Violation;

        // The campaign asks for one item after the other, under its own gate.
        IEnumerable<CampaignItem> Items()
        {
            foreach (long number in state.Open())
            {
                lock (numbers)
                {
                    numbers.Add(number);
                }

                yield return plan[number];
            }
        }

        long NumberOf(int index)
        {
            lock (numbers)
            {
                return numbers[index];
            }
        }
    }
}
