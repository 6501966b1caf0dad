// What is asked of the kernel and why:
//   MaxPages, BigWrites, AsyncRead, AsyncDirectIo  1 MiB requests, several at a time.
//   ParallelDirectoryOperations                    the file system has its own gate.
//   AtomicTruncate                                 open(O_TRUNC) is one request, hence one atomic operation.
//   ExplicitInvalidateData                         the server is the only writer: cached pages stay.
//   HandleKillPrivilegesV2                         no GETXATTR before each write; set-id bits fall in the same operation.
//   PosixAcl, DontMask                             ACLs are kept here, and with a default ACL the umask must not apply.
//   AbortError                                     an aborted connection can be told from an unmounted one.
//   NoOpenDir                                      OPENDIR is answered ENOSYS once: directories have no handle.
//   SecurityContext                                labels arrive with the request that creates the inode.
// Never asked for: POSIX and flock locks (the kernel's local ones cost no request), AutoInvalidateData, Passthrough
// (it would bypass the HMACs), CreateSupplementaryGroup (the kernel decides who may create).
using IntegrityFs.Fuse.Protocol;

namespace IntegrityFs.Fuse.Serving;

/// <summary>What kernel and server agreed on.</summary>
internal sealed record Agreement(uint Minor, InitFlags Flags, int MaxTransfer)
{
    /// <summary>Before INIT: nothing.</summary>
    public static readonly Agreement None = new(0, InitFlags.None, 0);

    public bool Has(InitFlags flag) => (Flags & flag) != 0;
}

/// <summary>Answers INIT. A pure function of the request and the options.</summary>
internal static class InitNegotiation
{
    public const uint Major = 7;

    /// <summary>Newest protocol that this server knows (Linux 6.18).</summary>
    public const uint NewestMinor = 45;

    /// <summary>Oldest one that it serves (Linux 5.4).</summary>
    public const uint OldestMinor = 31;

    /// <summary>Largest request without MaxPages: 32 pages.</summary>
    public const int SmallTransfer = 32 * 4096;

    private const InitFlags Wanted = InitFlags.AsyncRead | InitFlags.AtomicTruncate | InitFlags.ExportSupport
        | InitFlags.BigWrites | InitFlags.DontMask | InitFlags.IoctlOnDirectories | InitFlags.ReadDirPlus
        | InitFlags.ReadDirPlusAuto | InitFlags.AsyncDirectIo | InitFlags.ParallelDirectoryOperations
        | InitFlags.PosixAcl | InitFlags.AbortError | InitFlags.MaxPages | InitFlags.CacheSymlinks | InitFlags.NoOpenDir
        | InitFlags.ExplicitInvalidateData | InitFlags.HandleKillPrivilegesV2 | InitFlags.SetXattrExtended
        | InitFlags.Extended | InitFlags.SecurityContext;

    /// <summary>The reply, and the agreement that it makes. Null where the kernel's protocol is too old (EPROTO), or
    /// where it is a newer major version: then the reply (which names ours) is to be sent and INIT comes again.</summary>
    public static Agreement? Negotiate(in InitIn request, uint flags2, FuseServerOptions options, out InitOut reply)
    {
        reply = default;
        reply.Major = Major;
        reply.Minor = Math.Min(request.Minor, NewestMinor);
        if (request.Major != Major || request.Minor < OldestMinor)
        {
            return null;
        }

        InitFlags granted = Grant(request.Flags, flags2, options);
        int transfer = (granted & InitFlags.MaxPages) != 0
            ? options.MaxTransfer
            : Math.Min(options.MaxTransfer, SmallTransfer);
        reply.MaxReadahead = request.MaxReadahead;
        reply.Flags = (uint)granted;
        reply.Flags2 = (uint)((ulong)granted >> 32);
        reply.MaxBackground = (ushort)options.MaxBackground;
        reply.CongestionThreshold = (ushort)Math.Max(1, options.MaxBackground * 3 / 4);
        reply.MaxWrite = (uint)transfer;
        reply.MaxPages = (granted & InitFlags.MaxPages) != 0 ? (ushort)(transfer / PageBuffer.PageSize) : (ushort)0;
        reply.TimeGranularity = 1;
        return new Agreement(reply.Minor, granted, transfer);
    }

    private static InitFlags Grant(uint flags, uint flags2, FuseServerOptions options)
    {
        var offered = (InitFlags)flags;
        if ((offered & InitFlags.Extended) != 0)
        {
            offered |= (InitFlags)((ulong)flags2 << 32);
        }

        InitFlags wanted = options.Writeback ? Wanted | InitFlags.WritebackCache : Wanted;
        return offered & wanted;
    }
}
