// Reading content and looking for data and holes. Whole blocks go from the volume straight into the caller's memory, as
// one run for each extent; a block that is wanted in part is leased from the volume's cache. Holes and unwritten blocks
// are zeroes that no block was read for. Nothing is allocated, and nothing is shared between readers.

using System.Runtime.CompilerServices;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Content;

/// <summary>Reads content; inside a scope.</summary>
internal sealed class ContentReader(IVolume volume, ICatalogTree tree, ExtentMap map)
{
    /// <summary>Files of so many blocks are read together with what lies beside them: files that were written together
    /// lie together, and are often read together.</summary>
    private const int SmallFileBlocks = 8;

    /// <summary>Fills <paramref name="buffer"/> from <paramref name="offset"/> up to the end of the file; returns the
    /// bytes read. Memory of the buffer behind them may be used.</summary>
    public int Read(InodeNumber inode, in InodeRecord record, long offset, Span<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        int count = (int)Math.Min(buffer.Length, record.Size - offset);
        if (count <= 0)
        {
            return 0;
        }

        if (record.Blocks == 0)
        {
            ReadInline(inode, offset, buffer[..count]);
            return count;
        }

        long end = offset + count;
        var walk = new SegmentWalk(map, inode, offset / volume.BlockSize, ((end - 1) / volume.BlockSize) + 1);
        while (walk.MoveNext())
        {
            Segment segment = walk.Current;
            long from = Math.Max(offset, segment.First * volume.BlockSize);
            long to = segment.End * volume.BlockSize;
            if (segment.Kind == SegmentKind.Written)
            {
                // The memory behind the end of the file takes the rest of the last block, where there is enough of it.
                bool small = record.Blocks <= SmallFileBlocks;
                ReadExtent(segment.Extent, from, Math.Min(end, to), buffer[(int)(from - offset)..], small);
            }
            else
            {
                buffer.Slice((int)(from - offset), (int)(Math.Min(end, to) - from)).Clear();
            }
        }

        return count;
    }

    /// <summary>Begins to read whole blocks of one extent by a queue; false where that is not what is wanted, or cannot be.
    /// Small files go the ordinary way, which brings their neighbours along.</summary>
    public bool TryBegin(VolumeReadQueue queue, int number, InodeNumber inode, in InodeRecord record, long offset, nint memory, int length, out int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        int blockSize = volume.BlockSize;
        count = (int)Math.Min(length, record.Size - offset);
        if (count <= 0 || record.Blocks <= SmallFileBlocks || offset % blockSize != 0 || length % blockSize != 0)
        {
            return false;
        }

        long first = offset / blockSize;
        long end = ((offset + count - 1) / blockSize) + 1;
        var walk = new SegmentWalk(map, inode, first, end);
        return walk.MoveNext() && walk.Current.Kind == SegmentKind.Written && walk.Current.End >= end
            && queue.TryBegin(number, walk.Current.Extent.Run(first, end), memory);
    }

    /// <summary>lseek(2) SEEK_DATA and SEEK_HOLE.</summary>
    public Errno Seek(InodeNumber inode, in InodeRecord record, long offset, bool hole, out long result)
    {
        result = 0;
        if (offset < 0 || offset >= record.Size)
        {
            return Errno.ENXIO;
        }

        return record.Blocks == 0
            ? SeekInline(inode, record.Size, offset, hole, out result)
            : SeekExtents(inode, record.Size, offset, hole, out result);
    }

    /// <summary>Bytes of inline content; 0 where there is none. <paramref name="value"/> takes it and holds at least the
    /// tree's longest value.</summary>
    public int GetInline(InodeNumber inode, Span<byte> value)
    {
        if (!tree.TryGet(InlineKey(inode), value, out int length))
        {
            return 0;
        }

        return length is > 0 and <= InlineLayout.MaxLength
            ? length
            : throw new CorruptFormatException($"inline content of inode {inode}: {length} bytes");
    }

    public static CatalogKey InlineKey(InodeNumber inode) => new(inode.Value, ItemKind.Inline, 0);

    private void ReadExtent(in FileExtent extent, long from, long to, Span<byte> buffer, bool small)
    {
        int blockSize = volume.BlockSize;
        long position = from;
        int done = 0;
        int skip = (int)(position % blockSize);
        if (skip != 0)
        {
            done = (int)Math.Min(blockSize - skip, to - position);
            ReadPart(extent, position, buffer[..done]);
            position += done;
        }

        int whole = (int)((to - position) / blockSize);
        int rest = (int)((to - position) % blockSize);
        if (rest != 0 && buffer.Length - done >= (whole + 1L) * blockSize)
        {
            whole++;
            rest = 0;
        }

        if (whole != 0)
        {
            long first = position / blockSize;
            volume.ReadData(extent.Run(first, first + whole), buffer.Slice(done, whole * blockSize), small);
            position += (long)whole * blockSize;
            done += whole * blockSize;
        }

        if (rest != 0 && position < to)
        {
            ReadPart(extent, position, buffer.Slice(done, rest));
        }
    }

    private void ReadPart(in FileExtent extent, long position, Span<byte> destination)
    {
        long block = position / volume.BlockSize;
        using BlockLease lease = volume.Read(extent.Start + (block - extent.FileBlock), BlockPurpose.Data);
        lease.Span.Slice((int)(position % volume.BlockSize), destination.Length).CopyTo(destination);
    }

    [SkipLocalsInit]
    private void ReadInline(InodeNumber inode, long offset, Span<byte> destination)
    {
        Span<byte> value = stackalloc byte[tree.MaxValueLength];
        int length = GetInline(inode, value);
        int from = (int)Math.Min(offset, length);
        int copied = Math.Min(length - from, destination.Length);
        value.Slice(from, copied).CopyTo(destination);
        destination[copied..].Clear();
    }

    [SkipLocalsInit]
    private Errno SeekInline(InodeNumber inode, long size, long offset, bool hole, out long result)
    {
        Span<byte> value = stackalloc byte[tree.MaxValueLength];
        long dataEnd = GetInline(inode, value) == 0 ? 0 : Math.Min(volume.BlockSize, size);
        if (hole)
        {
            result = Math.Max(offset, dataEnd);
            return Errno.OK;
        }

        result = offset;
        return offset < dataEnd ? Errno.OK : Errno.ENXIO;
    }

    private Errno SeekExtents(InodeNumber inode, long size, long offset, bool hole, out long result)
    {
        var walk = new SegmentWalk(map, inode, offset / volume.BlockSize, ((size - 1) / volume.BlockSize) + 1);
        while (walk.MoveNext())
        {
            if (hole == (walk.Current.Kind != SegmentKind.Written))
            {
                result = Math.Max(offset, walk.Current.First * volume.BlockSize);
                return Errno.OK;
            }
        }

        result = size;
        return hole ? Errno.OK : Errno.ENXIO;
    }
}
