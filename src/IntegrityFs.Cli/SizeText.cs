using System.Globalization;

namespace IntegrityFs.Cli;

/// <summary>Sizes as people write them: "4096", "64M", "1G", "1.5T" is refused; powers of 1024.</summary>
internal static class SizeText
{
    /// <summary>Bytes of <paramref name="text"/>: digits and an optional K, M, G, T, P (also with "iB" or "B" behind
    /// it). False for anything else, for a sign, and where the number of bytes does not fit.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out long bytes)
    {
        bytes = 0;
        int digits = 0;
        while (digits < text.Length && char.IsAsciiDigit(text[digits]))
        {
            digits++;
        }

        if (!long.TryParse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            || !TryShift(text[digits..], out int shift)
            || number > long.MaxValue >> shift)
        {
            return false;
        }

        bytes = number << shift;
        return true;
    }

    /// <summary>The size as a command-line value; a bad one is a usage error that names the option.</summary>
    public static long Parse(string option, string text) => TryParse(text, out long bytes)
        ? bytes
        : throw new CommandFailure(Cause.Usage, $"{option}: '{text}' is not a size (such as 4096, 64M or 1G)");

    /// <summary>Short form for people: "64 MiB", "1.5 GiB".</summary>
    public static string Describe(long bytes)
    {
        ReadOnlySpan<string> units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        double value = bytes;
        int unit = 0;
        while (value >= 1024 && unit < units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{value:0.#} {units[unit]}");
    }

    private static bool TryShift(ReadOnlySpan<char> suffix, out int shift)
    {
        shift = 0;
        if (suffix.IsEmpty || suffix is "B")
        {
            return true;
        }

        if (suffix[1..] is not ("" or "B" or "iB"))
        {
            return false;
        }

        shift = suffix[0] switch
        {
            'K' or 'k' => 10,
            'M' or 'm' => 20,
            'G' or 'g' => 30,
            'T' or 't' => 40,
            'P' or 'p' => 50,
            _ => -1,
        };
        return shift > 0;
    }
}
