// Promise: the arithmetic of POSIX ACLs (acl(5)) on the bytes of system.posix_acl_access and system.posix_acl_default, as
// the kernel has them: a version (2) and entries of tag, permissions and id, all little-endian. Nothing is interpreted
// before Validate has accepted it; the other functions require that and change permissions only, never length or order.
using System.Buffers.Binary;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>Parsing and calculating with an ACL in its wire form.</summary>
internal static class AccessControlList
{
    /// <summary>Longest value taken: a page, the kernel's own limit for FUSE.</summary>
    public const int MaxLength = 4096;

    private const int HeaderLength = 4;
    private const int EntryLength = 8;
    private const uint Version = 2;
    private const uint NoId = uint.MaxValue;

    private const int UserObject = 0x01;
    private const int User = 0x02;
    private const int GroupObject = 0x04;
    private const int Group = 0x08;
    private const int Mask = 0x10;
    private const int Other = 0x20;

    public static ReadOnlySpan<byte> AccessName => "system.posix_acl_access"u8;

    public static ReadOnlySpan<byte> DefaultName => "system.posix_acl_default"u8;

    /// <summary>True where a value stands for "no ACL".</summary>
    public static bool IsEmpty(ReadOnlySpan<byte> acl) => acl.Length <= HeaderLength;

    /// <summary>EINVAL unless the value is empty or a complete ACL in canonical order: owner, users, group, groups, mask
    /// (required with users or groups), other.</summary>
    public static Errno Validate(ReadOnlySpan<byte> acl)
    {
        if (acl.IsEmpty)
        {
            return Errno.OK;
        }

        if (acl.Length > MaxLength)
        {
            return Errno.E2BIG;
        }

        if (acl.Length < HeaderLength || (acl.Length - HeaderLength) % EntryLength != 0
            || BinaryPrimitives.ReadUInt32LittleEndian(acl) != Version)
        {
            return Errno.EINVAL;
        }

        if (acl.Length == HeaderLength)
        {
            return Errno.OK;
        }

        int seen = 0;
        for (int at = HeaderLength; at < acl.Length; at += EntryLength)
        {
            int tag = TagAt(acl, at);
            bool named = tag is User or Group;
            if (!MayFollow(seen, tag) || PermissionsAt(acl, at) > 7 || (named && IdAt(acl, at) == NoId))
            {
                return Errno.EINVAL;
            }

            seen |= tag;
        }

        bool needsMask = (seen & (User | Group)) != 0;
        const int Required = UserObject | GroupObject | Other;
        return (seen & Required) == Required && (!needsMask || (seen & Mask) != 0) ? Errno.OK : Errno.EINVAL;
    }

    /// <summary>Permission bits (0777) that the ACL stands for; <paramref name="equivalent"/>: they say all of it, so that
    /// it need not be kept.</summary>
    public static uint ModeOf(ReadOnlySpan<byte> acl, out bool equivalent)
    {
        uint owner = 0, group = 0, mask = 0, other = 0;
        equivalent = true;
        for (int at = HeaderLength; at < acl.Length; at += EntryLength)
        {
            uint permissions = PermissionsAt(acl, at);
            switch (TagAt(acl, at))
            {
                case UserObject:
                    owner = permissions;
                    break;
                case GroupObject:
                    group = permissions;
                    break;
                case Other:
                    other = permissions;
                    break;
                case Mask:
                    mask = permissions;
                    equivalent = false;
                    break;
                default:
                    equivalent = false;
                    break;
            }
        }

        return (owner << 6) | ((HasMask(acl) ? mask : group) << 3) | other;
    }

    /// <summary>chmod(2): owner, mask (or group, where there is no mask) and other become those of the mode.</summary>
    public static void ApplyMode(Span<byte> acl, uint mode)
    {
        bool hasMask = HasMask(acl);
        for (int at = HeaderLength; at < acl.Length; at += EntryLength)
        {
            switch (TagAt(acl, at))
            {
                case UserObject:
                    SetPermissions(acl, at, (mode >> 6) & 7);
                    break;
                case Mask:
                    SetPermissions(acl, at, (mode >> 3) & 7);
                    break;
                case GroupObject when !hasMask:
                    SetPermissions(acl, at, (mode >> 3) & 7);
                    break;
                case Other:
                    SetPermissions(acl, at, mode & 7);
                    break;
            }
        }
    }

    /// <summary>A new inode under a default ACL: each side keeps only what the other permits too. True where the result
    /// says more than the mode and is to be kept as the inode's access ACL.</summary>
    public static bool Inherit(Span<byte> acl, ref uint mode)
    {
        uint own = ModeOf(acl, out bool equivalent) & mode;
        ApplyMode(acl, own);
        mode = (mode & ~ModeBits.AccessMask) | own;
        return !equivalent;
    }

    private static bool MayFollow(int seen, int tag) => tag switch
    {
        UserObject => seen == 0,
        User => (seen & UserObject) != 0 && (seen & ~(UserObject | User)) == 0,
        GroupObject => (seen & UserObject) != 0 && (seen & ~(UserObject | User)) == 0,
        Group => (seen & GroupObject) != 0 && (seen & (Mask | Other)) == 0,
        Mask => (seen & GroupObject) != 0 && (seen & (Mask | Other)) == 0,
        Other => (seen & GroupObject) != 0 && (seen & Other) == 0,
        _ => false,
    };

    private static bool HasMask(ReadOnlySpan<byte> acl)
    {
        for (int at = HeaderLength; at < acl.Length; at += EntryLength)
        {
            if (TagAt(acl, at) == Mask)
            {
                return true;
            }
        }

        return false;
    }

    private static int TagAt(ReadOnlySpan<byte> acl, int at) => BinaryPrimitives.ReadUInt16LittleEndian(acl[at..]);

    private static uint PermissionsAt(ReadOnlySpan<byte> acl, int at) => BinaryPrimitives.ReadUInt16LittleEndian(acl[(at + 2)..]);

    private static uint IdAt(ReadOnlySpan<byte> acl, int at) => BinaryPrimitives.ReadUInt32LittleEndian(acl[(at + 4)..]);

    private static void SetPermissions(Span<byte> acl, int at, uint permissions) =>
        BinaryPrimitives.WriteUInt16LittleEndian(acl[(at + 2)..], (ushort)permissions);
}
