// What a file is, said with arrays: its bytes, and of each block whether it is a hole, reserved or written.
using IntegrityFs.Catalog.Content;

namespace IntegrityFs.Catalog.Tests.Content;

internal sealed class ContentModel(int blockSize, int inlineLimit, int capacityBlocks)
{
    private readonly SegmentKind[] _blocks = new SegmentKind[capacityBlocks];

    public byte[] Data { get; } = new byte[blockSize * capacityBlocks];

    public long Size { get; private set; }

    /// <summary>Bytes of the inline item.</summary>
    public int Inline { get; private set; }

    public long Blocks => _blocks.Count(b => b != SegmentKind.Hole);

    public SegmentKind this[int block] => _blocks[block];

    public void Write(int offset, ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
        {
            return;
        }

        int end = offset + data.Length;
        if (Blocks == 0 && end <= inlineLimit)
        {
            Inline = Math.Max(Inline, end);
        }
        else
        {
            if (offset == 0 && data.Length >= Inline)
            {
                Inline = 0;
            }

            MoveInline();
            Set(offset / blockSize, Up(end), SegmentKind.Written);
        }

        data.CopyTo(Data.AsSpan(offset));
        Size = Math.Max(Size, end);
    }

    public void Truncate(int size)
    {
        if (size <= Size)
        {
            Data.AsSpan(size).Clear();
            Inline = Math.Min(Inline, size);
            Set(Up(size), _blocks.Length, SegmentKind.Hole);
        }

        Size = size;
    }

    public void Allocate(int offset, int end, AllocateMode mode)
    {
        bool zero = mode is AllocateMode.ZeroRange or AllocateMode.ZeroRangeKeepSize;
        int endWhole = end >= Size ? Up(end) : end / blockSize;
        if (mode == AllocateMode.PunchHole)
        {
            Data.AsSpan(offset, end - offset).Clear();
            if (Blocks > 0)
            {
                Set(Up(offset), endWhole, SegmentKind.Hole);
            }
            else if (end >= Inline)
            {
                Inline = Math.Min(Inline, offset);
            }

            return;
        }

        MoveInline();
        for (int b = offset / blockSize; b < Up(end); b++)
        {
            bool whole = b >= Up(offset) && b < endWhole;
            if (_blocks[b] == SegmentKind.Hole || (zero && whole))
            {
                _blocks[b] = SegmentKind.Unwritten;
            }
        }

        if (zero)
        {
            Data.AsSpan(offset, end - offset).Clear();
        }

        if (mode is AllocateMode.Extend or AllocateMode.ZeroRange)
        {
            Size = Math.Max(Size, end);
        }
    }

    public long? Seek(long offset, bool hole)
    {
        for (long position = offset; position < Size; position = ((position / blockSize) + 1) * blockSize)
        {
            int block = (int)(position / blockSize);
            bool isData = _blocks[block] == SegmentKind.Written || (block == 0 && Inline > 0);
            if (isData != hole)
            {
                return position;
            }
        }

        return hole && offset < Size ? Size : null;
    }

    /// <summary>After an operation that failed half-way: takes over which blocks there are, and of the range
    /// [offset, end) the bytes that have become zero.</summary>
    public void TakeOver(ContentFixture fixture, IntegrityFs.Format.InodeNumber inode, int offset, int end)
    {
        Array.Clear(_blocks);
        foreach (FileExtent extent in fixture.Extents(inode))
        {
            Set((int)extent.FileBlock, (int)extent.End, extent.Unwritten ? SegmentKind.Unwritten : SegmentKind.Written);
        }

        Inline = Blocks == 0 ? Inline : 0;
        byte[] now = fixture.Read(inode, 0, Data.Length);
        for (int i = offset; i < Math.Min(end, now.Length); i++)
        {
            Data[i] = now[i] == 0 ? (byte)0 : Data[i];
        }
    }

    private int Up(int offset) => (offset + blockSize - 1) / blockSize;

    private void MoveInline()
    {
        if (Inline > 0)
        {
            _blocks[0] = SegmentKind.Written;
            Inline = 0;
        }
    }

    private void Set(int from, int end, SegmentKind kind)
    {
        for (int b = from; b < end; b++)
        {
            _blocks[b] = kind;
        }
    }
}
