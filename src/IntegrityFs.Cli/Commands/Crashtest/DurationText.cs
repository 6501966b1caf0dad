using System.CommandLine;
using System.Globalization;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>Durations on the command line: 90, 90s, 5m, 2h.</summary>
internal static class DurationText
{
    public static TimeSpan Parse(string text)
    {
        string number = text.TrimEnd('s', 'm', 'h');
        double unit = text.Length - number.Length > 1 ? double.NaN : text[^1] switch { 'm' => 60, 'h' => 3600, _ => 1 };
        return double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value) && value * unit is > 0 and < 1e9
            ? TimeSpan.FromSeconds(value * unit)
            : throw new CommandFailure(Cause.Usage, $"'{text}' is no duration (90, 90s, 5m, 2h)");
    }
}
