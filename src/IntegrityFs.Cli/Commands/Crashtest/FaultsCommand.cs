using System.CommandLine;
using System.Globalization;
using IntegrityFs.CrashTesting;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest faults</c>.</summary>
internal static class FaultsCommand
{
    private const string Details = """
        Run workloads on a device that fails at every call in turn

        EIO on the n-th read, write or flush, once or from then on; short, lost, misdirected and doubled writes; rotten and
        stale blocks; a volume that is full at every point; no memory for the n-th block. Each run is judged: the error is
        reported, no sync succeeds after a failed write, nothing false is shown, and the next mount has all that was
        acknowledged.

        Examples:
          integrityfs crashtest faults                               (a choice of 200 runs for each workload)
          integrityfs crashtest faults --runs 0 --budget 2h        (every fault at every call)
          integrityfs crashtest faults --data auto --seed 7
          integrityfs crashtest faults --workload files --fault 'Error on Write 6'
        """;

    public static Command Build()
    {
        var common = new HarnessOptions();
        var data = new Option<DataMode>("--data") { Description = "Data mode: journal or auto", HelpName = "MODE" };
        var runs = new Option<int>("--runs") { Description = "Runs for each workload; 0 for all", HelpName = "N", DefaultValueFactory = _ => 200 };
        var workload = new Option<string?>("--workload") { Description = "Only this one: a name, or the text of one", HelpName = "ID" };
        var fault = new Option<string?>("--fault") { Description = "Only this fault of it, as a failure names it", HelpName = "FAULT" };
        var command = new Command("faults", Details) { data, runs, workload, fault };
        common.AddTo(command);
        command.SetAction(parsed =>
        {
            var subject = new IntegrityFsSubject(new SubjectOptions { DataMode = parsed.GetValue(data), DeviceLength = 2 << 20, JournalBytes = 96 * 4096 });
            IReadOnlyList<Workload> workloads = parsed.GetValue(workload) is { } id ? [Find(id)] : FaultCampaign.Workloads;
            if (parsed.GetValue(fault) is { } plan)
            {
                return HarnessOptions.Finish([.. workloads.SelectMany(item => FaultCampaign.Reproduce(subject, item, plan))], print: true);
            }

            int wanted = parsed.GetValue(runs);
            var progress = new ProgressLine(parsed.GetValue(common.Json));
            FaultResult result = new FaultCampaign(new FaultOptions
            {
                Seed = parsed.GetValue(common.Seed),
                Jobs = common.Threads(parsed),
                TimeBudget = common.Time(parsed),
                RunsPerWorkload = wanted > 0 ? wanted : int.MaxValue,
                Progress = (row, done) => progress.Show(() => string.Create(CultureInfo.InvariantCulture, $"{done} faulty runs ({row})")),
            }).Run(subject, workloads);
            progress.Clear();
            return Print(result, parsed.GetValue(common.Json));
        });
        return command;
    }

    private static int Print(FaultResult result, bool json)
    {
        if (json)
        {
            Console.Out.Write(JsonText.Object(writer =>
            {
                writer.WriteNumber("runs", result.Runs);
                writer.WriteNumber("states", result.States);
                writer.WriteStartArray("faults");
                foreach (FaultRow row in result.Rows)
                {
                    writer.WriteStartObject();
                    writer.WriteString("fault", row.Fault);
                    writer.WriteNumber("runs", row.Runs);
                    writer.WriteNumber("reported", row.Reported);
                    writer.WriteNumber("absorbed", row.Absorbed);
                    writer.WriteNumber("detectedLater", row.DetectedLater);
                    writer.WriteNumber("notReached", row.NotReached);
                    writer.WriteNumber("broken", row.Broken);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
                JsonLists.Write(writer, "failures", result.Failures);
            }));
        }
        else
        {
            foreach (FaultRow row in result.Rows)
            {
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{row.Fault,-32} {row.Runs,6} runs: {row.Reported} reported, {row.Absorbed} absorbed, {row.DetectedLater} detected later, {row.NotReached} not reached, {row.Broken} BROKEN"));
            }

            Console.Out.WriteLine(result);
        }

        return HarnessOptions.Finish(result.Failures, print: !json);
    }

    private static Workload Find(string id)
    {
        try
        {
            return FaultCampaign.Workloads.FirstOrDefault(item => item.Id == id) ?? WorkloadSource.Find(id) ?? Workload.Parse("given", id);
        }
        catch (FormatException e)
        {
            throw new CommandFailure(Cause.Usage, e.Message, e);
        }
    }
}
