// The native corner of this floor: the system calls that Tmds.LibC lacks, libblkid, and the two rules that every
// descriptor here obeys:
// 1. A descriptor is never 0, 1 or 2. A daemon started with its standard streams closed would otherwise get the device
//    as "standard error", and the first log line would be written over the superblock.
// 2. A descriptor is used only through its SafeFileHandle, so that a call that races with Dispose cannot reach a
//    number that the kernel has given to another file in the meantime.
using System.Runtime.InteropServices;
using System.Text;
using IntegrityFs.Format;
using Microsoft.Win32.SafeHandles;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Device;

/// <summary>One piece of a gathered write, as the kernel wants it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IoVector
{
    internal nint Address;
    internal nuint Length;
}

/// <summary>System calls and libblkid.</summary>
internal static unsafe partial class Native
{
    internal const int LockShared = 1;
    internal const int LockExclusive = 2;
    internal const int LockNonBlocking = 4;

    internal const int BlkRoGet = 0x125E;
    internal const int BlkSectorSizeGet = 0x1268;
    internal const int BlkSizeGet64 = unchecked((int)0x80081272);

    private const int FcntlDupCloexec = 1030;
    private const uint StatxDirectIoAlignment = 0x2000;

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    internal static partial int FLock(int descriptor, int operation);

    [LibraryImport("libc", EntryPoint = "preadv", SetLastError = true)]
    internal static partial nint PReadVector(int descriptor, IoVector* vectors, int count, long offset);

    [LibraryImport("libc", EntryPoint = "pwritev", SetLastError = true)]
    internal static partial nint PWriteVector(int descriptor, IoVector* vectors, int count, long offset);

    /// <summary>io_setup(2), which the C library does not wrap.</summary>
    internal static long IoSetup(uint events, nint* context) => (long)syscall(SYS_io_setup, events, context);

    /// <summary>io_destroy(2).</summary>
    internal static void IoDestroy(nint context) => _ = syscall(SYS_io_destroy, (void*)context);

    /// <summary>io_submit(2): commands taken, or −1.</summary>
    internal static long IoSubmit(nint context, int count, iocb** commands) =>
        (long)syscall(SYS_io_submit, (void*)context, count, commands);

    /// <summary>io_getevents(2) without a time limit: events taken, or −1.</summary>
    internal static long IoGetEvents(nint context, int least, int most, io_event* events) =>
        (long)syscall(SYS_io_getevents, (void*)context, least, most, events, 0);

    [LibraryImport("libblkid.so.1", EntryPoint = "blkid_new_probe")]
    internal static partial nint BlkidNewProbe();

    [LibraryImport("libblkid.so.1", EntryPoint = "blkid_free_probe")]
    internal static partial void BlkidFreeProbe(nint probe);

    [LibraryImport("libblkid.so.1", EntryPoint = "blkid_probe_set_device")]
    internal static partial int BlkidSetDevice(nint probe, int descriptor, long offset, long size);

    [LibraryImport("libblkid.so.1", EntryPoint = "blkid_probe_enable_superblocks")]
    internal static partial int BlkidEnableSuperblocks(nint probe, int enable);

    [LibraryImport("libblkid.so.1", EntryPoint = "blkid_probe_set_superblocks_flags")]
    internal static partial int BlkidSetSuperblocksFlags(nint probe, int flags);

    [LibraryImport("libblkid.so.1", EntryPoint = "blkid_probe_enable_partitions")]
    internal static partial int BlkidEnablePartitions(nint probe, int enable);

    [LibraryImport("libblkid.so.1", EntryPoint = "blkid_probe_set_partitions_flags")]
    internal static partial int BlkidSetPartitionsFlags(nint probe, int flags);

    [LibraryImport("libblkid.so.1", EntryPoint = "blkid_do_probe")]
    internal static partial int BlkidDoProbe(nint probe);

