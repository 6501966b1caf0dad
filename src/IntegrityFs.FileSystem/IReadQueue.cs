using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>Small reads of file content that one thread has under way at once. Whatever does not go well ends as one that
/// the ordinary call is to do again: errors are its to tell. One thread at a time.</summary>
public interface IReadQueue : IDisposable
{
    /// <summary>Begins a read. False where nothing has begun: <see cref="IFileSystem.Read"/> is to be called.</summary>
    /// <param name="number">0 to the capacity − 1, not in use.</param>
    /// <param name="handle">From <see cref="IFileSystem.Open"/>.</param>
    /// <param name="inode">Its inode.</param>
    /// <param name="offset">Bytes from the file's beginning.</param>
    /// <param name="memory">Does not move, and is left alone until the read has ended.</param>
    /// <param name="length">Bytes wanted.</param>
    bool TryBegin(int number, ulong handle, InodeNumber inode, long offset, nint memory, int length);

    /// <summary>Leaves to the device what has begun.</summary>
    void Submit();

    /// <summary>Takes reads that have ended; returns how many.</summary>
    /// <param name="ended">Gets them.</param>
    /// <param name="wait">Sleep until there is one, where one is under way.</param>
    int Take(Span<EndedRead> ended, bool wait);
}
