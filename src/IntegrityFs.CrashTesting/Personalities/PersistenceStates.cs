// Promise: the same point, profile and seed list the same states in the same order; every state is one that the
// personality allows: nothing is there without what it needs.
using System.Globalization;
using System.Text;

namespace IntegrityFs.CrashTesting;

/// <summary>How many states of a point are listed.</summary>
public enum ExploreProfile
{
    /// <summary>Everything up to some request, nothing after.</summary>
    Prefix,

    /// <summary>Also: each unit and each pair of units missing or alone, each unit torn, some samples.</summary>
    Bounded,

    /// <summary>Also: every subset of up to twelve units.</summary>
    Exhaustive,

    /// <summary>Random subsets only.</summary>
    Sampled,
}

/// <summary>Lists the crash states of a point of requests, and reads and writes their names.</summary>
internal static class PersistenceStates
{
    private const int MostPairs = 24;
    private const int ExhaustiveUnits = 12;

    public static IEnumerable<byte[]> Enumerate(PersistencePoint point, ExploreProfile profile, ulong seed)
    {
        int n = point.Pending.Count;
        byte[] all = new byte[n];
        all.AsSpan().Fill(UnitOutcome.Whole);
        yield return all;
        if (n == 0)
        {
            yield break;
        }

        yield return new byte[n];
        IEnumerable<byte[]> rest = profile switch
        {
            ExploreProfile.Prefix => Prefixes(n),
            ExploreProfile.Sampled => Samples(point, seed, 64),
            ExploreProfile.Exhaustive => Prefixes(n).Concat(Subsets(n)).Concat(Singles(point)).Concat(Pairs(point)).Concat(Tears(point)).Concat(Samples(point, seed, 64)),
            _ => Prefixes(n).Concat(Singles(point)).Concat(Tears(point)).Concat(Pairs(point)).Concat(Samples(point, seed, 8)),
        };
        foreach (byte[] outcomes in rest)
        {
            yield return outcomes;
        }
    }

