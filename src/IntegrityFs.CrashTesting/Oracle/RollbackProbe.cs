// Promise (I10): an older version of a block, with or without the older version of another, is detected or does no harm.
// In the image of a cleanly closed volume, pages are put back to what they held earlier in the same run: authentic once,
// at the same place. Mounting and reading everything must fail, show errors, or show the newest tree.
namespace IntegrityFs.CrashTesting;

/// <summary>Puts older authentic content back.</summary>
internal sealed class RollbackProbe(ICrashSubject subject, StateExaminer examiner, ulong seed)
{
    private const int Attempts = 6;

    /// <summary>Examines the end of a run.</summary>
    public Violation? Examine(Recording recording)
    {
        var newest = new PageImage(recording.Base);
        Dictionary<long, List<byte[]>> older = Replay(recording, newest);
        Examination expected = examiner.Recover(new PageImage(newest), null, close: false);
        if (older.Count == 0 || expected.Rule is not null)
        {
            return null;
        }

        var random = new SeededRandom(seed ^ 0x01DB10C);
        long[] offsets = [.. older.Keys.Order()];
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            var image = new PageImage(newest);
            List<long> put = [random.Pick(offsets)];
            if (attempt % 2 != 0)
            {
                put.Add(random.Pick(offsets));
            }

            foreach (long offset in put)
            {
                image.Write(offset, random.Pick(older[offset]));
            }

            Examination result = examiner.Recover(image, null, close: false);
            image.Reset();
            if (result.Rule is null && result.Tree!.Hash != expected.Tree!.Hash)
            {
                string where = string.Join(" and ", put.Select(offset => subject.Explain(new WriteUnit(recording.Trace.Events.Count - 1, offset, new byte[PageImage.PageSize]), recording.Trace.Events)));
                return new Violation(recording.Workload.Id, recording.Workload.ToString(), "", "I10", $"an older version of {where} was accepted (- newest, + shown):\n{expected.Tree.Difference(result.Tree, true)}")
                {
                    Seed = seed,
                    Options = subject.Options,
                };
            }
        }

        return null;
    }

    /// <summary>Applies the whole trace and keeps what whole pages outside the journal held before.</summary>
    private Dictionary<long, List<byte[]>> Replay(Recording recording, PageImage newest)
    {
        var older = new Dictionary<long, List<byte[]>>();
        foreach (TraceEvent item in recording.Trace.Events)
        {
            for (int start = 0; item.Kind == TraceEventKind.Write && start < item.Data.Length; start += PageImage.PageSize)
            {
                long offset = item.Offset + start;
                int count = Math.Min(PageImage.PageSize, item.Data.Length - start);
                if (count == PageImage.PageSize && offset % PageImage.PageSize == 0
                    && subject.RegionOf(offset) is DeviceRegion.Blocks or DeviceRegion.Tags)
                {
                    Keep(older, offset, newest.Page((int)(offset / PageImage.PageSize)));
                }

                newest.Write(offset, item.Data.Span.Slice(start, count));
            }
        }

        foreach ((long offset, List<byte[]> versions) in older.ToArray())
        {
            versions.RemoveAll(version => newest.Page((int)(offset / PageImage.PageSize)).SequenceEqual(version));
            if (versions.Count == 0)
            {
                older.Remove(offset);
            }
        }

        return older;
    }

    private static void Keep(Dictionary<long, List<byte[]>> older, long offset, ReadOnlySpan<byte> page)
    {
        if (!older.TryGetValue(offset, out List<byte[]>? versions))
        {
            older.Add(offset, versions = []);
        }

        if (versions.Count < 4)
        {
            versions.Add(page.ToArray());
        }
    }
}
