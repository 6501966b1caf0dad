using IntegrityFs.Catalog.Content;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>Small reads of content that one thread has under way at once.</summary>
public sealed class CatalogReadQueue : IDisposable
{
    /// <summary>Longest read in bytes.</summary>
    public const int Longest = VolumeReadQueue.Longest;

    private readonly FileContent _content;
    private readonly VolumeReadQueue _queue;
    private readonly int[] _counts;

    internal CatalogReadQueue(FileContent content, VolumeReadQueue queue, int capacity)
    {
        _content = content;
        _queue = queue;
        _counts = new int[capacity];
    }

    /// <summary>Inside a scope: begins to read content.</summary>
    /// <param name="number">0 to the capacity − 1, not in use.</param>
    /// <param name="inode">Whose content.</param>
    /// <param name="record">What is known of it.</param>
    /// <param name="offset">Bytes from its beginning, inside the file.</param>
    /// <param name="memory">Takes <paramref name="length"/> bytes, until the read has ended.</param>
    /// <param name="length">Bytes wanted, at most <see cref="Longest"/>; what lies behind the end of the file is not read.</param>
    /// <returns>False where nothing has begun: <see cref="ICatalog.ReadContent"/> reads.</returns>
    public bool TryBegin(int number, InodeNumber inode, in InodeRecord record, long offset, nint memory, int length) =>
        _content.TryBegin(_queue, number, inode, record, offset, memory, length, out _counts[number]);

    /// <summary>Leaves to the device what has begun.</summary>
    public void Submit() => _queue.Submit();

    /// <summary>Takes reads that have ended; returns how many.</summary>
    /// <param name="ended">Gets them; not in a scope.</param>
    /// <param name="wait">Sleep until there is one, where one is under way.</param>
    public int Take(Span<EndedRead> ended, bool wait)
    {
        int count = _queue.Take(ended, wait);
        foreach (ref EndedRead end in ended[..count])
        {
            end = end with { Bytes = Math.Min(end.Bytes, _counts[end.Number]) };
        }

        return count;
    }

    /// <inheritdoc/>
    public void Dispose() => _queue.Dispose();
}
