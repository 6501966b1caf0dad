using System.Globalization;
using System.Text;
using IntegrityFs.CrashTesting;
using Spectre.Console;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>The reports of an exploration: for the terminal, and the files that were asked for.</summary>
internal static class ExploreReports
{
    public static void Write(ExploreRequest request, ProgramRecording recording, IReadOnlyList<ExploreResult> results)
    {
        string Reproduce(ExploreResult result, FailureGroup group) => ReproduceLine(request, result, group);
        if (request.Json is { } json)
        {
            File.WriteAllText(json, ReportText.Json(recording, results, Reproduce));
        }

        if (request.JUnit is { } junit)
        {
            File.WriteAllText(junit, ReportText.JUnit(recording, results, Reproduce));
        }

        if (request.Html is { } html)
        {
            File.WriteAllText(html, HtmlReport.Write(recording, results, Reproduce));
        }

        Print(request, results);
    }

    private static string ReproduceLine(ExploreRequest request, ExploreResult result, FailureGroup group)
    {
        var line = new StringBuilder("integrityfs crashtest explore ").Append(Quote(request.Recording));
        line.Append(request.Base is { } image ? " --base " + Quote(image) : "");
        line.Append(request.Key is KeySource.KeyFile key ? " --key-file " + Quote(key.Path) : "");
        line.Append(result.Personality == PersonalityTable.Own ? "" : $" --personality {result.Personality}");
        line.Append(" --state ").Append(Quote(group.Example.Id)).Append(" --keep state");
        line.Append(request.Check is { } check ? " --check " + Quote(check) : "");
        return line.ToString();
    }

    private static string Quote(string text) =>
        text.Length > 0 && text.All(c => char.IsAsciiLetterOrDigit(c) || "-_./:,+=".Contains(c, StringComparison.Ordinal))
            ? text
            : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static void Print(ExploreRequest request, IReadOnlyList<ExploreResult> results)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });
        if (Console.IsOutputRedirected)
        {
            console.Profile.Width = 200;
        }

        var table = new Table().Border(TableBorder.Simple);
        foreach (string heading in new[] { "personality", "points", "states", "distinct", "checked", "failed", "kinds", "seconds" })
        {
            table.AddColumn(heading);
        }

        foreach (ExploreResult result in results)
        {
            table.AddRow(
                result.Personality, Number(result.Points), Number(result.Built), Number(result.Distinct), Number(result.Checked),
                result.Failed == 0 ? "[green]0[/]" : $"[red]{result.Failed}[/]", Number(result.Groups.Count),
                result.Seconds.ToString("0.0", CultureInfo.InvariantCulture));
        }

        console.Write(table);
        foreach (ExploreResult result in results)
        {
            PrintFailures(console, request, result);
        }
    }

    private static void PrintFailures(IAnsiConsole console, ExploreRequest request, ExploreResult result)
    {
        if (result.Interrupted)
        {
            console.WriteLine($"{result.Personality}: interrupted");
        }

        if (result.Distinct > result.Checked && !result.Interrupted)
        {
            console.WriteLine($"{result.Personality}: {result.Checked} of {result.Distinct} distinct states were checked; --max-states allows more");
        }

        int number = 0;
        foreach (FailureGroup group in result.Groups)
        {
            console.MarkupLineInterpolated($"\n[red]failure {++number}[/] under {result.Personality}: {group.States} states, for example {group.Example.Id}");
            Line(console, "after", group.After);
            Line(console, "before", group.Before);
            Line(console, "mark", group.Mark);
            foreach (string lost in group.Lost.Take(6))
            {
                Line(console, "lost", lost);
            }

            if (group.Lost.Count > 6)
            {
                Line(console, "lost", $"and {group.Lost.Count - 6} more");
            }

            if (group.Lost.Count == 0)
            {
                Line(console, "lost", "nothing: the state is complete, and the checker rejects it");
            }

            foreach (string line in group.Verdict.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(5))
            {
                Line(console, "checker", line);
            }

            Console.Out.WriteLine($"  reproduce: {ReproduceLine(request, result, group)}");
        }
    }

    private static void Line(IAnsiConsole console, string name, string text)
    {
        if (text.Length > 0)
        {
            Console.Out.WriteLine($"  {name + ":",-10} {Logging.OneLine.Of(text)}");
        }
    }

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
