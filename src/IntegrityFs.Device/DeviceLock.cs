// The guard against second users. A flock belongs to the open file, so it ends with the process however that ends, and
// it is seen by everybody who asks for the same inode. A loop device and the image behind it are two inodes for the same
// bytes: whoever opens the loop device takes the image's lock too.
using System.Globalization;
using IntegrityFs.Format;
using Microsoft.Win32.SafeHandles;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Device;

/// <summary>Takes and holds advisory locks on devices and images.</summary>
public static class DeviceLock
{
    private const int LoopMajor = 7;
    private const int PatientTries = 20;
    private const int PauseMilliseconds = 50;

    /// <summary>Locks the image file at <paramref name="path"/> until the result is disposed. For a caller that works
    /// on a loop device but was given its image.</summary>
    /// <exception cref="DeviceException"><see cref="Errno.EBUSY"/> where somebody else holds it.</exception>
    public static IDisposable LockImage(string path, bool shared = false)
    {
        SafeFileHandle handle = Native.TryOpen(path, O_RDONLY, 0, out Errno error)
            ?? throw OpenedFile.Failure(error, path, Native.Describe(error));
        try
        {
            Take(handle, path, shared, patient: false);
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>The image behind the loop device at <paramref name="path"/>; null where it is no loop device, has no
    /// image, or the image has no name here.</summary>
    public static string? ImageBehind(string path)
    {
        using SafeFileHandle? handle = Native.TryOpen(path, O_RDONLY, 0, out _);
        return handle is not null && Native.Stat(handle, out FileStatus status) == Errno.OK
            ? ImageBehind(status)
            : null;
    }

    /// <summary>Locks an open device, or throws EBUSY.</summary>
    /// <param name="handle">The device.</param>
    /// <param name="path">For the message.</param>
    /// <param name="shared">Shared among readers.</param>
    /// <param name="patient">Try for a second: udev locks block devices for moments while it probes them.</param>
    internal static void Take(SafeFileHandle handle, string path, bool shared, bool patient)
    {
        int operation = (shared ? Native.LockShared : Native.LockExclusive) | Native.LockNonBlocking;
        for (int attempt = 1; ; attempt++)
        {
            int result;
            using (var held = new HeldDescriptor(handle))
            {
                result = Native.FLock(held.Number, operation);
            }

            if (result == 0)
            {
                return;
            }

            Errno error = Native.LastError;
            if (error == Errno.EINTR)
            {
                continue;
            }

            if (error != Errno.EAGAIN)
            {
                throw OpenedFile.Failure(error, path, $"no lock: {Native.Describe(error)}");
            }

            if (!patient || attempt >= PatientTries)
            {
                throw new DeviceException(Errno.EBUSY, DeviceOperation.Open, -1,
                    $"{path}: already in use by another mount or tool");
            }

            Thread.Sleep(PauseMilliseconds);
        }
    }

    /// <summary>Where the device is a loop device: a lock on its image, else null.</summary>
    internal static SafeFileHandle? TakeImageBehind(FileStatus status, string path, bool shared)
    {
        string? image = ImageBehind(status);
        SafeFileHandle? handle = image is null ? null : Native.TryOpen(image, O_RDONLY, 0, out _);
        if (handle is null)
        {
            // Deleted, or of another mount namespace: nobody else can open it by name here either.
            return null;
        }

        try
        {
            Take(handle, $"{path} ({image})", shared, patient: false);
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private static string? ImageBehind(FileStatus status)
    {
        if (!status.IsBlockDevice || status.Major != LoopMajor)
        {
            return null;
        }

        string file = string.Create(
            CultureInfo.InvariantCulture, $"/sys/dev/block/{LoopMajor}:{status.Minor}/loop/backing_file");
        try
        {
            string image = File.ReadAllText(file).TrimEnd('\n');
            return File.Exists(image) ? image : null;
        }
        catch (IOException)
        {
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }
}
