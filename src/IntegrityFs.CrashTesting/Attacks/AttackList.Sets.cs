// Promise: as AttackList.cs says; sets of pages put back in time together, the journal cut and re-injected, the device
// made shorter and longer.
namespace IntegrityFs.CrashTesting;

internal sealed partial class AttackList
{
    private IEnumerable<Attack> Sets()
    {
        int superA = 0;
        int superB = (int)(Format.VolumeGeometry.SuperblockOffset(1) / Page);
        for (int k = 0; k < victim.Earlier.Count; k++)
        {
            PageImage older = victim.Earlier[k];
            foreach (AttackZone zone in s_zones)
            {
                bool roots = zone is AttackZone.Superblock or AttackZone.KeySlots;
                yield return Older($"zone:{zone}:{k}", zone, older, page => victim.Zones[page] == zone, roots);
                yield return Older($"zone+tags:{zone}:{k}", zone, older, page => page != superA && page != superB && (victim.Zones[page] == zone || IsTag(page)), zone == AttackZone.KeySlots);
            }

            yield return Older($"all-but-super:{k}", AttackZone.TagLive, older, page => page != superA && page != superB && !IsSlots(page), victim.IsCrashed);
            yield return Older($"all-but-super-a:{k}", AttackZone.Superblock, older, page => page != superA && !IsSlots(page), victim.IsCrashed);
            yield return Older($"all-but-super-b:{k}", AttackZone.Superblock, older, page => page != superB && !IsSlots(page), victim.IsCrashed);
            yield return Older($"whole:{k}", AttackZone.Superblock, older, page => !IsSlots(page), true);
            for (int m = 0; m < victim.Earlier.Count; m++)
            {
                if (m != k)
                {
                    PageImage other = victim.Earlier[m];
                    yield return new Attack(Text("supers", k, m), "older set", AttackZone.Superblock, image =>
                    {
                        Copy(image, older, superA);
                        Copy(image, other, superB);
                    }, RollsBack: true);
                }
            }

            foreach (Attack attack in Subsets(k, older, superA, superB))
            {
                yield return attack;
            }
        }
    }

    /// <summary>Random sets without the superblocks: nothing old may show.</summary>
    private IEnumerable<Attack> Subsets(int k, PageImage older, int superA, int superB)
    {
        int[] changed = [.. Enumerable.Range(0, victim.Image.PageCount).Where(page => page != superA && page != superB && !IsSlots(page)
            && victim.Zones[page] != AttackZone.JournalInUse && !older.Page(page).SequenceEqual(victim.Image.Page(page)))];
        for (int n = 0; n < Math.Min(limit, 2000) / 4 && changed.Length > 1; n++)
        {
            ulong draw = seed ^ SeededRandom.Mix((ulong)((k * 100_000) + n));
            var random = new SeededRandom(draw);
            int keep = 1 + (int)random.Below(15);
            HashSet<int> chosen = [.. changed.Where(_ => (int)random.Below(16) < keep)];
            if (chosen.Count > 0)
            {
                yield return Older($"subset:{k}:{n}", victim.Zones[chosen.First()], older, chosen.Contains, false);
            }
        }
    }

    private IEnumerable<Attack> Journal()
    {
        for (int i = 0; i < victim.Transactions.Count; i++)
        {
            int from = i;
            bool last = i == victim.Transactions.Count - 1;
            yield return new Attack($"cut-tail:{i}", "cut", AttackZone.JournalInUse, image => victim.Transactions.Skip(from).ToList().ForEach(t => Clear(image, t)), RollsBack: true);
            yield return new Attack($"cut-one:{i}", "cut", AttackZone.JournalInUse, image => Clear(image, victim.Transactions[from]), RollsBack: last);
            yield return new Attack($"cut-descriptors:{i}", "cut", AttackZone.JournalInUse, image =>
            {
                Clear(image, [victim.Transactions[from][0], victim.Transactions[from][^1]]);
            }, RollsBack: last);
            for (int j = 0; j < victim.Transactions.Count; j++)
            {
                if (i == j)
                {
                    continue;
                }

                int[] source = victim.Transactions[j];
                int[] target = [.. victim.Transactions.Skip(i).SelectMany(pages => pages)];
                yield return new Attack($"move-commit:{j}:{i}", "re-inject", AttackZone.JournalInUse, image =>
                {
                    for (int p = 0; p < Math.Min(source.Length, target.Length); p++)
                    {
                        image.Write((long)target[p] * Page, victim.Image.Page(source[p]));
                    }
                }, RollsBack: true);
            }
        }

        for (int k = 0; k < victim.Earlier.Count; k++)
        {
            PageImage older = victim.Earlier[k];
            AttackZone zone = victim.IsCrashed ? AttackZone.JournalInUse : AttackZone.JournalSpent;
            yield return new Attack($"lap:{k}", "re-inject", zone, image => CopyAll(image, older, IsJournal), RollsBack: victim.IsCrashed);
            for (int i = 0; i < victim.Transactions.Count; i++)
            {
                int[] one = victim.Transactions[i];
                HashSet<int> from = [.. victim.Transactions.Skip(i).SelectMany(pages => pages)];
                yield return new Attack($"lap:{k}:{i}", "re-inject", zone, image => CopyAll(image, older, one.Contains), RollsBack: true);
                yield return new Attack($"lap-from:{k}:{i}", "re-inject", zone, image => CopyAll(image, older, from.Contains), RollsBack: true);
            }
        }
    }

