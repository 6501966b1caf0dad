using System.Runtime.InteropServices;

namespace IntegrityFs.Fuse;

/// <summary>System calls that Tmds.LibC lacks.</summary>
internal static partial class Native
{
    private const int SetIoFlusher = 57;

    /// <summary>Tells the kernel that this thread serves I/O, so that its own allocations never wait for that I/O.
    /// Best effort: needs CAP_SYS_RESOURCE.</summary>
    public static void MarkThreadAsIoFlusher() => _ = prctl(SetIoFlusher, 1, 0, 0, 0);

#pragma warning disable SA1300, IDE1006 // the C library's name
    [LibraryImport("libc")]
    private static partial int prctl(int option, nuint arg2, nuint arg3, nuint arg4, nuint arg5);
#pragma warning restore SA1300, IDE1006
}
