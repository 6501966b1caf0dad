// Promise: the rules of xattr(7) that need no content: which namespaces exist here, on which types, how long.
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>Names of extended attributes.</summary>
internal static class XattrNames
{
    public const int MaxNameLength = 255;
    public const int MaxValueLength = 65536;

    public static ReadOnlySpan<byte> Capability => "security.capability"u8;

    public static bool IsUser(ReadOnlySpan<byte> name) => name.StartsWith("user."u8);

    public static bool IsAccessAcl(ReadOnlySpan<byte> name) => name.SequenceEqual(AccessControlList.AccessName);

    public static bool IsDefaultAcl(ReadOnlySpan<byte> name) => name.SequenceEqual(AccessControlList.DefaultName);

    /// <summary>ERANGE for a length that no name has, EOPNOTSUPP for a namespace that is not kept, EINVAL for a namespace
    /// without a name or a NUL inside.</summary>
    public static Errno Check(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty || name.Length > MaxNameLength)
        {
            return Errno.ERANGE;
        }

        if (name.Contains((byte)0))
        {
            return Errno.EINVAL;
        }

        if (IsAccessAcl(name) || IsDefaultAcl(name))
        {
            return Errno.OK;
        }

        int dot = name.IndexOf((byte)'.') + 1;
        bool kept = IsUser(name) || name.StartsWith("security."u8) || name.StartsWith("trusted."u8);
        return !kept ? Errno.EOPNOTSUPP : dot == name.Length ? Errno.EINVAL : Errno.OK;
    }

    /// <summary>Whether an inode of this mode may carry the attribute: user.* only regular files and directories (EPERM),
    /// ACLs not symbolic links (EOPNOTSUPP), default ACLs only directories (EACCES).</summary>
    public static Errno CheckCarrier(ReadOnlySpan<byte> name, uint mode)
    {
        if (IsUser(name))
        {
            return ModeBits.IsRegular(mode) || ModeBits.IsDirectory(mode) ? Errno.OK : Errno.EPERM;
        }

        if (!IsAccessAcl(name) && !IsDefaultAcl(name))
        {
            return Errno.OK;
        }

        if (ModeBits.IsSymbolicLink(mode))
        {
            return Errno.EOPNOTSUPP;
        }

        return IsDefaultAcl(name) && !ModeBits.IsDirectory(mode) ? Errno.EACCES : Errno.OK;
    }

    /// <summary>Changes to reserve for a value of this length.</summary>
    public static int ChangesFor(int valueLength) => 2 + (valueLength / 512);
}
