using System.CommandLine;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest explore</c>.</summary>
internal static class ExploreCommand
{
    public static string Details => $$"""
        CHECKER is a shell command; {} in it, $1 and $CRASHTEST_DIR are the directory of the state, $CRASHTEST_STDOUT is a
        file of what the program had printed before the crash. Exit code 0 means that the state is good.

        Personalities:
        {{string.Join('\n', PersonalityTable.All.Select(item => $"  {item.Name,-21} {item.Description}"))}}

        Profiles: prefix, bounded (default), exhaustive, sampled.

        Examples:
          integrityfs crashtest explore app.crashtest --check './check.sh {}' --html report.html
          integrityfs crashtest explore app.crashtest --check ./check.sh -p ext4-ordered,posix-minimal --junit report.xml
          integrityfs crashtest explore app.crashtest --state q12:all-3 -p posix-minimal --keep state
          integrityfs crashtest explore ext4.log --base ext4.img --check 'e2fsck -fn {}'
        """;

    public static Command Build()
    {
        Argument<string> recording = SharedOptions.Checked(new Argument<string>("RECORDING") { Description = "A recording, or with --base a log of dm-log-writes" });
        var check = new Option<string?>("--check", "-c") { Description = "Judges a state", HelpName = "CHECKER" };
        var personality = new Option<string?>("--personality", "-p") { Description = "What file system to imitate; several with commas, or 'all' (default: that of the recording)", HelpName = "NAME" };
        var profile = new Option<ExploreProfile>("--profile") { Description = "How many states are built", HelpName = "PROFILE", DefaultValueFactory = _ => ExploreProfile.Bounded };
        var most = new Option<int>("--max-states") { Description = "At most so many runs of the checker (1000)", HelpName = "N", DefaultValueFactory = _ => 1000 };
        var seed = new Option<ulong>("--seed") { Description = "Chooses samples (0)", HelpName = "N" };
        var jobs = new Option<int>("--jobs", "-j") { Description = "Threads (all processors)", HelpName = "N", DefaultValueFactory = _ => Environment.ProcessorCount };
        var mount = new Option<bool>("--mount") { Description = "Show each state as a real mount, not as a copy" };
        var timeout = new Option<double>("--timeout") { Description = "Seconds for one run of the checker (60)", HelpName = "S", DefaultValueFactory = _ => 60 };
        var state = new Option<string?>("--state") { Description = "Only this state", HelpName = "ID" };
        var keep = new Option<string?>("--keep") { Description = "With --state: leave it here", HelpName = "DIR" };
        var baseImage = new Option<string?>("--base") { Description = "The device before the log of dm-log-writes", HelpName = "IMAGE" };
        var json = new Option<string?>("--json") { Description = "Write a report for programs", HelpName = "FILE" };
        var junit = new Option<string?>("--junit") { Description = "Write a report for CI systems", HelpName = "FILE" };
        var html = new Option<string?>("--html") { Description = "Write a report with a timeline", HelpName = "FILE" };
        var quiet = new Option<bool>("--quiet", "-q") { Description = "No progress" };
        var keys = new KeyOptions();
        var command = new Command("explore", "Build the crash states of a recording and let a checker judge each")
        {
            recording, check, personality, profile, most, seed, jobs, mount, timeout, state, keep, baseImage, json, junit, html, quiet,
        };
        keys.AddTo(command);
        command.SetAction(parsed => Run(new ExploreRequest
        {
            Recording = parsed.GetRequiredValue(recording),
            Base = parsed.GetValue(baseImage),
            Check = parsed.GetValue(check),
            Key = keys.Get(parsed),
            Personalities = Names(parsed.GetValue(personality)),
            Profile = parsed.GetValue(profile),
            MostStates = Positive("--max-states", parsed.GetValue(most)),
            Seed = parsed.GetValue(seed),
            Jobs = Positive("--jobs", parsed.GetValue(jobs)),
            Mount = parsed.GetValue(mount),
            Timeout = TimeSpan.FromSeconds(Math.Clamp(parsed.GetValue(timeout), 0.1, 86400)),
            State = parsed.GetValue(state),
            Keep = parsed.GetValue(keep),
            Json = parsed.GetValue(json),
            JUnit = parsed.GetValue(junit),
            Html = parsed.GetValue(html),
            Quiet = parsed.GetValue(quiet),
        }));
        return command;
    }

    private static int Run(ExploreRequest request)
    {
        if (!File.Exists(request.Recording))
        {
            throw new CommandFailure(Cause.System, $"{request.Recording}: no such file");
        }

        using var session = new ExploreSession(request);
        if (request.State is { } id)
        {
            return ShowState(session, request, id);
        }

        if (request.Keep is not null)
        {
            throw new CommandFailure(Cause.Usage, "--keep goes with --state");
        }

        using var signals = new StopSignals();
        var progress = new ProgressLine(request.Quiet);
        var results = new List<ExploreResult>();
        foreach (string personality in session.Personalities)
        {
            results.Add(session.Explore(personality, progress, signals.Token));
        }

        ExploreReports.Write(request, session.Recording, results);
        return results.Any(result => result.Failed > 0) ? CrashtestExit.Violation
            : signals.Token.IsCancellationRequested ? CrashtestExit.Interrupted : CrashtestExit.Clean;
    }

    private static int ShowState(ExploreSession session, ExploreRequest request, string id)
    {
        string directory = request.Keep ?? throw new CommandFailure(Cause.Usage, "--keep DIR says where to leave the state");
        (string path, Verdict? verdict, IReadOnlyList<string> lost) = session.ShowState(session.Personalities[0], id, directory);
        Console.Out.WriteLine($"state {id} of {session.Personalities[0]}: {path}");
        foreach (string line in lost)
        {
            Console.Out.WriteLine($"  lost: {line}");
        }

        if (verdict is null)
        {
            return CrashtestExit.Clean;
        }

        Console.Out.WriteLine(verdict.Passed ? "the checker accepts it" : $"the checker rejects it (exit code {verdict.ExitCode})");
        Console.Out.Write(verdict.Output);
        return verdict.Passed ? CrashtestExit.Clean : CrashtestExit.Violation;
    }

    private static IReadOnlyList<string> Names(string? text) => text switch
    {
        null => [],
        "all" => [.. PersonalityTable.All.Where(item => !item.FailsSyncs).Select(item => item.Name)],
        _ => text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
    };

    private static int Positive(string option, int number) => number > 0
        ? number
        : throw new CommandFailure(Cause.Usage, $"{option}: at least 1");
}
