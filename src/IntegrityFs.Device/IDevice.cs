using IntegrityFs.Format;

namespace IntegrityFs.Device;

/// <summary>A piece of caller-owned memory, which does not move, for a gathered write or a scattered read. Address and length
/// are multiples of <see cref="IDevice.SectorSize"/>.</summary>
public readonly record struct IoSegment(nint Address, int Length);

/// <summary>
/// The backing store: an image file, a block device, or memory. A few calls; it does not know what a block means.
/// <para>Offsets, lengths and the memory of every call are multiples of <see cref="SectorSize"/>. All calls are thread
/// safe. All errors are <see cref="DeviceException"/>; a short transfer is completed or is an error.</para>
/// <para>Order: writes are un-ordered among themselves, may be torn at sectors, and are durable only once a
/// <see cref="Flush"/> that started after they completed has returned.</para>
/// </summary>
public interface IDevice : IDisposable
{
    /// <summary>Size in bytes, fixed while open.</summary>
    long Length { get; }

    /// <summary>Logical sector size in bytes: a power of two, 512 to 4096.</summary>
    int SectorSize { get; }

    /// <summary>True where writes are refused.</summary>
    bool IsReadOnly { get; }

    /// <summary>A name for messages: the path.</summary>
    string Name { get; }

    /// <summary>Fills <paramref name="buffer"/> from byte <paramref name="offset"/>.</summary>
    void Read(long offset, Span<byte> buffer);

    /// <summary>Fills the segments one after the other from byte <paramref name="offset"/> on: for a device with system
    /// calls one call.</summary>
    unsafe void ReadScatter(long offset, ReadOnlySpan<IoSegment> segments)
    {
        foreach (IoSegment segment in segments)
        {
            Read(offset, new Span<byte>((void*)segment.Address, segment.Length));
            offset += segment.Length;
        }
    }

    /// <summary>As <see cref="ReadScatter"/>, and another piece from elsewhere: for a device with system calls both at once.</summary>
    /// <param name="offset">Where the segments begin.</param>
    /// <param name="segments">At least one.</param>
    /// <param name="otherOffset">Where the other piece begins.</param>
    /// <param name="other">Its memory, apart from that of the segments.</param>
    unsafe void ReadBoth(long offset, ReadOnlySpan<IoSegment> segments, long otherOffset, IoSegment other)
    {
        Read(otherOffset, new Span<byte>((void*)other.Address, other.Length));
        ReadScatter(offset, segments);
    }

    /// <summary>Opens a queue of reads for one thread, which it may leave to the device while it does other things.</summary>
    /// <param name="capacity">Reads at once, 1 to 64.</param>
    /// <returns>To be disposed before the device. Null where the device cannot.</returns>
    ReadQueue? TryOpenReadQueue(int capacity) => null;

    /// <summary>Writes <paramref name="data"/> at byte <paramref name="offset"/>.</summary>
    void Write(long offset, ReadOnlySpan<byte> data);

    /// <summary>Writes the segments one after the other from byte <paramref name="offset"/> on.</summary>
    void WriteGather(long offset, ReadOnlySpan<IoSegment> segments);

    /// <summary>Returns after all completed writes are on stable storage; reports every error.</summary>
    void Flush();
}
