using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace IntegrityFs.Cli;

/// <summary>JSON for scripts, and the same for people.</summary>
internal static class JsonText
{
    /// <summary>Writes one object.</summary>
    public static string Object(Action<Utf8JsonWriter> properties)
    {
        using var stream = new MemoryStream();
        var options = new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (var writer = new Utf8JsonWriter(stream, options))
        {
            writer.WriteStartObject();
            properties(writer);
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length) + "\n";
    }

    /// <summary>"name: value" lines, nested objects indented, lists one element a line.</summary>
    public static string ForPeople(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        var text = new StringBuilder();
        Append(text, document.RootElement, 0);
        return text.ToString();
    }

    /// <summary>Seconds since 1970 as ISO 8601, or "never".</summary>
    public static string Time(long seconds) => seconds is > 0 and < 253402300800
        ? DateTimeOffset.FromUnixTimeSeconds(seconds).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)
        : "never";

    private static void Append(StringBuilder text, JsonElement element, int depth)
    {
        foreach (JsonProperty property in element.EnumerateObject())
        {
            string name = Words(property.Name);
            text.Append(' ', depth * 2).Append(name).Append(':');
            switch (property.Value.ValueKind)
            {
                case JsonValueKind.Object:
                    text.Append('\n');
                    Append(text, property.Value, depth + 1);
                    break;
                case JsonValueKind.Array:
                    AppendList(text, property.Value, depth + 1);
                    break;
                default:
                    text.Append(' ', Math.Max(1, 24 - name.Length - (depth * 2))).Append(Scalar(property.Value)).Append('\n');
                    break;
            }
        }
    }

    private static void AppendList(StringBuilder text, JsonElement list, int depth)
    {
        if (list.GetArrayLength() == 0)
        {
            text.Append(" none\n");
            return;
        }

        text.Append('\n');
        foreach (JsonElement item in list.EnumerateArray())
        {
            text.Append(' ', depth * 2).Append("- ");
            if (item.ValueKind == JsonValueKind.Object)
            {
                text.AppendJoin(", ", item.EnumerateObject().Select(p => $"{Words(p.Name)} {Scalar(p.Value)}")).Append('\n');
            }
            else
            {
                text.Append(Scalar(item)).Append('\n');
            }
        }
    }

    private static string Scalar(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => Logging.OneLine.Of(value.GetString()!),
        JsonValueKind.True => "yes",
        JsonValueKind.False => "no",
        JsonValueKind.Null => "-",
        _ => value.GetRawText(),
    };

    /// <summary>"blocksVerified" as "blocks verified".</summary>
    private static string Words(string name)
    {
        var words = new StringBuilder();
        foreach (char c in name)
        {
            if (char.IsAsciiLetterUpper(c))
            {
                words.Append(' ').Append(char.ToLowerInvariant(c));
            }
            else
            {
                words.Append(c);
            }
        }

        return words.ToString();
    }
}
