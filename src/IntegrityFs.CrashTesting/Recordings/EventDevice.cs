// Promise: passes every call on and records it after it succeeded; a write is recorded before any flush that could cover
// it starts, because both take the same gate.
using System.Runtime.InteropServices;
using IntegrityFs.Device;

namespace IntegrityFs.CrashTesting;

/// <summary>A device whose writes and flushes go to an event sink, too.</summary>
public sealed class EventDevice(IDevice inner, IEventSink sink) : IDevice
{
    private readonly Lock _gate = new();
    private int _flushes;

    /// <inheritdoc/>
    public long Length => inner.Length;

    /// <inheritdoc/>
    public int SectorSize => inner.SectorSize;

    /// <inheritdoc/>
    public bool IsReadOnly => inner.IsReadOnly;

    /// <inheritdoc/>
    public string Name => inner.Name;

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            inner.Write(offset, data);
            sink.Append(new RecordingEvent(RecordingEventKind.Write, Offset: offset, Data: data.ToArray()));
        }
    }

    /// <inheritdoc/>
    public void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        int length = 0;
        foreach (IoSegment segment in segments)
        {
            length = checked(length + segment.Length);
        }

        byte[] data = new byte[length];
        int at = 0;
        foreach (IoSegment segment in segments)
        {
            Marshal.Copy(segment.Address, data, at, segment.Length);
            at += segment.Length;
        }

        lock (_gate)
        {
            inner.WriteGather(offset, segments);
            sink.Append(new RecordingEvent(RecordingEventKind.Write, Offset: offset, Data: data));
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        int number;
        lock (_gate)
        {
            number = _flushes++;
            sink.Append(new RecordingEvent(RecordingEventKind.FlushStart, Number: number));
        }

        inner.Flush();
        sink.Append(new RecordingEvent(RecordingEventKind.FlushEnd, Number: number));
    }

    /// <inheritdoc/>
    public void Dispose() => inner.Dispose();
}