    /// <summary>"q12:all-3,5[2]": all but unit 3, and of unit 5 two sectors; "q12:none+1,2[z]": only units 1 and 2, of the
    /// latter only the size ([g]: with garbage).</summary>
    public static string Describe(PersistencePoint point, ReadOnlySpan<byte> outcomes)
    {
        int lost = outcomes.Count(UnitOutcome.Lost);
        bool most = lost * 2 <= outcomes.Length;
        var text = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"q{point.Number}:{(most ? "all" : "none")}"));
        char sign = most ? '-' : '+';
        for (int i = 0; i < outcomes.Length; i++)
        {
            byte outcome = outcomes[i];
            if (outcome == (most ? UnitOutcome.Whole : UnitOutcome.Lost))
            {
                continue;
            }

            text.Append(sign).Append(CultureInfo.InvariantCulture, $"{i}");
            sign = ',';
            if (outcome is not (UnitOutcome.Lost or UnitOutcome.Whole))
            {
                text.Append('[').Append(outcome switch
                {
                    UnitOutcome.Zeroes => "z",
                    UnitOutcome.Garbage => "g",
                    _ => outcome.ToString(CultureInfo.InvariantCulture),
                }).Append(']');
            }
        }

        return text.ToString();
    }

    /// <summary>Reads the name of a state.</summary>
    /// <exception cref="FormatException">It is none of this recording.</exception>
    public static (PersistencePoint Point, byte[] Outcomes) Parse(string text, IReadOnlyList<PersistencePoint> points)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon < 2 || text[0] != 'q' || !int.TryParse(text.AsSpan(1, colon - 1), NumberStyles.None, CultureInfo.InvariantCulture, out int number) || number >= points.Count)
        {
            throw new FormatException($"'{text}' names no state of this recording and personality (it has {points.Count} points)");
        }

        string list = text[(colon + 1)..];
        bool most = list.StartsWith("all", StringComparison.Ordinal);
        byte[] outcomes = new byte[points[number].Pending.Count];
        outcomes.AsSpan().Fill(most ? UnitOutcome.Whole : UnitOutcome.Lost);
        string items = list[(most ? 3 : 4)..].TrimStart('-', '+');
        foreach (string item in items.Length == 0 ? [] : items.Split(','))
        {
            int bracket = item.IndexOf('[', StringComparison.Ordinal);
            if (!int.TryParse(bracket < 0 ? item : item[..bracket], NumberStyles.None, CultureInfo.InvariantCulture, out int unit) || unit >= outcomes.Length)
            {
                throw new FormatException($"'{item}' names no unit of '{text}' (there are {outcomes.Length})");
            }

            outcomes[unit] = bracket < 0 ? (most ? UnitOutcome.Lost : UnitOutcome.Whole) : item[(bracket + 1)..].TrimEnd(']') switch
            {
                "z" => UnitOutcome.Zeroes,
                "g" => UnitOutcome.Garbage,
                var sectors => byte.Parse(sectors, NumberStyles.None, CultureInfo.InvariantCulture),
            };
        }

        return (points[number], outcomes);
    }

    private static IEnumerable<byte[]> Prefixes(int n)
    {
        for (int cut = 1; cut < n; cut++)
        {
            yield return Of(n, i => i < cut);
        }
    }

    private static IEnumerable<byte[]> Singles(PersistencePoint point)
    {
        int n = point.Pending.Count;
        for (int i = 0; i < n; i++)
        {
            int one = i;
            yield return Of(n, k => k != one);
            yield return Alone(point, k => k == one);
        }
    }

    private static IEnumerable<byte[]> Pairs(PersistencePoint point)
    {
        int n = point.Pending.Count;
        for (int i = 0; n <= MostPairs && i < n; i++)
        {
            for (int j = i + 1; j < n; j++)
            {
                (int one, int two) = (i, j);
                yield return Of(n, k => k != one && k != two);
                yield return Alone(point, k => k == one || k == two);
            }
        }
    }

    private static IEnumerable<byte[]> Subsets(int n)
    {
        for (int set = 1; n <= ExhaustiveUnits && set < (1 << n) - 1; set++)
        {
            int bits = set;
            yield return Of(n, i => ((bits >> i) & 1) != 0);
        }
    }

    /// <summary>Each piece of bytes torn: over all others, and as the last that came.</summary>
    private static IEnumerable<byte[]> Tears(PersistencePoint point)
    {
        int n = point.Pending.Count;
        for (int i = 0; i < n; i++)
        {
            if (!point.MayTear(i))
            {
                continue;
            }

            foreach (byte outcome in Outcomes(point.Pending[i].Content!, point.Pending[i].Class == UnitClass.Append))
            {
                int torn = i;
                byte[] last = Of(n, k => k < torn);
                last[i] = outcome;
                yield return last;
                byte[] over = Of(n, _ => true);
                over[i] = outcome;
                yield return over;
            }
        }
    }

    private static List<byte> Outcomes(ContentEffect content, bool append)
    {
        var outcomes = new List<byte>();
        int sectors = (int)(((content.Offset % 512) + content.Data.Length + 511) / 512);
        foreach (int sector in new[] { 1, sectors / 2, sectors - 1 }.Where(s => s > 0 && s < sectors).Distinct())
        {
            outcomes.Add((byte)sector);
        }

        if (append)
        {
            outcomes.Add(UnitOutcome.Zeroes);
            outcomes.Add(UnitOutcome.Garbage);
        }

        return outcomes;
    }

    private static IEnumerable<byte[]> Samples(PersistencePoint point, ulong seed, int count)
    {
        var random = new SeededRandom(seed ^ ((ulong)point.Number * 0x9E3779B97F4A7C15UL));
        for (int sample = 0; sample < count; sample++)
        {
            byte[] outcomes = new byte[point.Pending.Count];
            int keep = 1 + (int)random.Below(15);
            for (int i = 0; i < outcomes.Length; i++)
            {
                outcomes[i] = (int)random.Below(16) < keep ? UnitOutcome.Whole : UnitOutcome.Lost;
                if (outcomes[i] == UnitOutcome.Whole && random.Below(8) == 0 && point.MayTear(i))
                {
                    List<byte> torn = Outcomes(point.Pending[i].Content!, point.Pending[i].Class == UnitClass.Append);
                    outcomes[i] = torn.Count > 0 ? random.Pick(torn) : UnitOutcome.Whole;
                }
            }

            yield return outcomes;
        }
    }

    /// <summary>These units, and what they need.</summary>
    private static byte[] Alone(PersistencePoint point, Func<int, bool> arrived)
    {
        byte[] outcomes = Of(point.Pending.Count, arrived);
        point.Complete(outcomes);
        return outcomes;
    }

    private static byte[] Of(int n, Func<int, bool> arrived)
    {
        byte[] outcomes = new byte[n];
        for (int i = 0; i < n; i++)
        {
            outcomes[i] = arrived(i) ? UnitOutcome.Whole : UnitOutcome.Lost;
        }

        return outcomes;
    }
}
