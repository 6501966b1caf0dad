// Promise: passes every call on. When a commit has written content in place and is about to write its record, a whole
// checkpoint runs first: the moment that the background thread of a mount may choose, made to happen every time.
using IntegrityFs.Device;

namespace IntegrityFs.CrashTesting;

/// <summary>A device that lets a checkpoint happen between the two halves of a commit.</summary>
internal sealed class CheckpointBetween(IDevice inner, ICrashSubject subject, Action checkpoint) : IDevice
{
    private bool _inPlace;
    private bool _inside;

    /// <summary>Checkpoints that were put in.</summary>
    public int Happened { get; private set; }

    /// <summary>Off while the set-up runs.</summary>
    public bool Armed { get; set; }

    public long Length => inner.Length;

    public int SectorSize => inner.SectorSize;

    public bool IsReadOnly => inner.IsReadOnly;

    public string Name => inner.Name;

    public void Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        Before(offset);
        inner.Write(offset, data);
    }

    public void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        Before(offset);
        inner.WriteGather(offset, segments);
    }

    public void Flush() => inner.Flush();

    public void Dispose() => inner.Dispose();

    /// <summary>Content that goes home right before a journal write went there in place: what a checkpoint brings home is
    /// followed by a header.</summary>
    private void Before(long offset)
    {
        DeviceRegion? region = subject.RegionOf(offset);
        if (Armed && !_inside && _inPlace && region == DeviceRegion.Journal)
        {
            _inside = true;
            checkpoint();
            _inside = false;
            Happened++;
        }

        _inPlace = region == DeviceRegion.Blocks;
    }
}
