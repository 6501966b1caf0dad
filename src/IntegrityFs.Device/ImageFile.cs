// Creating an image: it exists under its name, with its full length and durably, or not at all.
using IntegrityFs.Format;
using Microsoft.Win32.SafeHandles;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Device;

/// <summary>Creation of image files.</summary>
internal static class ImageFile
{
    private const int OwnerOnly = 0x180; // 0600

    internal static void Create(string path, long length, bool allocate)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        using SafeFileHandle handle = Native.TryOpen(path, O_RDWR | O_CREAT | O_EXCL, OwnerOnly, out Errno error)
            ?? throw Failure(error, path);
        error = Extend(handle, length, allocate);
        if (error != Errno.OK)
        {
            File.Delete(path);
            throw Failure(error, path);
        }

        SyncDirectoryOf(path);
    }

    private static Errno Extend(SafeFileHandle handle, long length, bool allocate)
    {
        using var held = new HeldDescriptor(handle);
        if (ftruncate(held.Number, length) != 0)
        {
            return (Errno)errno;
        }

        if (allocate)
        {
            // posix_fallocate returns the error, and writes zeros where the file system cannot reserve.
            int result = posix_fallocate(held.Number, 0, length);
            if (result != 0)
            {
                return (Errno)result;
            }
        }

        return fsync(held.Number) != 0 ? (Errno)errno : Errno.OK;
    }

    private static void SyncDirectoryOf(string path)
    {
        string directory = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
        using SafeFileHandle? handle = Native.TryOpen(directory, O_RDONLY | O_DIRECTORY, 0, out Errno error);
        if (handle is not null)
        {
            using var held = new HeldDescriptor(handle);
            error = fsync(held.Number) != 0 ? (Errno)errno : Errno.OK;
        }

        // Some file systems have no fsync of directories; the name is then as durable as they make it.
        if (error is not (Errno.OK or Errno.EINVAL or Errno.EACCES))
        {
            throw Failure(error, path);
        }
    }

    private static DeviceException Failure(Errno error, string path) =>
        new(error, DeviceOperation.Open, -1, $"{path}: cannot be created: {Native.Describe(error)}");
}
