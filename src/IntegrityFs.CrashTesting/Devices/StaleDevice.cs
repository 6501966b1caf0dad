// Promise: remembers what each page held before its last write, and gives exactly the planned read that older content.
using IntegrityFs.Device;

namespace IntegrityFs.CrashTesting;

/// <summary>A device of which one read (or every one from it on) shows older content, as from a cache that was not
/// invalidated.</summary>
internal sealed class StaleDevice(IDevice inner, int number, bool sticky) : IDevice
{
    private readonly Dictionary<long, byte[]> _older = [];
    private readonly Lock _gate = new();
    private int _reads;

    public bool Armed { get; set; }

    public int Happened { get; private set; }

    public long Length => inner.Length;

    public int SectorSize => inner.SectorSize;

    public bool IsReadOnly => inner.IsReadOnly;

    public string Name => inner.Name;

    public void Read(long offset, Span<byte> buffer)
    {
        inner.Read(offset, buffer);
        lock (_gate)
        {
            if (!Armed)
            {
                return;
            }

            int now = _reads++;
            if (now == number || (sticky && now > number))
            {
                Overlay(offset, buffer);
            }
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            for (long page = offset / PageImage.PageSize; page * PageImage.PageSize < offset + data.Length; page++)
            {
                byte[] before = new byte[PageImage.PageSize];
                inner.Read(page * PageImage.PageSize, before);
                _older[page] = before;
            }

            inner.Write(offset, data);
        }
    }

    public unsafe void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        foreach (IoSegment segment in segments)
        {
            Write(offset, new ReadOnlySpan<byte>((void*)segment.Address, segment.Length));
            offset += segment.Length;
        }
    }

    public void Flush() => inner.Flush();

    public void Dispose() => inner.Dispose();

    private void Overlay(long offset, Span<byte> buffer)
    {
        for (int done = 0; done < buffer.Length;)
        {
            long at = offset + done;
            int within = (int)(at % PageImage.PageSize);
            int count = Math.Min(PageImage.PageSize - within, buffer.Length - done);
            if (_older.TryGetValue(at / PageImage.PageSize, out byte[]? older))
            {
                Happened++;
                older.AsSpan(within, count).CopyTo(buffer[done..]);
            }

            done += count;
        }
    }
}
