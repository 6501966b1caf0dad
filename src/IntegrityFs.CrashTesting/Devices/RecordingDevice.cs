// Promise: passes every call on and records it after it succeeded. A write is recorded before any flush that could
// cover it starts, because both take the same gate; a failed call leaves no "done" event.
using IntegrityFs.Device;

namespace IntegrityFs.CrashTesting;

/// <summary>A device that records the writes and flushes that go through it to another device.</summary>
public sealed class RecordingDevice(IDevice inner, Trace trace) : IDevice
{
    private readonly Lock _gate = new();

    /// <summary>What was recorded.</summary>
    public Trace Trace { get; } = trace;

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
            Trace.Write(offset, data.ToArray());
        }
    }

    /// <inheritdoc/>
    public unsafe void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        lock (_gate)
        {
            inner.WriteGather(offset, segments);
            int length = 0;
            foreach (IoSegment segment in segments)
            {
                length = checked(length + segment.Length);
            }

            byte[] data = new byte[length];
            Span<byte> rest = data;
            foreach (IoSegment segment in segments)
            {
                new ReadOnlySpan<byte>((void*)segment.Address, segment.Length).CopyTo(rest);
                rest = rest[segment.Length..];
            }

            Trace.Write(offset, data);
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        int number;
        lock (_gate)
        {
            number = Trace.StartFlush();
        }

        inner.Flush();
        Trace.EndFlush(number);
    }

    /// <inheritdoc/>
    public void Dispose() => inner.Dispose();
}
