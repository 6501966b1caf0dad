// Promise: every attack on a victim, in an order and under ids that depend on nothing but the victim; at most `limit` of
// each kind in each zone, evenly chosen by the seed. This file: flips, single pages, pairs of pages. Sets of pages, the
// journal and fields: AttackList.Sets.cs, AttackList.Fields.cs.
using System.Globalization;

namespace IntegrityFs.CrashTesting;

/// <summary>Lists attacks.</summary>
internal sealed partial class AttackList(Victim victim, int limit, ulong seed)
{
    private const int Page = PageImage.PageSize;

    private static readonly AttackZone[] s_zones = Enum.GetValues<AttackZone>();

    /// <summary>Bytes of the device that opening and reading the whole victim reads, by sector: a change elsewhere
    /// cannot matter, because the program would do exactly the same.</summary>
    public required IReadOnlySet<long> ReadSectors { get; init; }

    /// <summary>All attacks.</summary>
    public IEnumerable<Attack> All() =>
        Journal().Concat(Forks()).Concat(Forged()).Concat(Pages()).Concat(Flips()).Concat(Pairs()).Concat(Sets()).Concat(Lengths()).Concat(Fields());

    /// <summary>Byte positions whose flip need not be run: nothing reads them.</summary>
    public long UnreadBytes(AttackZone zone) =>
        victim.Zones.Pages(zone).Sum(page => 8L - Enumerable.Range(0, 8).Count(s => IsRead(page, s))) * 512;

    private bool IsRead(int page, int sector) =>
        victim.Zones[page] == AttackZone.KeySlots || ReadSectors.Contains(((long)page * 8) + sector);

    private IEnumerable<Attack> Flips()
    {
        foreach (AttackZone zone in s_zones)
        {
            List<long> sectors = [.. victim.Zones.Pages(zone).SelectMany(page => Enumerable.Range(0, 8).Where(s => IsRead(page, s)).Select(s => ((long)page * 8) + s))];
            foreach (long index in Thin(sectors.Count * 512L))
            {
                long offset = (sectors[(int)(index / 512)] * 512) + (index % 512);
                yield return new Attack(Text("flip", offset), "flip", zone, image => Flip(image, offset));
            }
        }
    }

    private IEnumerable<Attack> Pages()
    {
        foreach (AttackZone zone in s_zones)
        {
            IReadOnlyList<int> pages = victim.Zones.Pages(zone);
            foreach (long index in Thin(pages.Count))
            {
                int page = pages[(int)index];
                yield return new Attack(Text("zero", page), "zero", zone, image => image.Write((long)page * Page, new byte[Page]));
                yield return new Attack(Text("garbage", page), "zero", zone, image => image.Write((long)page * Page, ContentPattern.Create(77, page, Page)));
                if (!victim.Image.Page(page).SequenceEqual(victim.Sister.Page(page)))
                {
                    yield return new Attack(Text("sister", page), "other volume", zone, image => Copy(image, victim.Sister, page));
                }
            }

            foreach (long index in Thin((long)pages.Count * victim.Earlier.Count))
            {
                int page = pages[(int)(index / victim.Earlier.Count)];
                PageImage older = victim.Earlier[(int)(index % victim.Earlier.Count)];
                if (!older.Page(page).SequenceEqual(victim.Image.Page(page)))
                {
                    // A superblock of a crashed volume may be older than its pair anyway; one copy alone decides nothing.
                    yield return new Attack(Text("older", page, index % victim.Earlier.Count), "older version", zone, image => Copy(image, older, page));
                }
            }
        }
    }

    private IEnumerable<Attack> Pairs()
    {
        List<int> all = [.. Enumerable.Range(0, victim.Image.PageCount).Where(page => victim.Zones[page] is not (AttackZone.Free or AttackZone.JournalSpent))];
        foreach (AttackZone zone in s_zones)
        {
            IReadOnlyList<int> mine = victim.Zones.Pages(zone);
            bool idle = zone is AttackZone.Free or AttackZone.JournalSpent;
            foreach (long index in Thin((long)mine.Count * (idle ? Math.Min(2, all.Count) : all.Count)))
            {
                int first = mine[(int)(index % mine.Count)];
                int second = all[(int)(index / mine.Count)];
                if (first == second || victim.Image.Page(first).SequenceEqual(victim.Image.Page(second)))
                {
                    continue;
                }

                yield return new Attack(Text("copy", second, first), "copy", zone, image => image.Write((long)first * Page, victim.Image.Page(second)));
                if (first < second || idle)
                {
                    yield return new Attack(Text("swap", first, second), "swap", zone, image =>
                    {
                        image.Write((long)first * Page, victim.Image.Page(second));
                        image.Write((long)second * Page, victim.Image.Page(first));
                    }, RollsBack: victim.Zones[second] == AttackZone.JournalInUse);
                }
            }
        }
    }

    /// <summary>At most as many as the limit of the numbers below <paramref name="count"/>, evenly spread.</summary>
    private IEnumerable<long> Thin(long count)
    {
        if (count <= limit)
        {
            for (long i = 0; i < count; i++)
            {
                yield return i;
            }

            yield break;
        }

        double step = count / (double)limit;
        var random = new SeededRandom(seed + (ulong)count);
        for (int i = 0; i < limit; i++)
        {
            yield return Math.Min(count - 1, (long)((i + (random.Below(1000) / 1000.0)) * step));
        }
    }

    private static void Flip(PageImage image, long offset)
    {
        Span<byte> one = stackalloc byte[1];
        image.Read(offset, one);
        one[0] ^= (byte)(1 << (int)(offset * 7 % 8));
        image.Write(offset, one);
    }

    private static void Copy(PageImage image, PageImage source, int page) => image.Write((long)page * Page, source.Page(page));

    private static string Text(string kind, long a) => string.Create(CultureInfo.InvariantCulture, $"{kind}:{a}");

    private static string Text(string kind, long a, long b) => string.Create(CultureInfo.InvariantCulture, $"{kind}:{a}:{b}");
}
