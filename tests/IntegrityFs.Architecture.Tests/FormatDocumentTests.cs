using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;

namespace IntegrityFs.Architecture.Tests;

/// <summary>Compares docs/FORMAT.md with the layout classes. The convention stands at the top of that document.</summary>
public sealed partial class FormatDocumentTests
{
    private const string Document = "docs/FORMAT.md";

    // Places of whole structures, not of fields.
    private static readonly string[] NotFields = ["AreaOffset"];

    private sealed record Row(long Offset, long? Size, string Name);

    [GeneratedRegex(@"^### .*\(`(?<class>\w+Layout)`\)\s*$")]
    private static partial Regex Heading();

    [GeneratedRegex(@"^\|\s*(?<offset>\d+)\s*\|\s*(?<size>rest|\d+(\s*×\s*\d+)*)\s*\|\s*`(?<name>\w+)`\s*\|.+\|\s*$")]
    private static partial Regex TableRow();

    private static Dictionary<string, List<Row>> Sections()
    {
        var sections = new Dictionary<string, List<Row>>();
        List<Row>? rows = null;
        bool inTable = false;
        foreach (string line in Repository.Lines(Document))
        {
            Match heading = Heading().Match(line);
            if (heading.Success)
            {
                rows = [];
                sections.Add(heading.Groups["class"].Value, rows);
            }
            else if (line.StartsWith('#') || (inTable && !line.StartsWith('|')))
            {
                rows = null;
            }

            inTable = rows is not null && line.StartsWith('|');
            if (inTable && !line.StartsWith("| offset", StringComparison.Ordinal) && !line.StartsWith("|--", StringComparison.Ordinal))
            {
                rows!.Add(Parse(line));
            }
        }

        return sections;
    }

    private static Row Parse(string line)
    {
        Match row = TableRow().Match(line);
        Assert.True(row.Success, $"{Document}: not a row of a field table: {line}");
        string size = row.Groups["size"].Value;
        long? bytes = size == "rest"
            ? null
            : size.Split('×').Aggregate(1L, (product, factor) => product * long.Parse(factor.Trim(), CultureInfo.InvariantCulture));
        return new Row(long.Parse(row.Groups["offset"].Value, CultureInfo.InvariantCulture), bytes, row.Groups["name"].Value);
    }

    private static Dictionary<string, Type> Layouts() =>
        Repository.Types()
            .Where(type => type.Name.EndsWith("Layout", StringComparison.Ordinal) && Offsets(type).Count > 0)
            .ToDictionary(type => type.Name);

    private static Dictionary<string, long> Constants(Type layout) =>
        layout.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
            .Where(field => field.IsLiteral && (field.FieldType == typeof(int) || field.FieldType == typeof(long)))
            .ToDictionary(
                field => field.Name,
                field => Convert.ToInt64(field.GetRawConstantValue(), CultureInfo.InvariantCulture));

    private static Dictionary<string, long> Offsets(Type layout) =>
        Constants(layout)
            .Where(constant => constant.Key.EndsWith("Offset", StringComparison.Ordinal)
                && constant.Key != "Offset" && !NotFields.Contains(constant.Key))
            .ToDictionary(constant => constant.Key[..^"Offset".Length], constant => constant.Value);

    [Fact]
    public void Every_layout_has_its_section_and_every_section_its_layout()
    {
        Assert.Equal(Layouts().Keys.Order(StringComparer.Ordinal), Sections().Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Offsets_and_sizes_are_the_same_in_the_document_and_in_the_code()
    {
        Dictionary<string, Type> layouts = Layouts();
        foreach ((string name, List<Row> rows) in Sections())
        {
            Assert.True(layouts.TryGetValue(name, out Type? layout), $"{name} is not in the code");
            Dictionary<string, long> offsets = Offsets(layout);
            Dictionary<string, long> constants = Constants(layout);
            Assert.True(
                offsets.Keys.Order().SequenceEqual(rows.Select(row => row.Name).Order()),
                $"{name}: the code has {string.Join(' ', offsets.Keys.Except(rows.Select(row => row.Name)))} alone, "
                + $"the document {string.Join(' ', rows.Select(row => row.Name).Except(offsets.Keys))}");
            foreach (Row row in rows)
            {
                Assert.True(offsets[row.Name] == row.Offset, $"{name}.{row.Name}Offset is {offsets[row.Name]} in the code");
                Assert.True(
                    row.Size is null || !constants.TryGetValue(row.Name + "Size", out long size) || size == row.Size,
                    $"{name}.{row.Name}Size differs from {row.Size}");
            }
        }
    }

    [Fact]
    public void Tables_have_neither_gaps_nor_overlaps_and_end_where_the_structure_ends()
    {
        Dictionary<string, Type> layouts = Layouts();
        foreach ((string name, List<Row> rows) in Sections())
        {
            long at = 0;
            foreach (Row row in rows)
            {
                Assert.True(row.Offset == at, $"{name}: `{row.Name}` begins at {row.Offset}, the field before ends at {at}");
                Assert.True(row.Size is not null || row == rows[^1], $"{name}: only the last field may be the rest");
                at += row.Size ?? 0;
            }

            Dictionary<string, long> constants = Constants(layouts[name]);
            long end = constants.TryGetValue("Size", out long size) ? size
                : constants.TryGetValue("HeaderSize", out long header) ? header : at;
            Assert.True(rows.Count > 0 && (rows[^1].Size is null || at == end), $"{name}: the table ends at {at}, the code at {end}");
        }
    }
}
