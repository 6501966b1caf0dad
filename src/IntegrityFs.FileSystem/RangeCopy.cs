// Promise: copy_file_range(2) copies what the source holds when each piece is read; pieces are operations of their own. A
// hole of the source becomes a hole of the target. One call does a bounded amount and reports it, so that a request of any
// length ends in reasonable time; the caller asks again for the rest.
using System.Buffers;
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>copy_file_range(2).</summary>
internal sealed class RangeCopy(FileSystemContext context, FileContent content)
{
    private const int PieceLength = 1 << 20;
    private const long MaxDataPerCall = 64L << 20;

    private readonly ICatalog _catalog = context.Catalog;

    public Errno Copy(InodeNumber source, long sourceOffset, InodeNumber target, long targetOffset, long length, out long copied)
    {
        copied = 0;
        if (sourceOffset < 0 || targetOffset < 0 || length < 0)
        {
            return Errno.EINVAL;
        }

        Errno error = CheckBoth(source, target, out InodeRecord from);
        if (error != Errno.OK)
        {
            return error;
        }

        if (length > long.MaxValue - sourceOffset || length > long.MaxValue - targetOffset)
        {
            return Errno.EOVERFLOW;
        }

        // Only what there is to copy may not overlap.
        length = Math.Min(length, Math.Max(0, from.Size - sourceOffset));
        if (length == 0)
        {
            return Errno.OK;
        }

        if (source == target && sourceOffset < targetOffset + length && targetOffset < sourceOffset + length)
        {
            return Errno.EINVAL;
        }

        if (targetOffset >= _catalog.MaxFileSize)
        {
            return Errno.EFBIG;
        }

        length = Math.Min(length, _catalog.MaxFileSize - targetOffset);
        error = CopyPieces(source, sourceOffset, target, targetOffset, length, ref copied);
        return copied > 0 ? Errno.OK : error;
    }

    /// <summary>A directory on either side is EISDIR, before EINVAL for anything else that is no regular file.</summary>
    private Errno CheckBoth(InodeNumber source, InodeNumber target, out InodeRecord from)
    {
        Errno first = content.CheckRegular(source, Errno.EINVAL, out from);
        if (first is not (Errno.OK or Errno.EINVAL))
        {
            return first;
        }

        Errno second = content.CheckRegular(target, Errno.EINVAL, out _);
        return second == Errno.OK ? first : second;
    }

    private Errno CopyPieces(InodeNumber source, long sourceOffset, InodeNumber target, long targetOffset, long length, ref long copied)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(PieceLength);
        try
        {
            long data = 0;
            while (copied < length && data < MaxDataPerCall)
            {
                long from = sourceOffset + copied;
                Errno error = FindHole(source, from, length - copied, out long hole);
                int read = 0;
                if (error == Errno.OK && hole == 0)
                {
                    error = ReadPiece(source, from, buffer.AsSpan(0, (int)Math.Min(PieceLength, length - copied)), out read);
                }

                if (error != Errno.OK || (hole == 0 && read == 0))
                {
                    return error;
                }

                error = hole > 0
                    ? CopyHole(target, targetOffset + copied, hole, out long done)
                    : WritePiece(target, targetOffset + copied, buffer.AsSpan(0, read), out done);
                copied += done;
                data += read;
                if (error != Errno.OK)
                {
                    return error;
                }
            }

            return Errno.OK;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Length of the hole at an offset, 0 where data begins.</summary>
    private Errno FindHole(InodeNumber source, long offset, long length, out long hole)
    {
        hole = 0;
        using CatalogReadScope scope = _catalog.EnterRead();
        if (!_catalog.TryGetInode(source, out InodeRecord record))
        {
            return Errno.ENOENT;
        }

        if (offset >= record.Size)
        {
            return Errno.OK;
        }

        length = Math.Min(length, record.Size - offset);
        Errno error = _catalog.SeekContent(source, record, offset, hole: false, out long data);
        if (error == Errno.ENXIO)
        {
            hole = length;
            return Errno.OK;
        }

        hole = error == Errno.OK ? Math.Min(length, data - offset) : 0;
        return error;
    }

    /// <summary>Reads up to the next hole, so that a hole is not copied as zeroes.</summary>
    private Errno ReadPiece(InodeNumber source, long offset, Span<byte> buffer, out int read)
    {
        read = 0;
        using CatalogReadScope scope = _catalog.EnterRead();
        if (!_catalog.TryGetInode(source, out InodeRecord record))
        {
            return Errno.ENOENT;
        }

        if (offset >= record.Size)
        {
            return Errno.OK;
        }

        if (_catalog.SeekContent(source, record, offset, hole: true, out long end) == Errno.OK && end > offset)
        {
            buffer = buffer[..(int)Math.Min(buffer.Length, end - offset)];
        }

        read = _catalog.ReadContent(source, record, offset, buffer);
        return Errno.OK;
    }

    private Errno WritePiece(InodeNumber target, long offset, ReadOnlySpan<byte> data, out long done)
    {
        Errno error = _catalog.WriteContent(target, offset, data, new ContentChange(context.Now(), 0, false), out int written);
        done = written;
        return error;
    }

    /// <summary>Punches what the target has there, and grows it where the hole ends behind its end.</summary>
    private Errno CopyHole(InodeNumber target, long offset, long length, out long done)
    {
        done = 0;
        Errno error = content.CheckRegular(target, Errno.EINVAL, out InodeRecord record);
        ContentChange change = new(context.Now(), 0, false);
        if (error == Errno.OK && offset < record.Size)
        {
            error = _catalog.Allocate(target, offset, Math.Min(length, record.Size - offset), AllocateMode.PunchHole, change);
        }

        if (error == Errno.OK && offset + length > record.Size)
        {
            error = _catalog.Truncate(target, offset + length, change);
        }

        done = error == Errno.OK ? length : 0;
        return error;
    }
}
