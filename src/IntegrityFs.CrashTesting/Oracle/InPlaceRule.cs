// Promise (J1 where content may go in place): a write that no flushed journal copy covers touches only blocks that are
// free in the state that a crash at this moment leaves when nothing pending arrives. That state is asked of the store
// itself, mounted read-only on an image of exactly what was flushed.
namespace IntegrityFs.CrashTesting;

/// <summary>Judges writes in place.</summary>
internal sealed class InPlaceRule(ICrashSubject subject, PageImage origin) : IDisposable
{
    private readonly PageImage _durable = new(origin.ForkForThread());
    private readonly List<int> _pending = [];
    private IMountedSubject? _mounted;
    private int _seen;

    /// <summary>A flush that started at event <paramref name="start"/> completed.</summary>
    public void Flushed(IReadOnlyList<TraceEvent> events, int start)
    {
        for (; _seen < start; _seen++)
        {
            if (events[_seen].Kind == TraceEventKind.Write)
            {
                _pending.Add(_seen);
            }
        }

        _mounted?.Dispose();
        _mounted = null;
        foreach (int index in _pending)
        {
            _durable.Write(events[index].Offset, events[index].Data.Span);
        }

        _pending.Clear();
    }

    /// <summary>True where the block at this offset is free in the durable state.</summary>
    public bool MayWrite(long offset)
    {
        _mounted ??= subject.Mount(new ImageDevice(new PageImage(_durable), readOnly: true), new ManualClock(), readOnly: true);
        return !_mounted.IsAllocated(offset);
    }

    /// <inheritdoc/>
    public void Dispose() => _mounted?.Dispose();
}