    /// <summary>Transactions of another future of the same past, which bear the same numbers and places: only the chain
    /// tells them from ours. (All of them together are that other future, whole.)</summary>
    private IEnumerable<Attack> Forks()
    {
        PageImage? fork = victim.Fork;
        for (int i = 0; fork is not null && i < victim.Transactions.Count; i++)
        {
            HashSet<int> one = [.. victim.Transactions[i]];
            HashSet<int> from = [.. victim.Transactions.Skip(i).SelectMany(pages => pages)];
            yield return new Attack($"fork-one:{i}", "re-inject", AttackZone.JournalInUse, image => CopyAll(image, fork, one.Contains));
            if (i > 0)
            {
                yield return new Attack($"fork-from:{i}", "re-inject", AttackZone.JournalInUse, image => CopyAll(image, fork, from.Contains));
            }
        }
    }

    /// <summary>A transaction made without the key behind the last one: right place, number and chain, and a list of freed
    /// blocks, which needs no tag: believed, it would take every newer version back.</summary>
    private IEnumerable<Attack> Forged()
    {
        if (victim.Transactions.Count == 0)
        {
            yield break;
        }

        int[] last = victim.Transactions[^1];
        byte[] block = new byte[Page];
        ulong end = Forge(victim.Image.Page(last[0]), (ulong)last.Length, block);
        var pages = new List<int>();
        for (ulong i = 0; i < 2; i++)
        {
            pages.Add((int)(victim.Geometry.JournalBlockOffset(end + i) / Page));
        }

        yield return new Attack("forged-commit", "re-inject", AttackZone.JournalSpent, image => pages.ForEach(page => image.Write((long)page * Page, block)));
    }

    private ulong Forge(ReadOnlySpan<byte> before, ulong length, Span<byte> block)
    {
        var view = new Format.JournalDescriptorView(before);
        ulong end = view.Position + length;
        Format.JournalDescriptorView.WriteHeader(block, view.Sequence + 1, end, 1, 0, view.Mac);
        new Format.JournalEntry(Format.JournalEntryKind.Freed, Format.BlockPurpose.None, 0, default, victim.Geometry.TotalBlocks)
            .Write(block[Format.JournalDescriptorLayout.HeaderSize..]);
        return end;
    }

    private IEnumerable<Attack> Lengths()
    {
        long length = victim.Image.Length;
        foreach (long shorter in new[] { length - 512, length - 4096, length / 2, Format.VolumeGeometry.JournalOffset, 65536 + 4096, 65536, 4096, 512 })
        {
            yield return new Attack(Text("length", shorter), "length", AttackZone.Superblock, _ => { }, Length: shorter);
        }

        foreach (long longer in new[] { length + 512, length + 4096, length * 2 })
        {
            yield return new Attack(Text("length", longer), "length", AttackZone.Superblock, _ => { }, Length: longer);
        }
    }

    private Attack Older(string id, AttackZone zone, PageImage older, Func<int, bool> pages, bool rollsBack) =>
        new(id, "older set", zone, image => CopyAll(image, older, pages), rollsBack || (victim.IsCrashed && zone == AttackZone.JournalInUse));

    private void CopyAll(PageImage image, PageImage source, Func<int, bool> pages)
    {
        for (int page = 0; page < victim.Image.PageCount; page++)
        {
            if (pages(page))
            {
                Copy(image, source, page);
            }
        }
    }

    private bool IsTag(int page) => victim.Zones[page] is AttackZone.TagLive or AttackZone.TagSpare;

    private bool IsSlots(int page) => victim.Zones[page] == AttackZone.KeySlots;

    private bool IsJournal(int page) => victim.Zones[page] is AttackZone.JournalInUse or AttackZone.JournalSpent;

    private static void Clear(PageImage image, int[] pages)
    {
        foreach (int page in pages)
        {
            image.Write((long)page * Page, new byte[Page]);
        }
    }
}
