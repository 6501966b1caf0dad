using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Native;

/// <summary>Another process, held by a descriptor (pidfd_open(2)): its number cannot come to mean another one, and its end
/// is the end of its last thread. /proc shows a zombie as soon as the first thread is gone, while others may still hold
/// the process's files, and the locks on them.</summary>
internal sealed unsafe class RunningProcess : IDisposable
{
    private const int PidFdOpen = 434; // the same number on every architecture
    private const short Readable = 1; // POLLIN

    private readonly SafeFileHandle _handle;

    private RunningProcess(SafeFileHandle handle) => _handle = handle;

    /// <summary>The process with this number.</summary>
    /// <returns>Null where it has ended.</returns>
    /// <exception cref="CommandFailure">The kernel lacks pidfd_open (before Linux 5.3).</exception>
    public static RunningProcess? Open(int process)
    {
        long descriptor = Posix.SystemCall(PidFdOpen, process, 0);
        if (descriptor >= 0)
        {
            return new RunningProcess(new SafeFileHandle((nint)descriptor, true));
        }

        int error = Marshal.GetLastPInvokeError();
        return error == ESRCH
            ? null
            : throw new CommandFailure(Cause.System, $"pidfd_open: {Posix.Describe(error)}");
    }

    /// <summary>Waits until the process has ended, with all its threads, and its files are closed.</summary>
    /// <param name="patience">In whole milliseconds, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <returns>Whether it has ended.</returns>
    public bool WaitForEnd(TimeSpan patience)
    {
        var poll = new PollDescriptor { Number = Descriptors.Number(_handle), Events = Readable };
        int result;
        do
        {
            result = Posix.Poll(&poll, 1, (int)patience.TotalMilliseconds);
        }
        while (result < 0 && Marshal.GetLastPInvokeError() == EINTR);

        return result > 0;
    }

    public void Dispose() => _handle.Dispose();
}
