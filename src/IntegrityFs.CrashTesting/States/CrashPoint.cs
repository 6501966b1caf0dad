// Promise: for every moment at which power may fail there is a crash point whose pending units hold all writes that may
// be missing then. A write is durable only once a flush that started after it completed has returned; FUA or order
// mean nothing. Points lie just before each end of a flush (the pending set is largest there) and at the end.
namespace IntegrityFs.CrashTesting;

/// <summary>A piece of a write that lies in one 4 KiB page: the unit that reaches the medium or not, or is torn.</summary>
/// <param name="Event">Index of the write in the trace.</param>
/// <param name="Offset">Byte offset on the device.</param>
/// <param name="Data">Content.</param>
public readonly record struct WriteUnit(int Event, long Offset, ReadOnlyMemory<byte> Data)
{
    /// <summary>Sectors of 512 bytes.</summary>
    public int Sectors => Data.Length / CrashState.SectorSize;

    /// <summary>The mask of a unit that arrived whole.</summary>
    public byte Whole => (byte)((1 << Sectors) - 1);
}

/// <summary>A moment at which power may fail.</summary>
/// <param name="Number">Index of the point in its trace.</param>
/// <param name="Event">The crash comes just before this event.</param>
/// <param name="NewlyDurable">Units that became durable since the point before, in order.</param>
/// <param name="Pending">Units that may be missing or torn, in the order they were written.</param>
public sealed record CrashPoint(int Number, int Event, IReadOnlyList<WriteUnit> NewlyDurable, IReadOnlyList<WriteUnit> Pending)
{
    /// <summary>All crash points of a trace, in order.</summary>
    public static List<CrashPoint> Of(IReadOnlyList<TraceEvent> events)
    {
        ArgumentNullException.ThrowIfNull(events);
        var points = new List<CrashPoint>();
        var starts = new Dictionary<int, int>();
        var pending = new List<WriteUnit>();
        var durable = new List<WriteUnit>();
        bool changed = false;
        for (int i = 0; i < events.Count; i++)
        {
            switch (events[i].Kind)
            {
                case TraceEventKind.Write:
                    Split(events[i], i, pending);
                    changed = true;
                    break;
                case TraceEventKind.DurableWrite:
                    Split(events[i], i, pending);
                    points.Add(new CrashPoint(points.Count, i, durable, [.. pending]));
                    durable = [.. pending.Where(unit => unit.Event == i)];
                    pending.RemoveAll(unit => unit.Event == i);
                    changed = pending.Count > 0;
                    break;
                case TraceEventKind.FlushStart:
                    starts[events[i].Number] = i;
                    break;
                case TraceEventKind.FlushEnd when starts.TryGetValue(events[i].Number, out int start):
                    if (changed)
                    {
                        points.Add(new CrashPoint(points.Count, i, durable, [.. pending]));
                        durable = [];
                    }

                    durable.AddRange(pending.Where(unit => unit.Event < start));
                    pending.RemoveAll(unit => unit.Event < start);
                    changed = pending.Count > 0;
                    break;
                default:
                    break;
            }
        }

        points.Add(new CrashPoint(points.Count, events.Count, durable, [.. pending]));
        return points;
    }

    private static void Split(in TraceEvent write, int index, List<WriteUnit> units)
    {
        int done = 0;
        while (done < write.Data.Length)
        {
            long offset = write.Offset + done;
            int count = (int)Math.Min(PageImage.PageSize - (offset % PageImage.PageSize), write.Data.Length - done);
            units.Add(new WriteUnit(index, offset, write.Data.Slice(done, count)));
            done += count;
        }
    }
}
