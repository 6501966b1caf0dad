// Opening order, which the second-user guard depends on: descriptor, type, lock, and only then size. A size read before
// the lock could be that of a volume which its last user was still growing.
using IntegrityFs.Format;
using Microsoft.Win32.SafeHandles;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Device;

/// <summary>The outcome of opening: everything about a device that does not change while it is open.</summary>
internal readonly unsafe record struct OpenedFile(
    SafeFileHandle Handle, SafeFileHandle? Image, long Length, int SectorSize, int MemoryAlignment, bool Direct,
    bool IsBlockDevice)
{
    private const int SmallestSector = 512;
    private const int LargestSector = 4096;

    internal static OpenedFile Open(string path, FileDeviceOptions options)
    {
        SafeFileHandle handle = OpenDescriptor(path, options, out bool direct);
        SafeFileHandle? image = null;
        try
        {
            FileStatus status = StatusOf(path, handle);
            if (!options.Unlocked)
            {
                DeviceLock.Take(handle, path, options.ReadOnly, patient: status.IsBlockDevice);
                image = DeviceLock.TakeImageBehind(status, path, options.ReadOnly);
                status = StatusOf(path, handle);
            }

            if (!options.ReadOnly && IsWriteProtected(handle, status))
            {
                throw Failure(Errno.EROFS, path, "the device is write-protected");
            }

            (long length, int sector, int memory) = status.IsBlockDevice
                ? MeasureBlockDevice(path, handle)
                : MeasureFile(handle, status, direct);
            if (!int.IsPow2(sector) || !int.IsPow2(memory) || sector is < SmallestSector or > LargestSector
                || memory > AlignedMemory.Alignment)
            {
                throw Failure(Errno.EINVAL, path, $"sector size {sector} is not supported");
            }

            return new OpenedFile(
                handle, image, length & -(long)sector, sector, memory, direct, status.IsBlockDevice);
        }
        catch
        {
            handle.Dispose();
            image?.Dispose();
            throw;
        }
    }

    internal static DeviceException Failure(Errno error, string path, string reason) =>
        new(error, DeviceOperation.Open, -1, $"{path}: cannot be opened: {reason}");

    private static SafeFileHandle OpenDescriptor(string path, FileDeviceOptions options, out bool direct)
    {
        int access = options.ReadOnly ? O_RDONLY : O_RDWR;
        direct = options.Direct;
        Errno error = Errno.OK;
        if (direct)
        {
            SafeFileHandle? handle = Native.TryOpen(path, access | O_DIRECT, 0, out error);
            if (handle is not null && IsDirectPossible(handle))
            {
                return handle;
            }

            // Refused at open, or accepted by the flag but not by the file (encrypted or compressed).
            direct = false;
            handle?.Dispose();
            if (handle is null && error is not (Errno.EINVAL or Errno.EOPNOTSUPP))
            {
                throw Failure(error, path, Native.Describe(error));
            }
        }

        return Native.TryOpen(path, access, 0, out error)
            ?? throw Failure(error, path, Native.Describe(error));
    }

    private static bool IsDirectPossible(SafeFileHandle handle) =>
        !Native.TryDirectIoAlignment(handle, out int memory, out int offset) || (memory > 0 && offset > 0);

    /// <summary>The kernel lets a write-protected device be opened for writing and fails the first write: too late.
    /// </summary>
    private static bool IsWriteProtected(SafeFileHandle handle, FileStatus status)
    {
        int flag = 0;
        return status.IsBlockDevice && Native.Ioctl(handle, Native.BlkRoGet, &flag) == Errno.OK && flag != 0;
    }

    private static FileStatus StatusOf(string path, SafeFileHandle handle)
    {
        Errno error = Native.Stat(handle, out FileStatus status);
        if (error != Errno.OK)
        {
            throw Failure(error, path, Native.Describe(error));
        }

        return status.IsRegular || status.IsBlockDevice
            ? status
            : throw Failure(Errno.EINVAL, path, "neither a regular file nor a block device");
    }

    private static (long Length, int Sector, int Memory) MeasureFile(
        SafeFileHandle handle, FileStatus status, bool direct)
    {
        if (!direct)
        {
            return (status.Size, SmallestSector, SmallestSector);
        }

        return Native.TryDirectIoAlignment(handle, out int memory, out int offset)
            ? (status.Size, Math.Max(offset, SmallestSector), Math.Max(memory, SmallestSector))
            : (status.Size, LargestSector, LargestSector);
    }

    private static (long Length, int Sector, int Memory) MeasureBlockDevice(string path, SafeFileHandle handle)
    {
        ulong bytes = 0;
        int sector = 0;
        Errno error = Native.Ioctl(handle, Native.BlkSizeGet64, &bytes);
        if (error == Errno.OK)
        {
            error = Native.Ioctl(handle, Native.BlkSectorSizeGet, &sector);
        }

        if (error != Errno.OK || bytes > long.MaxValue)
        {
            throw Failure(error == Errno.OK ? Errno.EINVAL : error, path, "its size cannot be read");
        }

        return ((long)bytes, sector, sector);
    }
}
