// Promise: the order of device calls that makes recovery possible, checked on every recorded run, whatever the crash
// states happen to show. Judged by content and place, so it needs no knowledge of the format but the regions:
//   J1  a block goes home only after a copy of it in the journal was covered by a completed flush; where new content may
//       go in place, only to a block that is free in the state which a crash at that moment leaves;
//   J2  what one flush adds to the journal begins with a record and ends with the same record again: it can be told
//       whole from torn by itself;
//   J3  a place in the journal is written again only after a header, written later than what stood there, was flushed;
//   J4  a header is written only when no write to the tag tree and none to its other copy is pending, and a node's slot is
//       not written again while the last durable header may lead to it;
//   J5  a synchronisation returns only when no write to the journal is left un-flushed;
//   J6  no write to the journal is issued while a flush is under way that does not cover it and earlier journal writes
//       are still pending.
using System.IO.Hashing;

namespace IntegrityFs.CrashTesting;

/// <summary>Trace invariants.</summary>
internal static partial class TraceRules
{
    /// <summary>J5, at the moment of the acknowledgement.</summary>
    public static void OnAcknowledged(ICrashSubject subject, Trace trace, int operation, List<string> findings)
    {
        var starts = new Dictionary<int, int>();
        int covered = 0;
        for (int i = 0; i < trace.Events.Count; i++)
        {
            TraceEvent item = trace.Events[i];
            if (item.Kind == TraceEventKind.FlushStart)
            {
                starts[item.Number] = i;
            }
            else if (item.Kind == TraceEventKind.FlushEnd && starts.TryGetValue(item.Number, out int start))
            {
                covered = Math.Max(covered, start);
            }
        }

        for (int i = covered; i < trace.Events.Count; i++)
        {
            TraceEvent item = trace.Events[i];
            if (item.Kind == TraceEventKind.Write && subject.RegionOf(item.Offset) == DeviceRegion.Journal)
            {
                findings.Add($"J5: operation {operation} was acknowledged while the journal write at {item.Offset} (event {i}) was not flushed");
                return;
            }
        }
    }

    /// <summary>All others, over the whole trace that began on <paramref name="origin"/>.</summary>
    public static void OnTrace(ICrashSubject subject, PageImage origin, Trace trace, List<string> findings)
    {
        OnHomeWrites(subject, origin, trace, findings);
        OnOrder(subject, trace, findings);
    }

    /// <summary>J1 and J6.</summary>
    private static void OnHomeWrites(ICrashSubject subject, PageImage origin, Trace trace, List<string> findings)
    {
        using var inPlace = new InPlaceRule(subject, origin);
        HashSet<ulong> flushed = JournalPages(subject, origin);
        var pending = new List<(int Event, ulong Hash)>();
        var starts = new Dictionary<int, int>();
        int reported = 0;
        for (int i = 0; i < trace.Events.Count && reported < 5; i++)
        {
            TraceEvent item = trace.Events[i];
            switch (item.Kind)
            {
                case TraceEventKind.Write when subject.RegionOf(item.Offset) == DeviceRegion.Journal:
                    if (starts.Values.Any(start => pending.Any(write => write.Event < start)))
                    {
                        findings.Add($"J6: journal write at {item.Offset} (event {i}) during the flush of an earlier one");
                        reported++;
                    }

                    foreach (ReadOnlyMemory<byte> page in Pages(item.Data))
                    {
                        pending.Add((i, XxHash3.HashToUInt64(page.Span)));
                    }

                    break;
                case TraceEventKind.Write when subject.RegionOf(item.Offset) == DeviceRegion.Blocks:
                    reported += HomeWrite(item, i, flushed, subject.JournalsEverything ? null : inPlace, findings) ? 0 : 1;
                    break;
                case TraceEventKind.FlushStart:
                    starts[item.Number] = i;
                    break;
                case TraceEventKind.FlushEnd when starts.Remove(item.Number, out int start):
                    flushed.UnionWith(pending.Where(write => write.Event < start).Select(write => write.Hash));
                    pending.RemoveAll(write => write.Event < start);
                    inPlace.Flushed(trace.Events, start);
                    break;
                default:
                    break;
            }
        }
    }

    /// <summary>What the journal holds already when recording begins.</summary>
    private static HashSet<ulong> JournalPages(ICrashSubject subject, PageImage image)
    {
        var hashes = new HashSet<ulong>();
        for (int page = 0; page < image.PageCount; page++)
        {
            if (subject.RegionOf((long)page * PageImage.PageSize) == DeviceRegion.Journal)
            {
                hashes.Add(XxHash3.HashToUInt64(image.Page(page)));
            }
        }

        return hashes;
    }

    private static bool HomeWrite(in TraceEvent write, int index, HashSet<ulong> flushed, InPlaceRule? inPlace, List<string> findings)
    {
        int page = 0;
        foreach (ReadOnlyMemory<byte> content in Pages(write.Data))
        {
            long offset = write.Offset + (page * (long)PageImage.PageSize);
            if (!flushed.Contains(XxHash3.HashToUInt64(content.Span)) && inPlace?.MayWrite(offset) != true)
            {
                findings.Add($"J1: block at {offset} went home (event {index}) before a flushed journal copy of it");
                return false;
            }

            page++;
        }

        return true;
    }

    private static IEnumerable<ReadOnlyMemory<byte>> Pages(ReadOnlyMemory<byte> data)
    {
        for (int start = 0; start < data.Length; start += PageImage.PageSize)
        {
            yield return data.Slice(start, Math.Min(PageImage.PageSize, data.Length - start));
        }
    }
}
