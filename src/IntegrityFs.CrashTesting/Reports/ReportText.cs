using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Xml;

namespace IntegrityFs.CrashTesting;

/// <summary>Reports for programs: JSON, and JUnit's XML for CI systems.</summary>
public static class ReportText
{
    /// <summary>One object with a result for each personality.</summary>
    public static string Json(ProgramRecording recording, IReadOnlyList<ExploreResult> results, Func<ExploreResult, FailureGroup, string> reproduce)
    {
        ArgumentNullException.ThrowIfNull(recording);
        ArgumentNullException.ThrowIfNull(results);
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteNumber("version", 1);
            json.WriteString("command", string.Join(' ', recording.Header.Command));
            json.WriteNumber("requests", recording.Events.Count(item => item.Request is not null));
            json.WriteNumber("deviceWrites", recording.Events.Count(item => item.Kind == RecordingEventKind.Write));
            json.WriteNumber("deviceFlushes", recording.Events.Count(item => item.Kind == RecordingEventKind.FlushEnd));
            json.WriteNumber("failed", results.Sum(result => result.Failed));
            json.WriteStartArray("results");
            foreach (ExploreResult result in results)
            {
                WriteResult(json, result, reproduce);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }

    /// <summary>A test suite for each personality: a test case for each kind of failure, and one for all states that
    /// passed.</summary>
    public static string JUnit(ProgramRecording recording, IReadOnlyList<ExploreResult> results, Func<ExploreResult, FailureGroup, string> reproduce)
    {
        ArgumentNullException.ThrowIfNull(recording);
        ArgumentNullException.ThrowIfNull(results);
        var text = new StringBuilder();
        using (var xml = XmlWriter.Create(text, new XmlWriterSettings { Indent = true, OmitXmlDeclaration = true }))
        {
            xml.WriteStartElement("testsuites");
            xml.WriteAttributeString("name", "integrityfs crashtest");
            foreach (ExploreResult result in results)
            {
                WriteSuite(xml, recording, result, reproduce);
            }

            xml.WriteEndElement();
        }

        return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + text + "\n";
    }

    private static void WriteResult(Utf8JsonWriter json, ExploreResult result, Func<ExploreResult, FailureGroup, string> reproduce)
    {
        json.WriteStartObject();
        json.WriteString("personality", result.Personality);
        json.WriteNumber("points", result.Points);
        json.WriteNumber("built", result.Built);
        json.WriteNumber("distinct", result.Distinct);
        json.WriteNumber("checked", result.Checked);
        json.WriteNumber("failed", result.Failed);
        json.WriteNumber("seconds", Math.Round(result.Seconds, 3));
        json.WriteBoolean("interrupted", result.Interrupted);
        json.WriteStartArray("failures");
        foreach (FailureGroup group in result.Groups)
        {
            json.WriteStartObject();
            json.WriteString("state", group.Example.Id);
            json.WriteNumber("states", group.States);
            json.WriteString("after", group.After);
            json.WriteString("before", group.Before);
            json.WriteString("mark", group.Mark);
            json.WriteStartArray("lost");
            foreach (string lost in group.Lost)
            {
                json.WriteStringValue(lost);
            }

            json.WriteEndArray();
            json.WriteNumber("exitCode", group.Verdict.ExitCode);
            json.WriteBoolean("timedOut", group.Verdict.TimedOut);
            json.WriteString("output", group.Verdict.Output);
            json.WriteString("reproduce", reproduce(result, group));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteSuite(XmlWriter xml, ProgramRecording recording, ExploreResult result, Func<ExploreResult, FailureGroup, string> reproduce)
    {
        xml.WriteStartElement("testsuite");
        xml.WriteAttributeString("name", "crashtest." + result.Personality);
        xml.WriteAttributeString("tests", Number(result.Groups.Count + 1));
        xml.WriteAttributeString("failures", Number(result.Groups.Count));
        xml.WriteAttributeString("errors", "0");
        xml.WriteAttributeString("time", result.Seconds.ToString("0.000", CultureInfo.InvariantCulture));
        xml.WriteStartElement("testcase");
        xml.WriteAttributeString("classname", "crashtest." + result.Personality);
        xml.WriteAttributeString("name", $"{result.Checked - result.Failed} of {result.Checked} states of '{Clean(string.Join(' ', recording.Header.Command))}' are good");
        xml.WriteEndElement();
        foreach (FailureGroup group in result.Groups)
        {
            xml.WriteStartElement("testcase");
            xml.WriteAttributeString("classname", "crashtest." + result.Personality);
            xml.WriteAttributeString("name", Clean($"state {group.Example.Id} after {group.After}"));
            xml.WriteStartElement("failure");
            xml.WriteAttributeString("message", Clean(group.Verdict.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault() ?? $"exit code {group.Verdict.ExitCode}"));
            xml.WriteString(Clean($"{group.States} states\n{string.Join('\n', group.Lost.Select(lost => "lost: " + lost))}\n{group.Verdict.Output}\nreproduce: {reproduce(result, group)}"));
            xml.WriteEndElement();
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>Without what XML cannot hold.</summary>
    private static string Clean(string text) => string.Concat(text.Select(c => XmlConvert.IsXmlChar(c) ? c : '?'));
}
