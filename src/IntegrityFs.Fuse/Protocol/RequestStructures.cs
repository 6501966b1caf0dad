// Fixed parts of requests, field for field as the kernel lays them out (host byte order, padded to 8 bytes).
// A test pins each size. They are only ever copied out of a buffer whose length was checked (BodyReader).
namespace IntegrityFs.Fuse.Protocol;

/// <summary>fuse_in_header.</summary>
internal readonly record struct RequestHeader(
    uint Length, Opcode Opcode, ulong Unique, ulong Node, uint Uid, uint Gid, uint Pid, ushort ExtensionUnits, ushort Padding);

/// <summary>First 16 bytes of fuse_init_in; flags2 follows where the kernel says INIT_EXT.</summary>
internal readonly record struct InitIn(uint Major, uint Minor, uint MaxReadahead, uint Flags);

internal readonly record struct ForgetIn(ulong Lookups);

internal readonly record struct BatchForgetIn(uint Count, uint Padding);

internal readonly record struct ForgetOne(ulong Node, ulong Lookups);

internal readonly record struct GetAttrIn(uint Flags, uint Padding, ulong Handle);

internal readonly record struct SetAttrIn(
    SetAttrValid Valid, uint Padding, ulong Handle, ulong Size, ulong LockOwner, ulong Atime, ulong Mtime, ulong Ctime,
    uint AtimeNanoseconds, uint MtimeNanoseconds, uint CtimeNanoseconds, uint Mode, uint Unused4, uint Uid, uint Gid, uint Unused5);

internal readonly record struct MkNodIn(uint Mode, uint Rdev, uint Umask, uint Padding);

internal readonly record struct MkDirIn(uint Mode, uint Umask);

internal readonly record struct RenameIn(ulong NewParent);

internal readonly record struct Rename2In(ulong NewParent, uint Flags, uint Padding);

internal readonly record struct LinkIn(ulong Node);

internal readonly record struct OpenIn(uint Flags, uint OpenFlags);

internal readonly record struct CreateIn(uint Flags, uint Mode, uint Umask, uint OpenFlags);

internal readonly record struct ReleaseIn(ulong Handle, uint Flags, uint ReleaseFlags, ulong LockOwner);

internal readonly record struct FlushIn(ulong Handle, uint Unused, uint Padding, ulong LockOwner);

/// <summary>READ, READDIR and READDIRPLUS.</summary>
internal readonly record struct ReadIn(
    ulong Handle, ulong Offset, uint Size, uint ReadFlags, ulong LockOwner, uint Flags, uint Padding);

internal readonly record struct WriteIn(
    ulong Handle, ulong Offset, uint Size, WriteFlags WriteFlags, ulong LockOwner, uint Flags, uint Padding);

internal readonly record struct FsyncIn(ulong Handle, uint Flags, uint Padding);

/// <summary>fuse_setxattr_in before SETXATTR_EXT.</summary>
internal readonly record struct SetXattrIn(uint Size, uint Flags);

/// <summary>What SETXATTR_EXT appends to it.</summary>
internal readonly record struct SetXattrExtension(uint Flags, uint Padding);

/// <summary>GETXATTR and LISTXATTR.</summary>
internal readonly record struct GetXattrIn(uint Size, uint Padding);

internal readonly record struct IoctlIn(ulong Handle, uint Flags, uint Command, ulong Argument, uint InSize, uint OutSize);

internal readonly record struct FallocateIn(ulong Handle, ulong Offset, ulong Length, uint Mode, uint Padding);

internal readonly record struct LseekIn(ulong Handle, ulong Offset, uint Whence, uint Padding);

internal readonly record struct CopyFileRangeIn(
    ulong Handle, ulong Offset, ulong TargetNode, ulong TargetHandle, ulong TargetOffset, ulong Length, ulong Flags);

internal readonly record struct StatxIn(uint GetAttrFlags, uint Reserved, ulong Handle, uint Flags, uint Mask);

/// <summary>Head of one extension behind the body: fuse_ext_header, or fuse_secctx_header where
/// <see cref="Type"/> is at most 31 and then the number of security contexts.</summary>
internal readonly record struct ExtensionHeader(uint Size, uint Type)
{
    /// <summary>Types up to here are the count of a security context header.</summary>
    public const uint MaxSecurityContexts = 31;

    /// <summary>The caller's supplementary group that matches the directory's.</summary>
    public const uint Groups = 32;
}

/// <summary>fuse_secctx: name and value follow.</summary>
internal readonly record struct SecurityContextHeader(uint Size, uint Padding);
