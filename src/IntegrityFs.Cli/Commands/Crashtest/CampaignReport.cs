using System.Globalization;
using System.Text.Json;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>What a campaign found, for people and for machines.</summary>
internal static class CampaignReport
{
    public static string Line(in CampaignProgress at) => string.Create(
        CultureInfo.InvariantCulture,
        $"{at.WorkloadsDone} workloads, {at.States} states, {at.StatesPerSecond:0}/s, decision table {at.Coverage}, {at.Violations} violations ({at.Workload})");

    /// <summary>Prints a result; returns the exit code.</summary>
    public static int Print(CampaignResult result, ulong seed, bool interrupted, bool json)
    {
        if (json)
        {
            Console.Out.Write(JsonText.Object(writer => Write(writer, result, seed, interrupted)));
        }
        else
        {
            ViolationText.Print(Console.Out, result.Violations);
            Console.Out.WriteLine($"seed {seed}: {result}{(interrupted ? " (interrupted)" : "")}");
            foreach (string missing in result.Coverage.Missing)
            {
                Console.Out.WriteLine($"decision table, not met: {missing}");
            }
        }

        return result.Violations.Count > 0 ? CrashtestExit.Violation : interrupted ? CrashtestExit.Interrupted : CrashtestExit.Clean;
    }

    /// <summary>Examines one state on each subject and prints what was found.</summary>
    public static int PrintReproduced(IReadOnlyList<ICrashSubject> subjects, CampaignOptions options, Workload workload, string state, bool json)
    {
        var violations = new List<Violation>();
        foreach (ICrashSubject subject in subjects)
        {
            try
            {
                violations.AddRange(new CrashCampaign(subject, options).Reproduce(workload, state));
            }
            catch (Exception e) when (e is FormatException or OverflowException)
            {
                throw new CommandFailure(Cause.Usage, $"{e.Message} ({subject.Name})", e);
            }
        }

        if (json)
        {
            Console.Out.Write(JsonText.Object(writer => ViolationText.Write(writer, violations)));
        }
        else
        {
            ViolationText.Print(Console.Out, violations);
            Console.Out.WriteLine(violations.Count == 0 ? "no violation" : $"{violations.Count} violations");
        }

        return violations.Count == 0 ? CrashtestExit.Clean : CrashtestExit.Violation;
    }

    private static void Write(Utf8JsonWriter json, CampaignResult result, ulong seed, bool interrupted)
    {
        json.WriteNumber("seed", seed);
        json.WriteBoolean("interrupted", interrupted);
        json.WriteNumber("workloads", result.Workloads.Count);
        json.WriteNumber("states", result.States);
        json.WriteNumber("distinctStates", result.Distinct);
        json.WriteNumber("prunedStates", result.Workloads.Sum(outcome => outcome.Pruned));
        json.WriteNumber("recoveryStates", result.Workloads.Sum(outcome => outcome.RecoveryStates));
        json.WriteNumber("mounts", result.Mounts);
        json.WriteNumber("seconds", Math.Round(result.Elapsed.TotalSeconds, 3));
        json.WriteNumber("processorSeconds", Math.Round(result.ProcessorTime.TotalSeconds, 3));
        json.WriteNumber("statesPerCoreSecond", Math.Round(result.StatesPerCoreSecond));
        json.WriteNumber("decisionCasesMet", result.Coverage.Covered);
        json.WriteNumber("decisionCases", DecisionCoverage.Total);
        ViolationText.Write(json, result.Violations);
    }
}
