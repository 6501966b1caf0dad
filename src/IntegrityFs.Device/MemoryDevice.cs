// A device in memory, as strict about sectors, bounds and modes as a real one, and without any failure of its own.
// Memory is taken only for the parts that were written, so a test may format a device of terabytes.
using IntegrityFs.Format;

namespace IntegrityFs.Device;

/// <summary>A device in memory, for tests. Its bytes may be read and changed behind the back of its user.</summary>
public sealed class MemoryDevice : IDevice
{
    private const long WholeLimit = 1L << 30;
    private const int PieceBytes = 1 << 24;

    private readonly byte[]?[] _pieces;
    private readonly int _pieceBytes;
    private readonly Lock _lock = new();
    private long _flushes;

    /// <summary>A device of <paramref name="length"/> zero bytes.</summary>
    /// <param name="length">Bytes, rounded down to sectors.</param>
    /// <param name="sectorSize">512, 1024, 2048 or 4096.</param>
    /// <param name="readOnly">Refuse writes.</param>
    /// <param name="name">For messages.</param>
    public MemoryDevice(long length, int sectorSize = 512, bool readOnly = false, string name = "memory")
    {
        if (!int.IsPow2(sectorSize) || sectorSize is < 512 or > 4096)
        {
            throw new ArgumentOutOfRangeException(nameof(sectorSize));
        }

        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Length = length & -(long)sectorSize;
        SectorSize = sectorSize;
        IsReadOnly = readOnly;
        Name = name;
        _pieceBytes = Length <= WholeLimit ? (int)Math.Max(Length, sectorSize) : PieceBytes;
        _pieces = new byte[]?[(Length + _pieceBytes - 1) / _pieceBytes];
    }

    /// <inheritdoc/>
    public long Length { get; }

    /// <inheritdoc/>
    public int SectorSize { get; }

    /// <inheritdoc/>
    public bool IsReadOnly { get; }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>How often <see cref="Flush"/> was called.</summary>
    public long FlushCount => Interlocked.Read(ref _flushes);

    /// <summary>All bytes, of a device of at most 1 GiB.</summary>
    public Span<byte> Bytes => Length <= WholeLimit
        ? (Length == 0 ? default : Piece(0))
        : throw new InvalidOperationException("too large to be seen as one piece; use Slice");

    /// <summary>One byte.</summary>
    public ref byte this[long offset] => ref Piece(checked((int)(offset / _pieceBytes)))[(int)(offset % _pieceBytes)];

    /// <summary>A device that holds a copy of <paramref name="bytes"/>.</summary>
    public static MemoryDevice FromBytes(ReadOnlySpan<byte> bytes, int sectorSize = 512, bool readOnly = false)
    {
        var device = new MemoryDevice(bytes.Length, sectorSize, readOnly);
        bytes[..(int)device.Length].CopyTo(device.Bytes);
        return device;
    }

    /// <summary>A view of some bytes; on a device of more than 1 GiB it must not cross a multiple of 16 MiB.</summary>
    public Span<byte> Slice(long offset, int length) =>
        Piece(checked((int)(offset / _pieceBytes))).AsSpan((int)(offset % _pieceBytes), length);

    /// <summary>An independent copy, as of now.</summary>
    public MemoryDevice Clone(bool readOnly = false)
    {
        var copy = new MemoryDevice(Length, SectorSize, readOnly, Name);
        for (int i = 0; i < _pieces.Length; i++)
        {
            copy._pieces[i] = (byte[]?)_pieces[i]?.Clone();
        }

        return copy;
    }

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> buffer)
    {
        DeviceGuard.Check(this, DeviceOperation.Read, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            int within = (int)(offset % _pieceBytes);
            int step = Math.Min(buffer.Length, _pieceBytes - within);
            byte[]? piece = Volatile.Read(ref _pieces[offset / _pieceBytes]);
            if (piece is null)
            {
                buffer[..step].Clear();
            }
            else
            {
                piece.AsSpan(within, step).CopyTo(buffer);
            }

            offset += step;
            buffer = buffer[step..];
        }
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        DeviceGuard.CheckWritable(this, offset);
        DeviceGuard.Check(this, DeviceOperation.Write, offset, data.Length);
        while (!data.IsEmpty)
        {
            int within = (int)(offset % _pieceBytes);
            int step = Math.Min(data.Length, _pieceBytes - within);
            data[..step].CopyTo(Piece((int)(offset / _pieceBytes)).AsSpan(within));
            offset += step;
            data = data[step..];
        }
    }

    /// <inheritdoc/>
    public unsafe void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        DeviceGuard.CheckWritable(this, offset);
        DeviceGuard.Check(this, DeviceOperation.Write, offset, DeviceGuard.TotalLength(this, segments));
        foreach (IoSegment segment in segments)
        {
            Write(offset, new ReadOnlySpan<byte>((void*)segment.Address, segment.Length));
            offset += segment.Length;
        }
    }

    /// <inheritdoc/>
    public void Flush() => Interlocked.Increment(ref _flushes);

    /// <summary>Does nothing: the bytes stay readable for the test.</summary>
    public void Dispose()
    {
    }

    private byte[] Piece(int index)
    {
        byte[]? piece = Volatile.Read(ref _pieces[index]);
        if (piece is null)
        {
            lock (_lock)
            {
                piece = _pieces[index];
                if (piece is null)
                {
                    piece = new byte[_pieceBytes];
                    Volatile.Write(ref _pieces[index], piece);
                }
            }
        }

        return piece;
    }
}
