// Promise: one file without references to others. Everything from the recording and the checker is escaped.
using System.Globalization;
using System.Net;
using System.Text;

namespace IntegrityFs.CrashTesting;

/// <summary>The report that people read: a table, the failures, and a timeline of what happened.</summary>
public static class HtmlReport
{
    private const int MostEvents = 3000;
    private const int Step = 9;
    private const int Left = 84;
    private const int LaneHeight = 30;

    private static readonly string[] s_lanes = ["names", "content", "sync", "output", "marks", "writes", "flushes"];

    /// <summary>Writes it.</summary>
    public static string Write(ProgramRecording recording, IReadOnlyList<ExploreResult> results, Func<ExploreResult, FailureGroup, string> reproduce)
    {
        ArgumentNullException.ThrowIfNull(recording);
        ArgumentNullException.ThrowIfNull(results);
        var html = new StringBuilder();
        string command = Escape(string.Join(' ', recording.Header.Command));
        html.Append(CultureInfo.InvariantCulture, $"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Crash test of {command}</title>\n<style>{Style}</style></head><body>\n");
        bool failed = results.Any(result => result.Failed > 0);
        html.Append(CultureInfo.InvariantCulture, $"<h1>Crash test of <code>{command}</code></h1>\n<p class=\"{(failed ? "bad" : "good")}\">{Verdict(results)}</p>\n");
        WriteTable(html, results);
        foreach (ExploreResult result in results)
        {
            WriteFailures(html, result, reproduce);
        }

        html.Append("<h2>What happened</h2>\n<p>One column for each event, in order. Hover for details. Red columns are crashes after which the checker rejected a state, green ones crashes after which it accepted all.</p>\n");
        WriteTimeline(html, recording, results);
        WriteEvents(html, recording, results);
        return html.Append("</body></html>\n").ToString();
    }

    private static string Verdict(IReadOnlyList<ExploreResult> results)
    {
        int states = results.Sum(result => result.Checked);
        int failed = results.Sum(result => result.Failed);
        return failed == 0
            ? string.Create(CultureInfo.InvariantCulture, $"The checker accepts all {states} states.")
            : string.Create(CultureInfo.InvariantCulture, $"The checker rejects {failed} of {states} states.");
    }

    private static void WriteTable(StringBuilder html, IReadOnlyList<ExploreResult> results)
    {
        html.Append("<table><tr><th>personality<th>crash points<th>states built<th>distinct<th>checked<th>rejected<th>kinds<th>seconds</tr>\n");
        foreach (ExploreResult r in results)
        {
            html.Append(CultureInfo.InvariantCulture, $"<tr><td>{Escape(r.Personality)}<td>{r.Points}<td>{r.Built}<td>{r.Distinct}<td>{r.Checked}<td class=\"{(r.Failed == 0 ? "good" : "bad")}\">{r.Failed}<td>{r.Groups.Count}<td>{r.Seconds:0.0}</tr>\n");
        }

        html.Append("</table>\n");
    }

    private static void WriteFailures(StringBuilder html, ExploreResult result, Func<ExploreResult, FailureGroup, string> reproduce)
    {
        int number = 0;
        foreach (FailureGroup group in result.Groups)
        {
            html.Append(CultureInfo.InvariantCulture, $"<section><h2><span class=\"bad\">Failure {++number}</span> under {Escape(result.Personality)} <small>{group.States} states</small></h2>\n<dl>");
            Term(html, "crash after", group.After);
            Term(html, "and before", group.Before);
            Term(html, "last mark", group.Mark);
            html.Append("<dt>lost<dd>");
            html.Append(group.Lost.Count == 0 ? "nothing: the state is complete" : string.Join("<br>", group.Lost.Take(30).Select(Escape)));
            html.Append(group.Lost.Count > 30 ? string.Create(CultureInfo.InvariantCulture, $"<br>and {group.Lost.Count - 30} more") : "");
            html.Append(CultureInfo.InvariantCulture, $"\n<dt>checker<dd><pre>{Escape(group.Verdict.Output)}</pre>exit code {group.Verdict.ExitCode}{(group.Verdict.TimedOut ? ", timed out" : "")}");
            html.Append(CultureInfo.InvariantCulture, $"\n<dt>reproduce<dd><pre>{Escape(reproduce(result, group))}</pre></dl></section>\n");
        }
    }

    private static void Term(StringBuilder html, string name, string text)
    {
        if (text.Length > 0)
        {
            html.Append(CultureInfo.InvariantCulture, $"<dt>{name}<dd>{Escape(text)}\n");
        }
    }

    private static void WriteTimeline(StringBuilder html, ProgramRecording recording, IReadOnlyList<ExploreResult> results)
    {
        var words = new RequestHistory(recording, EmptyTree(), withTrees: false);
        int count = Math.Min(recording.Events.Count, MostEvents);
        int width = Left + (count * Step) + 20;
        int height = (s_lanes.Length * LaneHeight) + 10;
        html.Append(CultureInfo.InvariantCulture, $"<div class=\"scroll\"><svg width=\"{width}\" height=\"{height}\" role=\"img\">\n");
        for (int lane = 0; lane < s_lanes.Length; lane++)
        {
            int y = (lane * LaneHeight) + 20;
            html.Append(CultureInfo.InvariantCulture, $"<text x=\"4\" y=\"{y + 4}\">{s_lanes[lane]}</text><line x1=\"{Left}\" x2=\"{width}\" y1=\"{y}\" y2=\"{y}\"/>\n");
        }

        foreach ((int at, bool bad, string text) in Crashes(results))
        {
            if (at <= count)
            {
                int x = Left + (at * Step) - (Step / 2);
                html.Append(CultureInfo.InvariantCulture, $"<rect class=\"{(bad ? "crash" : "fine")}\" x=\"{x}\" y=\"0\" width=\"{(bad ? 3 : 1)}\" height=\"{height}\"><title>{Escape(text)}</title></rect>\n");
            }
        }

        for (int i = 0; i < count; i++)
        {
            (int lane, string shape, string text) = Show(recording.Events[i], words);
            int x = Left + (i * Step);
            int y = (lane * LaneHeight) + 20;
            html.Append(CultureInfo.InvariantCulture, $"<rect class=\"{shape}\" x=\"{x - 3}\" y=\"{y - 8}\" width=\"6\" height=\"16\" rx=\"1\"><title>{i}: {Escape(text)}</title></rect>\n");
        }

        html.Append("</svg></div>\n");
        if (count < recording.Events.Count)
        {
            html.Append(CultureInfo.InvariantCulture, $"<p>The first {count} of {recording.Events.Count} events.</p>\n");
        }
    }

