// J2, J3 and J4: see TraceRules.cs.
using System.IO.Hashing;

namespace IntegrityFs.CrashTesting;

internal static partial class TraceRules
{
    private static void OnOrder(ICrashSubject subject, Trace trace, List<string> findings)
    {
        var order = new OrderState(findings);
        var starts = new Dictionary<int, int>();
        for (int i = 0; i < trace.Events.Count && findings.Count < 8; i++)
        {
            TraceEvent item = trace.Events[i];
            switch (item.Kind)
            {
                case TraceEventKind.Write:
                    Written(subject, order, item, i);
                    break;
                case TraceEventKind.FlushStart:
                    starts[item.Number] = i;
                    break;
                case TraceEventKind.FlushEnd when starts.Remove(item.Number, out int start):
                    order.Flushed(start, i);
                    break;
                default:
                    break;
            }
        }
    }

    private static void Written(ICrashSubject subject, OrderState order, in TraceEvent item, int index)
    {
        int page = 0;
        foreach (ReadOnlyMemory<byte> content in Pages(item.Data))
        {
            long offset = item.Offset + (page++ * (long)PageImage.PageSize);
            switch (subject.RegionOf(offset))
            {
                case DeviceRegion.Journal:
                    order.Journal(offset, XxHash3.HashToUInt64(content.Span), index);
                    break;
                case DeviceRegion.Header:
                    order.Header(offset, index);
                    break;
                case DeviceRegion.Tags:
                    order.Tag(offset, index);
                    break;
                default:
                    break;
            }
        }
    }

    /// <summary>What was written since which flush.</summary>
    private sealed class OrderState(List<string> findings)
    {
        private readonly Dictionary<long, int> _journal = [];
        private readonly Dictionary<long, (int Event, int Headers)> _tags = [];
        private readonly List<(int Event, ulong Hash)> _group = [];
        private readonly List<int> _pendingTags = [];
        private readonly List<(int Event, long Offset)> _pendingHeaders = [];
        private int _flushedHeader = -1;
        private int _headers;

        public void Journal(long offset, ulong hash, int index)
        {
            if (_journal.TryGetValue(offset, out int before) && _flushedHeader < before)
            {
                findings.Add($"J3: the journal block at {offset}, written in event {before}, is written again (event {index}) and no header was made durable between");
            }

            _journal[offset] = index;
            _group.Add((index, hash));
        }

        public void Header(long offset, int index)
        {
            if (_pendingTags.Count > 0)
            {
                findings.Add($"J4: the header at {offset} was written (event {index}) before the tag node of event {_pendingTags[0]} was flushed");
            }

            if (_pendingHeaders.Find(write => write.Offset != offset) is { Event: > 0 } other)
            {
                findings.Add($"J4: the header at {offset} was written (event {index}) before that at {other.Offset} (event {other.Event}) was flushed: one crash can tear both");
            }

            _pendingHeaders.Add((index, offset));
        }

        public void Tag(long offset, int index)
        {
            // One durable header since: it is the one that leads to this slot. Two: the other slot took over between.
            if (_tags.TryGetValue(offset, out (int Event, int Headers) before) && _headers - before.Headers == 1)
            {
                findings.Add($"J4: the tag node slot at {offset}, written in event {before.Event}, is written again (event {index}) under the header that leads to it");
            }

            _tags[offset] = (index, _headers);
            _pendingTags.Add(index);
        }

        public void Flushed(int start, int index)
        {
            _pendingTags.RemoveAll(write => write < start);
            int last = _pendingHeaders.FindLast(write => write.Event < start).Event;
            if (_pendingHeaders.Exists(write => write.Event < start))
            {
                _flushedHeader = last;
                _headers++;
                _pendingHeaders.RemoveAll(write => write.Event < start);
            }

            List<(int Event, ulong Hash)> group = _group.FindAll(write => write.Event < start);
            _group.RemoveAll(write => write.Event < start);
            if (group.Count > 0 && !group.Skip(1).Any(write => write.Hash == group[0].Hash))
            {
                findings.Add($"J2: what was added to the journal before the flush that ended in event {index} does not end with the record it begins with (event {group[0].Event})");
            }
        }
    }
}
