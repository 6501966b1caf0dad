// Promise: for n pending units up to the exhaustive limit every subset is listed; above it none, all, every single, pair,
// all-but-one, all-but-two, prefix and suffix; then tears and seeded samples. The same profile and seed list the same
// states in the same order.
namespace IntegrityFs.CrashTesting;

/// <summary>Lists the crash states of a crash point.</summary>
public static class CrashStates
{
    private const int GarbageSamples = 48;

    /// <summary>The states, capped by <paramref name="limit"/>.</summary>
    public static IEnumerable<CrashState> Enumerate(CrashPoint point, CrashProfile profile, ulong seed, int limit)
    {
        ArgumentNullException.ThrowIfNull(point);
        ArgumentNullException.ThrowIfNull(profile);
        int n = point.Pending.Count;
        yield return new CrashState(point.Number, new byte[n]);
        if (n == 0)
        {
            yield break;
        }

        yield return new CrashState(point.Number, Full(point));
        var random = new SeededRandom(seed ^ ((ulong)point.Number * 0x9E3779B97F4A7C15UL));
        long total = Count(point, profile);
        IEnumerable<CrashState> all = Systematic(point, profile).Concat(Samples(point, profile, random))
            .Select(masks => new CrashState(point.Number, masks));
        all = profile.Garbage ? all.Concat(Spoiled(point, seed)) : all;
        if (total <= limit - 2)
        {
            foreach (CrashState state in all)
            {
                yield return state;
            }

            yield break;
        }

        // Too many: Bernoulli choice keeps the order and needs no memory.
        var choice = new SeededRandom(seed + 17 + (ulong)point.Number);
        ulong threshold = (ulong)(limit - 2) * (ulong.MaxValue / (ulong)total);
        foreach (CrashState state in all)
        {
            if (choice.Next() < threshold)
            {
                yield return state;
            }
        }
    }

    private static byte[] Full(CrashPoint point) => [.. point.Pending.Select(unit => unit.Whole)];

    private static long Count(CrashPoint point, CrashProfile profile)
    {
        int n = point.Pending.Count;
        long count = profile.Samples + (profile.Garbage ? GarbageSamples : 0);
        if (profile.Choice != StateChoice.Bounded)
        {
            return count + (profile.Choice == StateChoice.Prefixes ? n + point.Pending.Sum(unit => unit.Sectors) : 0);
        }

        count += n <= profile.ExhaustiveUnits ? 1L << n : (4L * n) + (n <= profile.PairUnits ? (long)n * (n - 1) : 0);
        return count + (profile.Torn ? point.Pending.Sum(unit => 2L * 4 * unit.Sectors) : 0);
    }

    private static IEnumerable<byte[]> Systematic(CrashPoint point, CrashProfile profile)
    {
        if (profile.Choice != StateChoice.Bounded)
        {
            return profile.Choice == StateChoice.Prefixes ? PrefixesOnly(point) : [];
        }

        int n = point.Pending.Count;
        IEnumerable<byte[]> subsets = n <= profile.ExhaustiveUnits
            ? AllSubsets(point)
            : Bounded(point, n <= profile.PairUnits);
        return profile.Torn ? subsets.Concat(Tears(point)) : subsets;
    }

    private static IEnumerable<byte[]> AllSubsets(CrashPoint point)
    {
        int n = point.Pending.Count;
        for (int subset = 1; subset < (1 << n) - 1; subset++)
        {
            int bits = subset;
            yield return Select(point, i => ((bits >> i) & 1) != 0);
        }
    }

    private static IEnumerable<byte[]> Bounded(CrashPoint point, bool pairs)
    {
        int n = point.Pending.Count;
        for (int i = 1; i < n; i++)
        {
            int cut = i;
            yield return Select(point, k => k < cut);
            yield return Select(point, k => k >= cut);
        }

        for (int i = 0; i < n; i++)
        {
            int one = i;
            yield return Select(point, k => k == one);
            yield return Select(point, k => k != one);
            for (int j = i + 1; pairs && j < n; j++)
            {
                int two = j;
                yield return Select(point, k => k == one || k == two);
                yield return Select(point, k => k != one && k != two);
            }
        }
    }

    private static IEnumerable<byte[]> PrefixesOnly(CrashPoint point)
    {
        for (int i = 0; i < point.Pending.Count; i++)
        {
            int cut = i;
            for (int sectors = i == 0 ? 1 : 0; sectors < point.Pending[i].Sectors; sectors++)
            {
                yield return WithTear(Select(point, k => k < cut), i, (1 << sectors) - 1);
            }
        }
    }

    /// <summary>Random subsets in which some interrupted sectors are spoiled.</summary>
    private static IEnumerable<CrashState> Spoiled(CrashPoint point, ulong seed)
    {
        var random = new SeededRandom(~seed ^ ((ulong)point.Number * 0x9E3779B97F4A7C15UL));
        for (int sample = 0; sample < GarbageSamples; sample++)
        {
            byte[] masks = new byte[point.Pending.Count];
            byte[] garbage = new byte[point.Pending.Count];
            for (int i = 0; i < masks.Length; i++)
            {
                byte whole = point.Pending[i].Whole;
                masks[i] = random.Below(2) == 0 ? whole : (byte)(random.Next() & whole);
                garbage[i] = random.Below(3) == 0 ? (byte)(random.Next() & (byte)~masks[i] & whole) : (byte)0;
            }

            yield return new CrashState(point.Number, masks, garbage);
        }
    }

    private static IEnumerable<byte[]> Tears(CrashPoint point)
    {
        for (int i = 0; i < point.Pending.Count; i++)
        {
            WriteUnit unit = point.Pending[i];
            int torn = i;
            for (int s = 0; s < unit.Sectors; s++)
            {
                int prefix = (1 << s) - 1;
                foreach (int mask in new[] { prefix, unit.Whole & ~prefix, 1 << s, unit.Whole & ~(1 << s) })
                {
                    yield return WithTear(Select(point, k => k < torn), torn, mask);
                    yield return WithTear(Full(point), torn, mask);
                }
            }
        }
    }

    private static IEnumerable<byte[]> Samples(CrashPoint point, CrashProfile profile, SeededRandom random)
    {
        for (int sample = 0; sample < profile.Samples; sample++)
        {
            byte[] masks = new byte[point.Pending.Count];
            int keep = 1 + (int)random.Below(15);
            for (int i = 0; i < masks.Length; i++)
            {
                bool arrived = (int)random.Below(16) < keep;
                bool torn = random.Below(6) == 0;
                byte whole = point.Pending[i].Whole;
                masks[i] = torn ? (byte)(random.Next() & whole) : arrived ? whole : (byte)0;
            }

            yield return masks;
        }
    }

    private static byte[] Select(CrashPoint point, Func<int, bool> arrived)
    {
        byte[] masks = new byte[point.Pending.Count];
        for (int i = 0; i < masks.Length; i++)
        {
            masks[i] = arrived(i) ? point.Pending[i].Whole : (byte)0;
        }

        return masks;
    }

    private static byte[] WithTear(byte[] masks, int unit, int mask)
    {
        masks[unit] = (byte)mask;
        return masks;
    }
}
