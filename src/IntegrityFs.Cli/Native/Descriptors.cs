using Microsoft.Win32.SafeHandles;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Native;

/// <summary>File descriptors that another process is to inherit.</summary>
internal static unsafe class Descriptors
{
    private const int Safe = 10;

    /// <summary>A pipe that no child gets by accident.</summary>
    public static (SafeFileHandle Read, SafeFileHandle Write) OpenPipe()
    {
        int* ends = stackalloc int[2];
        return pipe2(ends, O_CLOEXEC) == 0
            ? (new SafeFileHandle(ends[0], true), new SafeFileHandle(ends[1], true))
            : throw new CommandFailure(Cause.System, "cannot make a pipe");
    }

    /// <summary>A second descriptor above those that a child's standard ones replace.</summary>
    public static SafeFileHandle Raise(SafeFileHandle handle)
    {
        int copy = fcntl(Number(handle), F_DUPFD_CLOEXEC, Safe);
        return copy >= 0
            ? new SafeFileHandle(copy, true)
            : throw new CommandFailure(Cause.System, "cannot duplicate a descriptor");
    }

    public static int Number(SafeFileHandle handle) => (int)handle.DangerousGetHandle();
}
