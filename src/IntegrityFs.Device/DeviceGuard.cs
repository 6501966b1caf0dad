// The contract of IDevice that is the same for every device: what a caller may ask for. A mis-aligned request is a
// programmer's error. A request past the end is a device error, because offsets may come from a structure that somebody
// wrote for a larger device.
using IntegrityFs.Format;

namespace IntegrityFs.Device;

/// <summary>Checks requests against a device's size, sector and mode.</summary>
internal static class DeviceGuard
{
    internal static void Check(IDevice device, DeviceOperation operation, long offset, long length)
    {
        long mask = device.SectorSize - 1;
        if (((offset | length) & mask) != 0)
        {
            throw new ArgumentException(
                $"{device.Name}: {operation} of {length} bytes at {offset} is not in sectors of {device.SectorSize}");
        }

        if (offset < 0 || length > device.Length || offset > device.Length - length)
        {
            throw new DeviceException(Errno.EINVAL, operation, offset,
                $"{device.Name}: {operation} of {length} bytes at {offset} is outside its {device.Length} bytes");
        }
    }

    internal static void CheckWritable(IDevice device, long offset)
    {
        if (device.IsReadOnly)
        {
            throw new DeviceException(Errno.EROFS, DeviceOperation.Write, offset, $"{device.Name}: opened read-only");
        }
    }

    /// <summary>The sum of the pieces, each of which must be whole sectors.</summary>
    internal static long TotalLength(IDevice device, ReadOnlySpan<IoSegment> segments)
    {
        long total = 0;
        foreach (IoSegment segment in segments)
        {
            if (segment.Length <= 0 || (segment.Length & (device.SectorSize - 1)) != 0)
            {
                throw new ArgumentException(
                    $"{device.Name}: a segment of {segment.Length} bytes is not in sectors of {device.SectorSize}");
            }

            total += segment.Length;
        }

        return total;
    }
}
