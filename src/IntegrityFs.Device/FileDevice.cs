// FileDevice promises, over an image file or a block device:
// 1. A call returns only after the whole transfer; a short one is continued, an interrupted one repeated, and anything
//    else is a DeviceException that carries the kernel's errno and the byte offset.
// 2. Flush is fdatasync. Its failure is reported, and stays: the kernel forgets that it lost dirty pages after it has
//    told us once, so a later fdatasync would succeed without the data. After one failure every Flush fails. And it tells
//    only one of two callers at once: where the page cache is in between, one flush waits for the other.
// 3. One writer: an exclusive flock on the device (and on the image behind a loop device) is held from Open to Dispose.
//    O_EXCL is not used because the kernel itself claims the device of a fuseblk mount.
// 4. Nothing is allocated per call after the bounce buffers exist, except when more threads than buffers bounce.
using System.Runtime.CompilerServices;
using IntegrityFs.Format;
using Microsoft.Win32.SafeHandles;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Device;

/// <summary>An image file or a block device, over system calls.</summary>
public sealed unsafe class FileDevice : IDevice
{
    private const int MaxVectors = 1024;
    private const int MaxPairedSegments = 32;
    private const int MaxTransfer = 1 << 30;
    private const int MaxSectorSize = 4096;

    private readonly SafeFileHandle _handle;
    private readonly SafeFileHandle? _image;
    private readonly BouncePool? _bounce;
    private readonly PolledRead? _polled;
    private readonly PairedReads? _paired;
    private readonly int _memoryAlignment;
    private readonly Lock _flushLock = new();
    private int _flushError;

    private FileDevice(string path, FileDeviceOptions options, OpenedFile opened)
    {
        Name = path;
        IsReadOnly = options.ReadOnly;
        Length = opened.Length;
        SectorSize = opened.SectorSize;
        IsDirect = opened.Direct;
        IsBlockDevice = opened.IsBlockDevice;
        _memoryAlignment = opened.MemoryAlignment;
        _handle = opened.Handle;
        _image = opened.Image;
        _bounce = opened.Direct ? new BouncePool() : null;
        _polled = opened.Direct && options.BusyPoll ? PolledRead.TryCreate() : null;
        _paired = opened.Direct ? new PairedReads() : null;
    }

    /// <inheritdoc/>
    public long Length { get; }

    /// <inheritdoc/>
    public int SectorSize { get; }

    /// <inheritdoc/>
    public bool IsReadOnly { get; }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>True where I/O goes past the page cache; false where it was not wanted or the file system refuses.</summary>
    public bool IsDirect { get; }

    /// <summary>True for a block device, false for an image file.</summary>
    public bool IsBlockDevice { get; }

    /// <summary>Reads that were watched to their end (<see cref="FileDeviceOptions.BusyPoll"/>).</summary>
    public long PolledReads => _polled?.Watched ?? 0;

    /// <summary>Opens an existing image file or block device.</summary>
    /// <exception cref="DeviceException">It cannot be opened, is neither file nor block device, or another process uses
    /// it (<see cref="Errno.EBUSY"/>).</exception>
    public static FileDevice Open(string path, FileDeviceOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Unlocked && !options.ReadOnly)
        {
            throw new ArgumentException("only a read-only device may go without the lock", nameof(options));
        }

