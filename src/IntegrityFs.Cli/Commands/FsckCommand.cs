using System.CommandLine;
using IntegrityFs.Cli.Checking;
using IntegrityFs.Format;
using Microsoft.Extensions.Logging.Abstractions;
using Spectre.Console;

namespace IntegrityFs.Cli.Commands;

/// <summary>Checks and repairs, as fsck(8) calls its checkers.</summary>
internal static class FsckCommand
{
    private const string Description = """
        Check and repair a volume that is not mounted: superblocks, key slots, journal, every tag, the structure of the catalog, free space.

        Without -n, -p or -y it reports, then asks. A tag is never computed over content that did not verify, unless you name the block.
        """;

    public static Command Build()
    {
        var keys = new KeyOptions();
        Argument<string> volume = SharedOptions.Volume();
        var nothing = new Option<bool>("-n") { Description = "Write nothing (default without a terminal)" };
        var preen = new Option<bool>("-p") { Description = "Replay, and repairs that lose nothing" };
        var automatic = new Option<bool>("-a") { Description = "The same as -p" };
        var all = new Option<bool>("-y") { Description = "All repairs" };
        var force = new Option<bool>("-f", "--force") { Description = "Check also what was closed in order" };
        var verbose = new Option<bool>("-v", "--verbose") { Description = "Say of each problem what it means and what a repair does" };
        var zero = new Option<long[]>("--zero-block") { Description = "Give up this damaged block of file content: it reads as zeros from now on", HelpName = "N" };
        var accept = new Option<long[]>("--accept-block") { Description = "Take this damaged block as it stands, whoever changed it", HelpName = "N" };
        Option<bool> json = SharedOptions.Json();
        var command = new Command("fsck", Description) { volume, nothing, preen, automatic, all, force, verbose, json, zero, accept };
        foreach (string ignored in (ReadOnlySpan<string>)["-r", "-T", "-M", "-l", "-C", "-V"])
        {
            command.Add(new Option<bool>(ignored) { Hidden = true });
        }

        keys.AddTo(command);
        command.Validators.Add(result =>
        {
            bool gentle = result.GetResult(preen) is not null || result.GetResult(automatic) is not null;
            int named = (result.GetResult(nothing) is null ? 0 : 1) + (gentle ? 1 : 0) + (result.GetResult(all) is null ? 0 : 1);
            if (named > 1)
            {
                result.AddError("only one of -n, -p or -a, and -y");
            }

            if (result.GetResult(nothing) is not null && (result.GetResult(zero) is not null || result.GetResult(accept) is not null))
            {
                result.AddError("-n writes nothing: not with --zero-block or --accept-block");
            }
        });
        command.SetAction(parsed =>
        {
            RepairLevel? mode = parsed.GetValue(nothing) ? RepairLevel.None
                : parsed.GetValue(preen) || parsed.GetValue(automatic) ? RepairLevel.Safe
                : parsed.GetValue(all) ? RepairLevel.All
                : null;
            GivenUpBlock[] givenUp =
            [
                .. (parsed.GetValue(zero) ?? []).Select(static block => new GivenUpBlock(block, false)),
                .. (parsed.GetValue(accept) ?? []).Select(static block => new GivenUpBlock(block, true)),
            ];
            return Run(parsed.GetRequiredValue(volume), keys.Get(parsed), mode, parsed.GetValue(force), new Output(parsed.GetValue(json), parsed.GetValue(verbose)), givenUp);
        });
        return command;
    }

    private static int Run(string path, KeySource key, RepairLevel? mode, bool force, Output output, GivenUpBlock[] givenUp)
    {
        using var cancellation = new CancellationTokenSource();
        Console.CancelKeyPress += (_, e) =>
        {
            e.Cancel = true;
            cancellation.Cancel();
        };

        if (givenUp.Length > 0)
        {
            foreach (GivenUpBlock block in givenUp)
            {
                Console.Error.WriteLine($"integrityfs fsck: you ask for block {block.Block} to be {(block.Accept ? "ACCEPTED AS IT STANDS, whoever changed it" : "GIVEN UP: zeros in its place")}");
            }

            mode ??= RepairLevel.Safe;
            force = true;
        }

        // -p and -a run at every boot: a volume that was closed in order is not gone through then. A check that somebody
        // asked for is a check.
        bool evenIfClean = force || mode is RepairLevel.None or null or RepairLevel.All;
        CheckReport report = Check(path, key, mode ?? RepairLevel.None, evenIfClean, output, givenUp, cancellation.Token);
        if (mode is null && report.Left > 0 && !report.Unusable && !output.Json && MayAsk())
        {
            report = Check(path, key, RepairLevel.All, evenIfClean: true, output, [], cancellation.Token);
        }

        Console.Out.Write(output.Json ? report.Json() : report.Summary() + "\n");
        return report.ExitCode;
    }

    private static bool MayAsk()
    {
        if (Console.IsInputRedirected || Console.IsErrorRedirected)
        {
            return false;
        }

        Console.Error.Write("Repair what can be repaired? [y/N] ");
        return Console.ReadLine()?.Trim() is "y" or "Y" or "yes";
    }

    private static CheckReport Check(string path, KeySource key, RepairLevel mode, bool evenIfClean, Output output, GivenUpBlock[] givenUp, CancellationToken cancellation)
    {
        if (output.Json || Console.IsErrorRedirected)
        {
            return Check(path, key, mode, evenIfClean, givenUp, new LineSink(output), cancellation);
        }

        key = Credentials.AskNow(key, path);
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        var lines = new BufferedSink(output);
        CheckReport report = console.Status().Start("checking", context =>
        {
            lines.Report = (phase, done) => context.Status($"{phase}: {done}");
            return Check(path, key, mode, evenIfClean, givenUp, lines, cancellation);
        });
        lines.Print();
        return report;
    }

    private static CheckReport Check(string path, KeySource key, RepairLevel mode, bool evenIfClean, GivenUpBlock[] givenUp, ICheckSink sink, CancellationToken cancellation) =>
        new VolumeCheck(path, key, mode, sink, NullLogger.Instance, cancellation).Run(evenIfClean, givenUp);

    private static string Line(Problem problem, Output output)
    {
        ProblemRule rule = problem.Rule;
        string line = $"{(problem.Repaired ? "repaired: " : "")}{problem.Message} [{(int)problem.Code} {rule.Name}]";
        return output.Verbose ? $"{line}: {rule.Meaning}; repair: {rule.Remedy}" : line;
    }

    /// <summary>How the report is written.</summary>
    private readonly record struct Output(bool Json, bool Verbose);

    /// <summary>Prints at once.</summary>
    private sealed class LineSink(Output output) : ICheckSink
    {
        public void Found(Problem problem)
        {
            if (!output.Json)
            {
                Console.Out.WriteLine(Logging.OneLine.Of(Line(problem, output)));
            }
        }

        public void Progress(string phase, long done)
        {
        }
    }

    /// <summary>Prints when the progress display has gone.</summary>
    private sealed class BufferedSink(Output output) : ICheckSink
    {
        private readonly List<string> _lines = [];

        public Action<string, long>? Report { get; set; }

        public void Found(Problem problem) => _lines.Add(Logging.OneLine.Of(Line(problem, output)));

        public void Progress(string phase, long done) => Report?.Invoke(phase, done);

        public void Print()
        {
            foreach (string line in _lines)
            {
                Console.Out.WriteLine(line);
            }
        }
    }
}