    [LibraryImport("libblkid.so.1", EntryPoint = "blkid_probe_lookup_value", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int BlkidLookupValue(nint probe, string name, out nint data, out nuint length);

    /// <summary>The errno that the last call on this thread left.</summary>
    internal static Errno LastError => (Errno)Marshal.GetLastPInvokeError();

    /// <summary>The kernel's words for an errno.</summary>
    internal static string Describe(Errno error) => Marshal.GetPInvokeErrorMessage((int)error);

    /// <summary>Opens <paramref name="path"/>; <paramref name="error"/> says why not where null is returned.</summary>
    internal static SafeFileHandle? TryOpen(string path, int flags, int mode, out Errno error)
    {
        error = Errno.OK;
        if (path.Contains('\0', StringComparison.Ordinal))
        {
            error = Errno.EINVAL;
            return null;
        }

        byte[] name = Encoding.UTF8.GetBytes(path + "\0");
        int descriptor;
        fixed (byte* p = name)
        {
            do
            {
                descriptor = open(p, flags | O_CLOEXEC, (mode_t)(uint)mode);
            }
            while (descriptor < 0 && errno == EINTR);
        }

        if (descriptor < 0)
        {
            error = (Errno)errno;
            return null;
        }

        if (descriptor <= 2)
        {
            int moved = fcntl(descriptor, FcntlDupCloexec, 3);
            error = moved < 0 ? (Errno)errno : Errno.OK;
            _ = close(descriptor);
            if (moved < 0)
            {
                return null;
            }

            descriptor = moved;
        }

        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>Type, size and device numbers of an open file.</summary>
    internal static Errno Stat(SafeFileHandle handle, out FileStatus status)
    {
        stat buffer;
        using var held = new HeldDescriptor(handle);
        if (fstat(held.Number, &buffer) != 0)
        {
            status = default;
            return (Errno)errno;
        }

        uint mode = (uint)buffer.st_mode;
        ulong device = (ulong)buffer.st_rdev;
        status = new FileStatus(
            (mode & 0xF000) == 0x8000,
            (mode & 0xF000) == 0x6000,
            (long)buffer.st_size,
            (uint)((device >> 8 & 0xFFF) | (device >> 32 & 0xFFFFF000)),
            (uint)((device & 0xFF) | (device >> 12 & 0xFFFFFF00)),
            (ulong)buffer.st_dev,
            (ulong)buffer.st_ino);
        return Errno.OK;
    }

    /// <summary>What O_DIRECT demands on a regular file: false where the kernel does not say; zeros where direct I/O is
    /// not supported at all.</summary>
    internal static bool TryDirectIoAlignment(SafeFileHandle handle, out int memory, out int offset)
    {
        const int size = 256, maskAt = 0, memoryAt = 0x98, offsetAt = 0x9C;
        byte* buffer = stackalloc byte[size];
        new Span<byte>(buffer, size).Clear();
        byte empty = 0;
        using var held = new HeldDescriptor(handle);
        int result = statx(held.Number, &empty, AT_EMPTY_PATH, StatxDirectIoAlignment, (statx*)buffer);
        memory = *(int*)(buffer + memoryAt);
        offset = *(int*)(buffer + offsetAt);
        return result == 0 && (*(uint*)(buffer + maskAt) & StatxDirectIoAlignment) != 0;
    }

    /// <summary>An ioctl whose argument is a pointer.</summary>
    internal static Errno Ioctl(SafeFileHandle handle, int request, void* argument)
    {
        using var held = new HeldDescriptor(handle);
        return ioctl(held.Number, request, argument) < 0 ? (Errno)errno : Errno.OK;
    }

    /// <summary>An ioctl whose argument and result are numbers; −1 where it failed.</summary>
    internal static int IoctlNumber(SafeFileHandle handle, int request, int argument, out Errno error)
    {
        using var held = new HeldDescriptor(handle);
        int result = ioctl(held.Number, request, argument);
        error = result < 0 ? (Errno)errno : Errno.OK;
        return result;
    }
}

/// <summary>What fstat says that matters here.</summary>
internal readonly record struct FileStatus(
    bool IsRegular, bool IsBlockDevice, long Size, uint Major, uint Minor, ulong FileSystem, ulong Inode);

/// <summary>Keeps a handle's descriptor open, and its number ours, for the time of one system call.</summary>
internal readonly ref struct HeldDescriptor
{
    private readonly SafeFileHandle _handle;

    internal HeldDescriptor(SafeFileHandle handle)
    {
        bool added = false;
        handle.DangerousAddRef(ref added);
        _handle = handle;
    }

    internal int Number => (int)_handle.DangerousGetHandle();

    public void Dispose() => _handle.DangerousRelease();
}
