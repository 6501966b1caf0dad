// The content of files on a tree and a volume: puts together the reader, the writer, truncation and allocation.

using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Content;

/// <summary>Content of files. <see cref="Read"/> and <see cref="Seek"/> need a scope; the others enter their own.</summary>
internal sealed class FileContent
{
    /// <summary>Largest size of a file: 2^63 − 65536, whole blocks of every size.</summary>
    public const long MaxFileSize = long.MaxValue - 65535;

    private readonly ContentReader _reader;
    private readonly ContentWriter _writer;
    private readonly ContentTruncation _truncation;
    private readonly ContentAllocation _allocation;

    public FileContent(IVolume volume, ICatalogTree tree, IContentInodes inodes)
    {
        var map = new ExtentMap(volume, tree);
        var operations = new ContentOperations(volume, tree, inodes);
        _reader = new ContentReader(volume, tree, map);
        _truncation = new ContentTruncation(volume, tree, inodes, map, operations, _reader);
        _writer = new ContentWriter(volume, tree, inodes, map, operations, _reader, _truncation);
        _allocation = new ContentAllocation(volume, tree, inodes, map, operations, _reader, _writer, _truncation);
    }

    /// <inheritdoc cref="ContentReader.Read"/>
    public int Read(InodeNumber inode, in InodeRecord record, long offset, Span<byte> buffer) =>
        _reader.Read(inode, record, offset, buffer);

    /// <inheritdoc cref="ContentReader.TryBegin"/>
    public bool TryBegin(VolumeReadQueue queue, int number, InodeNumber inode, in InodeRecord record, long offset, nint memory, int length, out int count) =>
        _reader.TryBegin(queue, number, inode, record, offset, memory, length, out count);

    /// <inheritdoc cref="ContentReader.Seek"/>
    public Errno Seek(InodeNumber inode, in InodeRecord record, long offset, bool hole, out long result) =>
        _reader.Seek(inode, record, offset, hole, out result);

    /// <inheritdoc cref="ContentWriter.Write"/>
    public Errno Write(
        InodeNumber inode, long offset, ReadOnlySpan<byte> data, in ContentChange change, out int written) =>
        _writer.Write(inode, offset, data, change, out written);

    /// <inheritdoc cref="ContentTruncation.Truncate"/>
    public Errno Truncate(InodeNumber inode, long size, in ContentChange change) =>
        _truncation.Truncate(inode, size, change);

    /// <inheritdoc cref="ContentAllocation.Allocate"/>
    public Errno Allocate(InodeNumber inode, long offset, long length, AllocateMode mode, in ContentChange change) =>
        _allocation.Allocate(inode, offset, length, mode, change);

    /// <inheritdoc cref="ContentTruncation.Destroy"/>
    public Errno Destroy(InodeNumber inode) => _truncation.Destroy(inode);

    /// <summary>Finishes the truncation that a crash interrupted. For opening a volume that may be written.</summary>
    public Errno ResumeTruncations() => _truncation.FinishPending();
}
