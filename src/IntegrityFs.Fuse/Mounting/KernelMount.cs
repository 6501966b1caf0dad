using System.Globalization;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Serving;
using Tmds.Linux;

namespace IntegrityFs.Fuse.Mounting;

/// <summary>mount(2) and umount2(2), for the privileged.</summary>
internal static unsafe class KernelMount
{
    private const uint DirectoryMode = 0x4000;

    /// <summary>True where mount(2) can be expected to be allowed.</summary>
    public static bool IsPrivileged => (uint)LibC.geteuid() == 0;

    /// <summary>Mounts. Blocks until INIT is served, where that is synchronous.</summary>
    /// <exception cref="FuseMountException">The kernel refused.</exception>
    public static void Mount(FuseDevice device, FuseMountOptions options, string target, int maxTransfer)
    {
        string kind = options.BlockDevice ? "fuseblk" : "fuse";
        string data = string.Create(
            CultureInfo.InvariantCulture,
            $"fd={device.Descriptor},rootmode={Convert.ToString(DirectoryMode, 8)},user_id={(uint)LibC.getuid()},group_id={(uint)LibC.getgid()},default_permissions,allow_other,max_read={maxTransfer}");
        if (options.BlockDevice)
        {
            data += string.Create(CultureInfo.InvariantCulture, $",blksize={options.BlockSize}");
        }

        if (options.SecurityOptions.Length > 0)
        {
            data += "," + options.SecurityOptions;
        }

        string type = options.Subtype.Length == 0 ? kind : $"{kind}.{options.Subtype}";
        int error = Mount(options.Source, target, type, (uint)options.Flags, data);
        if (error != 0)
        {
            throw new FuseMountException($"cannot mount {options.Source} on {target} as {kind}", error);
        }
    }

    /// <summary>Changes a mount's flags; the server is not told by the kernel.</summary>
    public static Errno Remount(string target, FuseMountFlags flags) =>
        (Errno)Mount("none", target, "none", (uint)flags | (uint)LibC.MS_REMOUNT, string.Empty);

    /// <summary>Unmounts.</summary>
    public static Errno Unmount(string target, UnmountMode mode)
    {
        int flags = LibC.UMOUNT_NOFOLLOW | mode switch
        {
            UnmountMode.Lazy => LibC.MNT_DETACH,
            UnmountMode.Force => LibC.MNT_FORCE | LibC.MNT_DETACH,
            _ => 0,
        };
        fixed (byte* path = CString.From(target))
        {
            return LibC.umount2(path, flags) == 0 ? Errno.OK : (Errno)LibC.errno;
        }
    }

    private static int Mount(string source, string target, string type, uint flags, string data)
    {
        fixed (byte* sourceStart = CString.From(source), targetStart = CString.From(target), typeStart = CString.From(type), dataStart = CString.From(data))
        {
            return LibC.mount(sourceStart, targetStart, typeStart, flags, dataStart) == 0 ? 0 : LibC.errno;
        }
    }
}
