// A loop device makes an image mountable where the kernel wants a block device as the source. It is attached with
// "autoclear": once the last user (this object, or the mount that took over) has closed it, the kernel detaches it, so
// that neither a crash nor a forgotten Dispose leaves one behind. The image is opened here without a lock, because the
// kernel keeps that open file for as long as the loop device lives and the lock would live as long.
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using IntegrityFs.Format;
using Microsoft.Win32.SafeHandles;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Device;

/// <summary>A loop device over an image, held open until disposed.</summary>
public sealed unsafe class LoopDevice : IDisposable
{
    private const int LoopControlGetFree = 0x4C82;
    private const int LoopConfigure = 0x4C0A;
    private const int LoopClearDescriptor = 0x4C01;
    private const uint FlagReadOnly = 1;
    private const uint FlagAutoClear = 4;
    private const int Tries = 64;
    private const int NameBytes = 64;

    private readonly SafeFileHandle _handle;

    private LoopDevice(string path, SafeFileHandle handle)
    {
        Path = path;
        _handle = handle;
    }

    /// <summary>The block device: /dev/loopN.</summary>
    public string Path { get; }

    /// <summary>Attaches <paramref name="imagePath"/> to a free loop device. Needs CAP_SYS_ADMIN.</summary>
    /// <exception cref="DeviceException">No image, no loop device to be had, or no privilege.</exception>
    public static LoopDevice Attach(string imagePath, bool readOnly = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(imagePath);
        int access = readOnly ? O_RDONLY : O_RDWR;
        using SafeFileHandle image = Native.TryOpen(imagePath, access, 0, out Errno error)
            ?? throw Failure(error, imagePath, Native.Describe(error));
        using SafeFileHandle control = Native.TryOpen("/dev/loop-control", O_RDWR, 0, out error)
            ?? throw Failure(error, imagePath, $"/dev/loop-control: {Native.Describe(error)}");
        for (int attempt = 0; attempt < Tries; attempt++)
        {
            int number = Native.IoctlNumber(control, LoopControlGetFree, 0, out error);
            if (number < 0)
            {
                throw Failure(error, imagePath, $"no free loop device: {Native.Describe(error)}");
            }

            string path = string.Create(CultureInfo.InvariantCulture, $"/dev/loop{number}");
            SafeFileHandle loop = Native.TryOpen(path, access, 0, out error)
                ?? throw Failure(error, imagePath, $"{path}: {Native.Describe(error)}");
            error = Configure(loop, image, imagePath, readOnly);
            if (error == Errno.OK)
            {
                return new LoopDevice(path, loop);
            }

            loop.Dispose();
            if (error != Errno.EBUSY)
            {
                throw Failure(error, imagePath, $"{path}: {Native.Describe(error)}");
            }

            // Somebody else was given the same free number and was faster.
        }

        throw Failure(Errno.EBUSY, imagePath, "every free loop device was taken by somebody else");
    }

    /// <summary>Detaches now, or as soon as the last other user has closed it.</summary>
    public void Detach()
    {
        _ = Native.IoctlNumber(_handle, LoopClearDescriptor, 0, out Errno error);
        if (error is not (Errno.OK or Errno.ENXIO))
        {
            throw Failure(error, Path, $"cannot be detached: {Native.Describe(error)}");
        }
    }

    /// <summary>Closes; the kernel detaches it unless a mount or another process has it open.</summary>
    public void Dispose() => _handle.Dispose();

    private static Errno Configure(SafeFileHandle loop, SafeFileHandle image, string imagePath, bool readOnly)
    {
        using var held = new HeldDescriptor(image);
        LoopConfiguration configuration = default;
        configuration.Descriptor = (uint)held.Number;
        configuration.Flags = FlagAutoClear | (readOnly ? FlagReadOnly : 0);
        byte[] name = Encoding.UTF8.GetBytes(System.IO.Path.GetFullPath(imagePath));
        name.AsSpan(0, Math.Min(name.Length, NameBytes - 1)).CopyTo(new Span<byte>(configuration.FileName, NameBytes));
        return Native.Ioctl(loop, LoopConfigure, &configuration);
    }

    private static DeviceException Failure(Errno error, string path, string reason) =>
        new(error, DeviceOperation.Open, -1, $"{path}: no loop device: {reason}");

    /// <summary>struct loop_config of linux/loop.h with its struct loop_info64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct LoopConfiguration
    {
        internal uint Descriptor;
        internal uint BlockSize;
        internal ulong BackingDevice;
        internal ulong BackingInode;
        internal ulong BackingSpecial;
        internal ulong Offset;
        internal ulong SizeLimit;
        internal uint Number;
        internal uint EncryptionKind;
        internal uint EncryptionKeySize;
        internal uint Flags;
        internal fixed byte FileName[NameBytes];
        internal fixed byte CryptName[NameBytes];
        internal fixed byte EncryptionKey[32];
        internal fixed ulong Initial[2];
        internal fixed ulong Reserved[8];
    }
}
