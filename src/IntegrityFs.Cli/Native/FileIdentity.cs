using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Native;

/// <summary>Device and inode: which file a name means, whatever its name.</summary>
internal readonly record struct FileIdentity(ulong Device, ulong Inode)
{
    /// <summary>Null where there is no such file. Links are not followed.</summary>
    public static unsafe FileIdentity? Of(string path)
    {
        stat status;
        byte[] name = System.Text.Encoding.UTF8.GetBytes(path + '\0');
        fixed (byte* start = name)
        {
            return lstat(start, &status) == 0
                ? new FileIdentity((ulong)status.st_dev, (ulong)status.st_ino)
                : null;
        }
    }
}