        return new FileDevice(path, options, OpenedFile.Open(path, options));
    }

    /// <summary>Creates an image file of <paramref name="length"/> zero bytes, readable by its owner only.</summary>
    /// <param name="path">Must not exist.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="allocate">Reserve the space now, so that a full host file system cannot fail a later write; else
    /// the file is sparse.</param>
    /// <exception cref="DeviceException">With the kernel's errno; no file is left behind.</exception>
    public static void CreateImage(string path, long length, bool allocate = false) =>
        ImageFile.Create(path, length, allocate);

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> buffer)
    {
        DeviceGuard.Check(this, DeviceOperation.Read, offset, buffer.Length);
        using var held = new HeldDescriptor(_handle);
        _polled?.Begin();
        try
        {
            ReadOne(held.Number, offset, buffer);
        }
        finally
        {
            _polled?.End();
        }
    }

    /// <inheritdoc/>
    public void ReadScatter(long offset, ReadOnlySpan<IoSegment> segments)
    {
        DeviceGuard.Check(this, DeviceOperation.Read, offset, DeviceGuard.TotalLength(this, segments));
        _polled?.Begin();
        try
        {
            MoveSegments(DeviceOperation.Read, offset, segments);
        }
        finally
        {
            _polled?.End();
        }
    }

    /// <inheritdoc/>
    public void ReadBoth(long offset, ReadOnlySpan<IoSegment> segments, long otherOffset, IoSegment other)
    {
        long length = DeviceGuard.TotalLength(this, segments);
        DeviceGuard.Check(this, DeviceOperation.Read, offset, length);
        DeviceGuard.Check(this, DeviceOperation.Read, otherOffset, other.Length);
        Span<nint> results = [AioRing.Refused, AioRing.Refused];
        _polled?.Begin();
        try
        {
            if (_paired is not null && segments.Length <= MaxPairedSegments && IsUsable(other.Address))
            {
                BeginBoth(offset, segments, length, otherOffset, other, results);
            }

            // Errors and short transfers are told by the ordinary way.
            if (results[0] != length)
            {
                MoveSegments(DeviceOperation.Read, offset, segments);
            }

            if (results[1] != other.Length)
            {
                using var held = new HeldDescriptor(_handle);
                MoveOne(DeviceOperation.Read, held.Number, otherOffset, other);
            }
        }
        finally
        {
            _polled?.End();
        }
    }

    /// <inheritdoc/>
    public ReadQueue? TryOpenReadQueue(int capacity) =>
        IsDirect && AioRing.TryCreate(capacity) is { } ring ? new ReadQueue(this, _handle, ring, _memoryAlignment) : null;

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        DeviceGuard.CheckWritable(this, offset);
        DeviceGuard.Check(this, DeviceOperation.Write, offset, data.Length);
        using var held = new HeldDescriptor(_handle);
        WriteOne(held.Number, offset, data);
    }

    /// <inheritdoc/>
    public void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        DeviceGuard.CheckWritable(this, offset);
        DeviceGuard.Check(this, DeviceOperation.Write, offset, DeviceGuard.TotalLength(this, segments));
        MoveSegments(DeviceOperation.Write, offset, segments);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        if (IsReadOnly)
        {
            return;
        }

        int error;
        if (IsDirect)
        {
            error = FlushOnce();
        }
        else
        {
            lock (_flushLock)
            {
                error = FlushOnce();
            }
        }

        if (error != 0)
        {
            throw new DeviceException((Errno)error, DeviceOperation.Flush, -1,
                $"{Name}: flush failed: {Native.Describe((Errno)error)}");
        }
    }

    private int FlushOnce()
    {
        int error = Volatile.Read(ref _flushError);
        if (error == 0)
        {
            using var held = new HeldDescriptor(_handle);
            error = fdatasync(held.Number) == 0 ? 0 : errno;
            if (error != 0)
            {
                Interlocked.CompareExchange(ref _flushError, error, 0);
            }
        }

        return error;
    }

    /// <summary>Gives the lock up and closes. Does not flush.</summary>
    public void Dispose()
    {
        _handle.Dispose();
        _image?.Dispose();
        _bounce?.Dispose();
        _polled?.Dispose();
        _paired?.Dispose();
    }

    private void BeginBoth(long offset, ReadOnlySpan<IoSegment> segments, long length, long otherOffset, IoSegment other, Span<nint> results)
    {
        IoVector* vectors = stackalloc IoVector[MaxPairedSegments];
        for (int i = 0; i < segments.Length; i++)
        {
            if (!IsUsable(segments[i].Address))
            {
                return;
            }

            vectors[i] = new IoVector { Address = segments[i].Address, Length = (nuint)segments[i].Length };
        }

        using var held = new HeldDescriptor(_handle);
        Span<iocb> commands =
        [
            AioRing.ReadScatter(held.Number, offset, vectors, segments.Length),
            AioRing.Read(held.Number, otherOffset, (void*)other.Address, other.Length, 1),
        ];
        bool small = length <= PolledRead.Longest;
        if (!small || _polled is null || !_polled.TryRead(commands, results))
        {
            _ = _paired!.TryRead(commands, results);
        }
    }

    private nint ReadWatched(int descriptor, long offset, byte* memory, int length)
    {
        if (_polled is null || length > PolledRead.Longest)
        {
            return AioRing.Refused;
        }

        Span<iocb> command = [AioRing.Read(descriptor, offset, memory, length)];
        Span<nint> result = [AioRing.Refused];
        return _polled.TryRead(command, result) ? result[0] : AioRing.Refused;
    }

    private bool IsUsable(nint address) => _bounce is null || (address & (_memoryAlignment - 1)) == 0;

    private void ReadOne(int descriptor, long offset, Span<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            if (IsUsable((nint)p))
            {
                ReadFully(descriptor, offset, p, buffer.Length);
                return;
            }
        }

        ReadBounced(descriptor, offset, buffer);
    }

    private void WriteOne(int descriptor, long offset, ReadOnlySpan<byte> data)
    {
        fixed (byte* p = data)
        {
            if (IsUsable((nint)p))
            {
                WriteFully(descriptor, offset, p, data.Length);
                return;
            }
        }

        AlignedMemory bounce = _bounce!.Rent();
        try
        {
            while (!data.IsEmpty)
            {
                int step = Math.Min(data.Length, bounce.Length);
                data[..step].CopyTo(bounce.Span);
                WriteFully(descriptor, offset, (byte*)bounce.Address, step);
                offset += step;
                data = data[step..];
            }
        }
        finally
        {
            _bounce.Return(bounce);
        }
    }

    private void ReadBounced(int descriptor, long offset, Span<byte> buffer)
    {
        AlignedMemory bounce = _bounce!.Rent();
        try
        {
            while (!buffer.IsEmpty)
            {
                int step = Math.Min(buffer.Length, bounce.Length);
                ReadFully(descriptor, offset, (byte*)bounce.Address, step);
                bounce.Span[..step].CopyTo(buffer);
                offset += step;
                buffer = buffer[step..];
            }
        }
        finally
        {
            _bounce.Return(bounce);
        }
    }

    private void ReadFully(int descriptor, long offset, byte* memory, int length)
    {
        while (length > 0)
        {
            nint done = ReadWatched(descriptor, offset, memory, length);
            if (done < 0)
            {
                done = (nint)(long)pread(descriptor, memory, (size_t)(ulong)Math.Min(length, MaxTransfer), offset);
            }

            if (!Progressed(DeviceOperation.Read, offset, done))
            {
                continue;
            }

            memory += done;
            offset += done;
            length -= (int)done;
        }
    }

    private void WriteFully(int descriptor, long offset, byte* memory, int length)
    {
        while (length > 0)
        {
            nint done = (nint)(long)pwrite(descriptor, memory, (size_t)(ulong)Math.Min(length, MaxTransfer), offset);
            if (!Progressed(DeviceOperation.Write, offset, done))
            {
                continue;
            }

            memory += done;
            offset += done;
            length -= (int)done;
        }
    }

    /// <summary>As few calls as the kernel's limits allow.</summary>
    private void MoveSegments(DeviceOperation operation, long offset, ReadOnlySpan<IoSegment> segments)
    {
        using var held = new HeldDescriptor(_handle);
        IoVector* vectors = stackalloc IoVector[Math.Min(segments.Length, MaxVectors)];
        int next = 0;
        while (next < segments.Length)
        {
            int count = 0;
            long bytes = 0;
            while (next < segments.Length && count < MaxVectors && IsUsable(segments[next].Address)
                && bytes + segments[next].Length <= MaxTransfer)
            {
                vectors[count++] = new IoVector
                {
                    Address = segments[next].Address,
                    Length = (nuint)segments[next].Length,
                };
                bytes += segments[next++].Length;
            }

            if (count == 0)
            {
                // Memory that O_DIRECT would refuse, or a single huge piece.
                IoSegment segment = segments[next++];
                MoveOne(operation, held.Number, offset, segment);
                offset += segment.Length;
                continue;
            }

            MoveVectors(operation, held.Number, offset, vectors, count, bytes);
            offset += bytes;
        }
    }

    private void MoveOne(DeviceOperation operation, int descriptor, long offset, IoSegment segment)
    {
        if (operation == DeviceOperation.Read)
        {
            ReadOne(descriptor, offset, new Span<byte>((void*)segment.Address, segment.Length));
        }
        else
        {
            WriteOne(descriptor, offset, new ReadOnlySpan<byte>((void*)segment.Address, segment.Length));
        }
    }

    private void MoveVectors(DeviceOperation operation, int descriptor, long offset, IoVector* vectors, int count, long bytes)
    {
        while (bytes > 0)
        {
            nint done = operation == DeviceOperation.Read
                ? Native.PReadVector(descriptor, vectors, count, offset)
                : Native.PWriteVector(descriptor, vectors, count, offset);
            if (!Progressed(operation, offset, done))
            {
                continue;
            }

            offset += done;
            bytes -= done;
            while (count > 0 && (nuint)done >= vectors->Length)
            {
                done -= (nint)vectors->Length;
                vectors++;
                count--;
            }

            if (done > 0)
            {
                vectors->Address += done;
                vectors->Length -= (nuint)done;
            }
        }
    }

    /// <summary>True where bytes moved, false where the call is to be repeated; anything else throws.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool Progressed(DeviceOperation operation, long offset, nint done)
    {
        if (done > 0)
        {
            return true;
        }

        return done < 0 && Native.LastError == Errno.EINTR ? false : throw Failure(operation, offset, done);
    }

    private DeviceException Failure(DeviceOperation operation, long offset, nint done)
    {
        // Zero bytes of a transfer inside the length that we measured: the file has been cut behind our back.
        Errno error = done < 0 ? Native.LastError : Errno.EIO;
        string reason = done < 0 ? Native.Describe(error) : "the device ends early";
        string verb = operation == DeviceOperation.Read ? "read" : "write";
        return new DeviceException(error, operation, offset, $"{Name}: {verb} at byte {offset} failed: {reason}");
    }
}