    private static IEnumerable<(int At, bool Bad, string Text)> Crashes(IReadOnlyList<ExploreResult> results) =>
        results.SelectMany(result => result.Judged.Select(item => (Result: result, item.Case, item.Verdict)))
            .GroupBy(item => item.Case.Event)
            .Select(group => (
                group.Key,
                group.Any(item => !item.Verdict.Passed),
                string.Join('\n', group.Where(item => !item.Verdict.Passed).Select(item => $"{item.Result.Personality} {item.Case.Id}: {item.Verdict.Output.TrimEnd()}").DefaultIfEmpty($"{group.Count()} states accepted").Take(8))));

    private static (int Lane, string Shape, string Text) Show(RecordingEvent item, RequestHistory words) => item.Kind switch
    {
        RecordingEventKind.Request when item.Request!.IsSync => (2, item.Request.Result == Format.Errno.OK ? "sync" : "failed", words.Text(item.Request)),
        RecordingEventKind.Request when item.Request!.Kind is RequestKind.Write or RequestKind.Truncate or RequestKind.Fallocate => (1, "content", words.Text(item.Request)),
        RecordingEventKind.Request => (0, item.Request!.Kind == RequestKind.Close ? "close" : "name", words.Text(item.Request)),
        RecordingEventKind.Output => (3, "output", Encoding.UTF8.GetString(item.Data.Span[..Math.Min(300, item.Data.Length)])),
        RecordingEventKind.Mark => (4, "mark", item.Text),
        RecordingEventKind.End => (4, "mark", "the program ended"),
        RecordingEventKind.FlushStart => (6, "begin", $"flush {item.Number} begins"),
        RecordingEventKind.FlushEnd => (6, "flush", $"flush {item.Number} is complete"),
        _ => (5, "write", $"{item.Data.Length} bytes at {item.Offset}"),
    };

    private static void WriteEvents(StringBuilder html, ProgramRecording recording, IReadOnlyList<ExploreResult> results)
    {
        var words = new RequestHistory(recording, EmptyTree(), withTrees: false);
        HashSet<int> bad = [.. Crashes(results).Where(crash => crash.Bad).Select(crash => crash.At)];
        html.Append("<details><summary>The same as a list</summary><table class=\"events\">\n");
        int count = Math.Min(recording.Events.Count, MostEvents);
        for (int i = 0; i <= count; i++)
        {
            if (bad.Contains(i))
            {
                html.Append("<tr class=\"bad\"><td><td>crash<td>the checker rejects a state of a crash here</tr>\n");
            }

            if (i < count)
            {
                (int lane, _, string text) = Show(recording.Events[i], words);
                html.Append(CultureInfo.InvariantCulture, $"<tr><td>{i}<td>{s_lanes[lane]}<td>{Escape(text)}</tr>\n");
            }
        }

        html.Append("</table></details>\n");
    }

    private static FileTree EmptyTree() =>
        new(System.Collections.Immutable.ImmutableDictionary<ulong, FileNode>.Empty.Add(FileTree.Root, new FileNode { Mode = FileTypes.Directory }));

    private static string Escape(string text) => WebUtility.HtmlEncode(text);

    private const string Style = """
        :root{color-scheme:light dark;--bad:#c2262e;--good:#1c7c3c;--line:#8884}
        body{font:15px/1.5 system-ui,sans-serif;max-width:1200px;margin:2rem auto;padding:0 1rem}
        h1{font-size:1.5rem}h2{font-size:1.15rem;margin-bottom:.3rem}small{font-weight:normal;opacity:.7}
        .bad{color:var(--bad)}.good{color:var(--good)}
        table{border-collapse:collapse}th,td{padding:.2rem .9rem .2rem 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
        section{border-left:4px solid var(--bad);padding:.1rem 0 .1rem 1rem;margin:1.2rem 0}
        dl{display:grid;grid-template-columns:8rem 1fr;gap:.25rem 1rem;margin:.5rem 0}dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}
        pre{background:#8881;padding:.4rem .6rem;margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font-size:13px}
        .scroll{overflow-x:auto;border:1px solid var(--line);border-radius:4px}
        svg text{font:12px system-ui,sans-serif;fill:currentColor}svg line{stroke:var(--line)}
        rect.name{fill:#7a5af0}rect.close{fill:#7a5af055}rect.content{fill:#2b7de9}rect.sync{fill:#138a54}rect.failed{fill:#c2262e}
        rect.output{fill:#c77d05}rect.mark{fill:#d1498b}rect.write{fill:#5c6b7a}rect.begin{fill:#13a0a055}rect.flush{fill:#13a0a0}
        rect.crash{fill:#c2262e99}rect.fine{fill:#1c7c3c33}
        table.events{font-size:13px}details{margin:1rem 0}summary{cursor:pointer}
        """;
}
