using System.CommandLine;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>What the campaigns over IntegrityFs itself have in common.</summary>
internal sealed class HarnessOptions
{
    public Option<ulong> Seed { get; } = new("--seed") { Description = "Seed of all choices", HelpName = "N", DefaultValueFactory = _ => 1 };

    public Option<int> Jobs { get; } = new("--jobs", "-j") { Description = "Threads", HelpName = "N", DefaultValueFactory = _ => Environment.ProcessorCount };

    public Option<string> Budget { get; } = new("--budget") { Description = "Time after which nothing new is begun: 90s, 5m, 2h", HelpName = "TIME", DefaultValueFactory = _ => "10m" };

    public Option<bool> Json { get; } = SharedOptions.Json();

    public Option<bool> Markdown { get; } = new("--markdown") { Description = "Print the table that docs/TESTING.md holds" };

    public void AddTo(Command command, bool markdown = false, bool jobs = true)
    {
        command.Add(Seed);
        command.Add(Budget);
        if (jobs)
        {
            command.Add(Jobs);
        }

        if (markdown)
        {
            command.Add(Markdown);
        }

        command.Add(Json);
    }

    /// <summary>The budget as a time.</summary>
    public TimeSpan Time(ParseResult parsed) => DurationText.Parse(parsed.GetRequiredValue(Budget));

    /// <summary>The threads; usage where there are none.</summary>
    public int Threads(ParseResult parsed) => parsed.GetValue(Jobs) is > 0 and <= 1024 and var jobs
        ? jobs
        : throw new CommandFailure(Cause.Usage, "--jobs: a number from 1 to 1024");

    /// <summary>Prints failures, one a line, and gives the exit code.</summary>
    public static int Finish(IReadOnlyCollection<string> failures, bool print)
    {
        foreach (string failure in print ? failures : [])
        {
            Console.Out.WriteLine(failure);
        }

        return failures.Count == 0 ? CrashtestExit.Clean : CrashtestExit.Violation;
    }
}
