using System.CommandLine;
using System.Globalization;
using IntegrityFs.CrashTesting;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest run</c>: the campaign over crash states of IntegrityFs.</summary>
internal static class RunCommand
{
    public static Command Build()
    {
        var workload = new Option<string?>("--workload") { Description = "Only this workload: an id, or the text of one", HelpName = "ID" };
        var state = new Option<string?>("--state") { Description = "Only this crash state of it", HelpName = "STATE" };
        var seed = new Option<ulong>("--seed") { Description = "Seed of all choices", HelpName = "N", DefaultValueFactory = _ => 1 };
        var jobs = new Option<int>("--jobs", "-j") { Description = "Threads", HelpName = "N", DefaultValueFactory = _ => Environment.ProcessorCount };
        var data = new Option<DataMode>("--data") { Description = "Data mode: journal or auto", HelpName = "MODE" };
        var seconds = new Option<double>("--seconds") { Description = "Time budget", HelpName = "N", DefaultValueFactory = _ => 300 };
        Option<bool> json = SharedOptions.Json();
        var command = new Command("run", "Run workloads and judge every crash state") { workload, state, seed, jobs, data, seconds, json };
        command.SetAction(parsed => Run(
            parsed.GetValue(workload),
            parsed.GetValue(state) ?? "",
            new CampaignOptions { Seed = parsed.GetValue(seed), Jobs = parsed.GetValue(jobs), TimeBudget = TimeSpan.FromSeconds(parsed.GetValue(seconds)) },
            new SubjectOptions { DataMode = parsed.GetValue(data) },
            parsed.GetValue(json)));
        return command;
    }

    private static int Run(string? workload, string state, CampaignOptions options, SubjectOptions subject, bool json)
    {
        var progress = new ProgressLine(json);
        var campaign = new CrashCampaign(new IntegrityFsSubject(subject), options with
        {
            Progress = at => progress.Show(() => string.Create(CultureInfo.InvariantCulture, $"{at.WorkloadsDone} workloads, {at.States} states, {at.StatesPerSecond:0}/s, {at.Violations} violations ({at.Workload})")),
        });
        IReadOnlyList<Violation> violations;
        if (workload is not null && state.Length > 0)
        {
            violations = campaign.Reproduce(Find(workload), state);
        }
        else
        {
            IEnumerable<Workload> workloads = workload is not null ? [Find(workload)]
                : PatternTable.All.Concat(new SequenceWorkloads(1).Sample(int.MaxValue, options.Seed));
            CampaignResult result = campaign.Run(workloads);
            progress.Clear();
            violations = result.Violations;
            if (!json)
            {
                Console.Out.WriteLine(result);
            }
        }

        if (json)
        {
            Console.Out.Write(JsonText.Object(writer => ViolationText.Write(writer, violations)));
        }
        else
        {
            ViolationText.Print(Console.Out, violations);
        }

        return violations.Count == 0 ? CrashtestExit.Clean : CrashtestExit.Violation;
    }

    private static Workload Find(string workload)
    {
        try
        {
            return WorkloadSource.Find(workload) ?? Workload.Parse("given", workload);
        }
        catch (FormatException e)
        {
            throw new CommandFailure(Cause.Usage, e.Message, e);
        }
    }
}
