// Promise: names exactly which sectors of which pending units reached the medium; its text form survives a round trip
// and is all that is needed to build the same image again.
using System.Globalization;
using System.Text;

namespace IntegrityFs.CrashTesting;

/// <summary>One outcome of a crash: for each pending unit of a crash point, a mask of the 512-byte sectors that arrived.
/// Text: <c>p3:0-4,7,9[0.2]</c> (unit 9 torn: sectors 0 and 2), <c>p3:all-5,6[0]</c> (all, but not 5, and of 6 only
/// sector 0), <c>p3:none</c>; <c>~9[1]</c> says that sector 1 of unit 9 holds garbage instead; a crash during the recovery of that state is appended after a slash.</summary>
public sealed class CrashState(int point, byte[] masks, byte[]? garbage = null)
{
    /// <summary>The unit of tearing.</summary>
    public const int SectorSize = 512;

    /// <summary>The number of the crash point.</summary>
    public int Point { get; } = point;

    /// <summary>Per pending unit, the sectors that arrived.</summary>
    public byte[] Masks { get; } = masks;

    /// <summary>Per pending unit, the sectors that did not arrive but were spoiled: they hold neither old nor new. Null
    /// where there are none.</summary>
    public byte[]? Garbage { get; } = garbage;

    /// <summary>Writes what arrived to an image that holds everything durable.</summary>
    public void Apply(CrashPoint at, PageImage image)
    {
        ArgumentNullException.ThrowIfNull(at);
        ArgumentNullException.ThrowIfNull(image);
        for (int i = 0; i < Masks.Length; i++)
        {
            WriteUnit unit = at.Pending[i];
            if (Masks[i] == unit.Whole)
            {
                image.Write(unit.Offset, unit.Data.Span);
            }
            else if (Masks[i] != 0)
            {
                ApplyTorn(unit, Masks[i], image);
            }

            if (Garbage is not null && Garbage[i] != 0)
            {
                Spoil(unit, Garbage[i], image);
            }
        }
    }

    /// <summary>The text form within <paramref name="at"/>.</summary>
    public string Describe(CrashPoint at)
    {
        ArgumentNullException.ThrowIfNull(at);
        int whole = 0;
        for (int i = 0; i < Masks.Length; i++)
        {
            whole += Masks[i] == at.Pending[i].Whole ? 1 : 0;
        }

        var text = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"p{Point}:"));
        bool inverted = whole * 2 > Masks.Length || whole == Masks.Length;
        int start = text.Length;
        for (int i = 0; i < Masks.Length; i++)
        {
            byte mask = Masks[i];
            bool torn = mask != 0 && mask != at.Pending[i].Whole;
            if (torn || (mask == 0) == inverted)
            {
                int last = torn ? i : EndOfRun(i, mask);
                text.Append(text.Length == start ? "" : ",").Append(CultureInfo.InvariantCulture, $"{i}");
                text.Append(last > i ? string.Create(CultureInfo.InvariantCulture, $"-{last}") : "");
                text.Append(torn ? "[" + string.Join('.', Sectors(mask)) + "]" : "");
                i = last;
            }
        }

        string list = text.ToString(start, text.Length - start);
        string head = text.ToString(0, start);
        return (inverted
            ? head + (list.Length == 0 ? "all" : "all-" + list)
            : head + (list.Length == 0 ? "none" : list)) + DescribeGarbage();

        int EndOfRun(int from, byte mask)
        {
            int last = from;
            while (last + 1 < Masks.Length && (mask == 0 ? Masks[last + 1] == 0 : Masks[last + 1] == at.Pending[last + 1].Whole))
            {
                last++;
            }

            return last;
        }
    }

    private string DescribeGarbage() => Garbage is null ? "" : string.Concat(Enumerable.Range(0, Garbage.Length)
        .Where(i => Garbage[i] != 0)
        .Select(i => string.Create(CultureInfo.InvariantCulture, $"~{i}[{string.Join('.', Sectors(Garbage[i]))}]")));

    private static IEnumerable<int> Sectors(byte mask) => Enumerable.Range(0, 8).Where(s => ((mask >> s) & 1) != 0);

    /// <summary>Reads the text form of one level (no slash).</summary>
    /// <exception cref="FormatException">It is not one, or does not fit the points.</exception>
    public static CrashState Parse(string text, IReadOnlyList<CrashPoint> points)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(points);
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        if (!text.StartsWith('p') || colon < 0
            || !int.TryParse(text.AsSpan(1, colon - 1), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            || number >= points.Count)
        {
            throw new FormatException($"'{text}' names no crash point of this workload (it has {points.Count})");
        }

        CrashPoint at = points[number];
        string[] parts = text[(colon + 1)..].Split('~');
        string list = parts[0];
        bool inverted = list.StartsWith("all", StringComparison.Ordinal);
        byte[] masks = [.. at.Pending.Select(unit => inverted ? unit.Whole : (byte)0)];
        list = inverted ? list[3..].TrimStart('-') : list;
        foreach (string item in list is "none" or "" ? [] : list.Split(','))
        {
            ParseItem(item, inverted, at, masks);
        }

        byte[]? garbage = parts.Length > 1 ? new byte[masks.Length] : null;
        foreach (string item in parts[1..])
        {
            ParseItem(item, false, at, garbage!);
        }

        return new CrashState(number, masks, garbage);
    }

    private static void ParseItem(string item, bool inverted, CrashPoint at, byte[] masks)
    {
        int bracket = item.IndexOf('[', StringComparison.Ordinal);
        string[] range = (bracket < 0 ? item : item[..bracket]).Split('-');
        int first = int.Parse(range[0], NumberStyles.None, CultureInfo.InvariantCulture);
        int last = int.Parse(range[^1], NumberStyles.None, CultureInfo.InvariantCulture);
        if (last >= masks.Length || first > last)
        {
            throw new FormatException($"'{item}' names no pending unit (there are {masks.Length})");
        }

        int sectors = 0;
        foreach (string sector in bracket < 0 ? [] : item[(bracket + 1)..].TrimEnd(']').Split('.'))
        {
            sectors |= 1 << int.Parse(sector, NumberStyles.None, CultureInfo.InvariantCulture);
        }

        for (int i = first; i <= last; i++)
        {
            masks[i] = bracket >= 0 ? (byte)(sectors & at.Pending[i].Whole) : inverted ? (byte)0 : at.Pending[i].Whole;
        }
    }

    /// <summary>Garbage is the new content with every bit inverted: never old, never new, the same in every run.</summary>
    private static void Spoil(in WriteUnit unit, byte mask, PageImage image)
    {
        byte[] sector = new byte[SectorSize];
        foreach (int s in Sectors(mask))
        {
            unit.Data.Span.Slice(s * SectorSize, SectorSize).CopyTo(sector);
            for (int i = 0; i < sector.Length; i++)
            {
                sector[i] ^= 0xff;
            }

            image.Write(unit.Offset + (s * SectorSize), sector);
        }
    }

    private static void ApplyTorn(in WriteUnit unit, byte mask, PageImage image)
    {
        for (int s = 0; s < unit.Sectors; s++)
        {
            if (((mask >> s) & 1) != 0)
            {
                image.Write(unit.Offset + (s * SectorSize), unit.Data.Span.Slice(s * SectorSize, SectorSize));
            }
        }
    }
}
