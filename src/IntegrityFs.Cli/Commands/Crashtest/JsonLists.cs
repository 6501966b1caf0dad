using System.Text.Json;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>Lists of texts.</summary>
internal static class JsonLists
{
    public static void Write(Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (string text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }
}
