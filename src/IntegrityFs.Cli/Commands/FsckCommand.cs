using System.CommandLine;
using IntegrityFs.Cli.Checking;
using Microsoft.Extensions.Logging.Abstractions;
using Spectre.Console;

namespace IntegrityFs.Cli.Commands;

/// <summary>Checks and repairs, as fsck(8) calls its checkers.</summary>
internal static class FsckCommand
{
    public static Command Build()
    {
        var keys = new KeyOptions();
        Argument<string> volume = SharedOptions.Volume();
        var nothing = new Option<bool>("-n") { Description = "Write nothing (default without a terminal)" };
        var preen = new Option<bool>("-p") { Description = "Replay, and repairs that lose nothing" };
        var automatic = new Option<bool>("-a") { Description = "The same as -p" };
        var all = new Option<bool>("-y") { Description = "All repairs" };
        var force = new Option<bool>("-f", "--force") { Description = "Check also what was closed in order" };
        var verbose = new Option<bool>("-v", "--verbose") { Description = "Say more" };
        Option<bool> json = SharedOptions.Json();
        var command = new Command("fsck", "Check and repair a volume") { volume, nothing, preen, automatic, all, force, verbose, json };
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
        });
        command.SetAction(parsed =>
        {
            RepairMode? mode = parsed.GetValue(nothing) ? RepairMode.Nothing
                : parsed.GetValue(preen) || parsed.GetValue(automatic) ? RepairMode.Safe
                : parsed.GetValue(all) ? RepairMode.All
                : null;
            return Run(parsed.GetRequiredValue(volume), keys.Get(parsed), mode, parsed.GetValue(force), parsed.GetValue(json));
        });
        return command;
    }

    private static int Run(string path, KeySource key, RepairMode? mode, bool force, bool json)
    {
        using var cancellation = new CancellationTokenSource();
        Console.CancelKeyPress += (_, e) =>
        {
            e.Cancel = true;
            cancellation.Cancel();
        };

        // -p and -a run at every boot: a volume that was closed in order is not gone through then. A check that somebody
        // asked for is a check.
        bool evenIfClean = force || mode is RepairMode.Nothing or null or RepairMode.All;
        CheckReport report = Check(path, key, mode ?? RepairMode.Nothing, evenIfClean, json, cancellation.Token);
        if (mode is null && report.Left > 0 && !json && MayAsk())
        {
            report = Check(path, key, RepairMode.All, evenIfClean: true, json, cancellation.Token);
        }

        Console.Out.Write(json ? report.Json() : report.Summary() + "\n");
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

    private static CheckReport Check(string path, KeySource key, RepairMode mode, bool evenIfClean, bool json, CancellationToken cancellation)
    {
        if (json || Console.IsErrorRedirected)
        {
            return Check(path, key, mode, evenIfClean, new LineSink(json), cancellation);
        }

        key = Credentials.AskNow(key, path);
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        var lines = new BufferedSink();
        CheckReport report = console.Status().Start("verifying", context =>
        {
            lines.Report = blocks => context.Status($"verifying: {blocks} blocks");
            return Check(path, key, mode, evenIfClean, lines, cancellation);
        });
        lines.Print();
        return report;
    }

    private static CheckReport Check(string path, KeySource key, RepairMode mode, bool evenIfClean, IScanSink sink, CancellationToken cancellation) =>
        new VolumeCheck(path, key, mode, sink, NullLogger.Instance, cancellation).Run(evenIfClean);

    private static string Line(ScanProblem problem) => problem.Repaired ? $"repaired: {problem.Message}" : problem.Message;

    /// <summary>Prints at once.</summary>
    private sealed class LineSink(bool silent) : IScanSink
    {
        public void Found(ScanProblem problem)
        {
            if (!silent)
            {
                Console.Out.WriteLine(Logging.OneLine.Of(Line(problem)));
            }
        }

        public void Progress(long blocks)
        {
        }
    }

    /// <summary>Prints when the progress display has gone.</summary>
    private sealed class BufferedSink : IScanSink
    {
        private readonly List<string> _lines = [];

        public Action<long>? Report { get; set; }

        public void Found(ScanProblem problem) => _lines.Add(Logging.OneLine.Of(Line(problem)));

        public void Progress(long blocks) => Report?.Invoke(blocks);

        public void Print()
        {
            foreach (string line in _lines)
            {
                Console.Out.WriteLine(line);
            }
        }
    }
}
