namespace IntegrityFs.Fuse.Protocol;

/// <summary>Abilities that kernel and server agree on in INIT. Bits 32 and up travel in flags2 and count only
/// together with <see cref="Extended"/>.</summary>
[Flags]
internal enum InitFlags : ulong
{
    None = 0,
    AsyncRead = 1UL << 0,
    PosixLocks = 1UL << 1,
    AtomicTruncate = 1UL << 3,
    ExportSupport = 1UL << 4,
    BigWrites = 1UL << 5,
    DontMask = 1UL << 6,
    FlockLocks = 1UL << 10,
    IoctlOnDirectories = 1UL << 11,
    AutoInvalidateData = 1UL << 12,
    ReadDirPlus = 1UL << 13,
    ReadDirPlusAuto = 1UL << 14,
    AsyncDirectIo = 1UL << 15,
    WritebackCache = 1UL << 16,
    NoOpen = 1UL << 17,
    ParallelDirectoryOperations = 1UL << 18,
    HandleKillPrivileges = 1UL << 19,
    PosixAcl = 1UL << 20,
    AbortError = 1UL << 21,
    MaxPages = 1UL << 22,
    CacheSymlinks = 1UL << 23,
    NoOpenDir = 1UL << 24,
    ExplicitInvalidateData = 1UL << 25,
    HandleKillPrivilegesV2 = 1UL << 28,
    SetXattrExtended = 1UL << 29,
    Extended = 1UL << 30,
    SecurityContext = 1UL << 32,
    CreateSupplementaryGroup = 1UL << 34,
    Passthrough = 1UL << 37,
    AllowIdMapping = 1UL << 40,
    OverIoUring = 1UL << 41,
    RequestTimeout = 1UL << 42,
}

/// <summary>fuse_setattr_in.valid.</summary>
[Flags]
internal enum SetAttrValid : uint
{
    Mode = 1 << 0,
    Uid = 1 << 1,
    Gid = 1 << 2,
    Size = 1 << 3,
    Atime = 1 << 4,
    Mtime = 1 << 5,
    Handle = 1 << 6,
    AtimeNow = 1 << 7,
    MtimeNow = 1 << 8,
    LockOwner = 1 << 9,
    Ctime = 1 << 10,
    KillSuidSgid = 1 << 11,
}

/// <summary>fuse_open_out.open_flags: what the kernel may keep of an open file.</summary>
[Flags]
internal enum OpenReply : uint
{
    None = 0,
    DirectIo = 1 << 0,
    KeepCache = 1 << 1,
    CacheDirectory = 1 << 3,
    NoFlush = 1 << 5,
}

/// <summary>fuse_write_in.write_flags.</summary>
[Flags]
internal enum WriteFlags : uint
{
    FromPageCache = 1 << 0,
    LockOwner = 1 << 1,
    KillSuidSgid = 1 << 2,
}

/// <summary>Single bits and numbers of the protocol and of open(2).</summary>
internal static class Bits
{
    public const uint OpenKillSuidSgid = 1;
    public const uint FsyncDataOnly = 1;
    public const uint SetXattrKillSgid = 1;

    public const uint AccessModeMask = 3;
    public const uint ReadOnly = 0;
    public const uint WriteOnly = 1;
    public const uint Exclusive = 0x80;
    public const uint Truncate = 0x200;

    public const uint SeekData = 3;
    public const uint SeekHole = 4;

    /// <summary>_IOR('f', 1, long), and its form for 32-bit callers.</summary>
    public const uint GetInodeFlags = 0x80086601;
    public const uint GetInodeFlags32 = 0x80046601;

    public const uint StatxBasic = 0x7ff;
    public const uint StatxBtime = 0x800;
    public const ulong StatxImmutable = 0x10;
    public const ulong StatxAppend = 0x20;
    public const ulong StatxNoDump = 0x40;
    public const uint InodeImmutable = 0x10;
    public const uint InodeAppend = 0x20;
    public const uint InodeNoDump = 0x40;
}

/// <summary>Error numbers that only this floor answers with.</summary>
internal static class KernelError
{
    public const int NotTerminal = 25;
    public const int Protocol = 71;
}
