// Promise: the trace holds every write with its content, every start and end of a flush, and the harness' own marks, in
// one total order. A write stands where it completed; a flush that has no end was not completed.
namespace IntegrityFs.CrashTesting;

/// <summary>Kinds of trace events.</summary>
public enum TraceEventKind : byte
{
    /// <summary>A completed write.</summary>
    Write,

    /// <summary>A flush began: it covers the writes before it.</summary>
    FlushStart,

    /// <summary>The flush of that number returned without an error.</summary>
    FlushEnd,

    /// <summary>An operation was started (<see cref="TraceEvent.Number"/>: its index).</summary>
    OperationStart,

    /// <summary>An operation returned.</summary>
    OperationEnd,

    /// <summary>A successful synchronisation returned: the first <see cref="TraceEvent.Number"/> operations are durable.</summary>
    Acknowledged,

    /// <summary>A text of the caller.</summary>
    Mark,

    /// <summary>A write that was durable when it completed (FUA), whatever became of those before it.</summary>
    DurableWrite,
}

/// <summary>One event.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Offset">Byte offset of a write.</param>
/// <param name="Data">Content of a write.</param>
/// <param name="Number">Number of the flush or of the operation.</param>
/// <param name="Text">Text of a mark.</param>
public readonly record struct TraceEvent(TraceEventKind Kind, long Offset, ReadOnlyMemory<byte> Data, int Number, string? Text);

/// <summary>What happened to a device, in order.</summary>
public sealed class Trace
{
    private readonly Lock _gate = new();
    private readonly List<TraceEvent> _events = [];
    private int _flushes;

    /// <summary>The events; stable only while nobody records.</summary>
    public IReadOnlyList<TraceEvent> Events => _events;

    /// <summary>Forgets everything: what was recorded is taken for durable.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _events.Clear();
        }
    }

    /// <summary>Records a mark of the caller.</summary>
    public void Mark(string text) => Add(new TraceEvent(TraceEventKind.Mark, 0, default, 0, text));

    internal void Write(long offset, byte[] data) => Add(new TraceEvent(TraceEventKind.Write, offset, data, 0, null));

    internal void Operation(TraceEventKind kind, int number) => Add(new TraceEvent(kind, 0, default, number, null));

    internal int StartFlush()
    {
        lock (_gate)
        {
            int number = _flushes++;
            _events.Add(new TraceEvent(TraceEventKind.FlushStart, 0, default, number, null));
            return number;
        }
    }

    internal void EndFlush(int number) => Add(new TraceEvent(TraceEventKind.FlushEnd, 0, default, number, null));

    private void Add(in TraceEvent item)
    {
        lock (_gate)
        {
            _events.Add(item);
        }
    }
}
