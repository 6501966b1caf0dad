// Promise: the numbers of inode(7), once. Nothing else in this floor writes an octal constant.
namespace IntegrityFs.FileSystem;

/// <summary>File types and permission bits of st_mode.</summary>
internal static class ModeBits
{
    public const uint TypeMask = 0xF000;
    public const uint Fifo = 0x1000;
    public const uint CharacterDevice = 0x2000;
    public const uint Directory = 0x4000;
    public const uint BlockDevice = 0x6000;
    public const uint Regular = 0x8000;
    public const uint SymbolicLink = 0xA000;
    public const uint Socket = 0xC000;

    /// <summary>07777.</summary>
    public const uint PermissionMask = 0xFFF;

    /// <summary>0777.</summary>
    public const uint AccessMask = 0x1FF;

    /// <summary>04000.</summary>
    public const uint SetUserId = 0x800;

    /// <summary>02000.</summary>
    public const uint SetGroupId = 0x400;

    /// <summary>01000.</summary>
    public const uint Sticky = 0x200;

    /// <summary>0010.</summary>
    public const uint GroupExecute = 0x8;

    public static bool IsDirectory(uint mode) => (mode & TypeMask) == Directory;

    public static bool IsRegular(uint mode) => (mode & TypeMask) == Regular;

    public static bool IsSymbolicLink(uint mode) => (mode & TypeMask) == SymbolicLink;

    /// <summary>DT_* of a mode (readdir(3)).</summary>
    public static byte DirectoryType(uint mode) => (byte)((mode & TypeMask) >> 12);

    /// <summary>Bits that a change of content or owner takes away: set-user-id always, set-group-id only where the group
    /// may execute (otherwise it once meant mandatory locking and is kept, as Linux does).</summary>
    public static uint PrivilegesOf(uint mode) => IsDirectory(mode)
        ? 0
        : (mode & SetUserId) | ((mode & GroupExecute) != 0 ? mode & SetGroupId : 0);
}
