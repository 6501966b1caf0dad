// Promise: as RequestRecorder.cs says; requests that leave no trace are passed on.
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <content>Requests that only read.</content>
public sealed partial class RequestRecorder
{
    /// <inheritdoc/>
    public Errno Lookup(InodeNumber parent, ReadOnlySpan<byte> name, out Attributes attributes) => inner.Lookup(parent, name, out attributes);

    /// <inheritdoc/>
    public void Forget(InodeNumber inode, ulong count) => inner.Forget(inode, count);

    /// <inheritdoc/>
    public Errno GetAttributes(InodeNumber inode, out Attributes attributes) => inner.GetAttributes(inode, out attributes);

    /// <inheritdoc/>
    public Errno ReadLink(InodeNumber inode, Span<byte> target, out int length) => inner.ReadLink(inode, target, out length);

    /// <inheritdoc/>
    public Errno Read(ulong handle, InodeNumber inode, long offset, Span<byte> buffer, out int read) => inner.Read(handle, inode, offset, buffer, out read);

    /// <inheritdoc/>
    public Errno Flush(ulong handle, InodeNumber inode) => inner.Flush(handle, inode);

    /// <inheritdoc/>
    public Errno ReadDirectory(InodeNumber directory, ulong cookie, bool withAttributes, IDirectorySink sink) => inner.ReadDirectory(directory, cookie, withAttributes, sink);

    /// <inheritdoc/>
    public Errno GetStatistics(out FileSystemStatistics statistics) => inner.GetStatistics(out statistics);

    /// <inheritdoc/>
    public Errno GetXattr(InodeNumber inode, ReadOnlySpan<byte> name, Span<byte> value, out int length) => inner.GetXattr(inode, name, value, out length);

    /// <inheritdoc/>
    public Errno ListXattr(InodeNumber inode, Span<byte> names, out int length) => inner.ListXattr(inode, names, out length);

    /// <inheritdoc/>
    public Errno Seek(InodeNumber inode, long offset, bool hole, out long result) => inner.Seek(inode, offset, hole, out result);

    /// <inheritdoc/>
    public void Destroy() => inner.Destroy();
}
