using System.Diagnostics;
using System.Globalization;
using System.Text;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Serving;
using Tmds.Linux;

namespace IntegrityFs.Fuse.Mounting;

/// <summary>Mounting through the set-user-id program fusermount3, for everybody else.</summary>
internal static unsafe class UserMount
{
    private const string Program = "fusermount3";

    /// <summary>Mounts and receives the attached descriptor.</summary>
    /// <exception cref="FuseMountException">fusermount3 is missing or refused.</exception>
    public static FuseDevice Mount(FuseMountOptions options, string target, int maxTransfer)
    {
        int* pair = stackalloc int[2];
        if (LibC.socketpair(LibC.AF_UNIX, LibC.SOCK_STREAM, 0, pair) != 0)
        {
            throw new FuseMountException("cannot create a socket for fusermount3", LibC.errno);
        }

        int ours = pair[0];
        int theirs = pair[1];
        try
        {
            _ = LibC.fcntl(ours, LibC.F_SETFD, LibC.FD_CLOEXEC);
            using Process process = Start(["-o", Options(options, maxTransfer), "--", target], theirs);
            _ = LibC.close(theirs);
            theirs = -1;
            int descriptor = Receive(ours);
            string complaint = process.StandardError.ReadToEnd().Trim();
            process.WaitForExit();
            return descriptor >= 0
                ? new FuseDevice(descriptor)
                : throw new FuseMountException($"cannot mount on {target}: {FirstLine(complaint)}", 0);
        }
        finally
        {
            _ = LibC.close(ours);
            if (theirs >= 0)
            {
                _ = LibC.close(theirs);
            }
        }
    }

    /// <summary>Unmounts.</summary>
    public static Errno Unmount(string target, bool lazy)
    {
        using Process process = Start(lazy ? ["-u", "-z", "-q", "--", target] : ["-u", "-q", "--", target], -1);
        _ = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? Errno.OK : Errno.EBUSY;
    }

    /// <summary>The option string; commas and backslashes in the source are escaped.</summary>
    internal static string Options(FuseMountOptions options, int maxTransfer)
    {
        var text = new StringBuilder();
        text.AppendJoin(',', MountFlagNames.Format(options.Flags));
        text.Append(",nosuid,nodev,default_permissions");
        text.Append(options.AllowOther ? ",allow_other" : string.Empty);
        text.Append(CultureInfo.InvariantCulture, $",max_read={maxTransfer}");
        text.Append(options.Subtype.Length == 0 ? string.Empty : ",subtype=" + Escape(options.Subtype));
        text.Append(",fsname=").Append(Escape(options.Source));
        return text.ToString();
    }

    private static string Escape(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(",", "\\,", StringComparison.Ordinal);

    private static string FirstLine(string complaint)
    {
        string line = complaint.Split('\n')[0];
        return line.Length == 0 ? $"{Program} gave no descriptor" : line;
    }

    private static Process Start(string[] arguments, int socket)
    {
        var start = new ProcessStartInfo(Program, arguments) { RedirectStandardError = true, UseShellExecute = false };
        if (socket >= 0)
        {
            start.Environment["_FUSE_COMMFD"] = socket.ToString(CultureInfo.InvariantCulture);
        }

        try
        {
            return Process.Start(start) ?? throw new FuseMountException($"cannot start {Program}", 0);
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            throw new FuseMountException($"mounting without root needs {Program}", missing.NativeErrorCode);
        }
    }

    // One byte comes along with the descriptor; an end of file without one means that the mount failed.
    private static int Receive(int socket)
    {
        byte data;
        var vector = new iovec { iov_base = &data, iov_len = 1 };
        byte* control = stackalloc byte[64];
        new Span<byte>(control, 64).Clear();
        var message = new msghdr { msg_iov = &vector, msg_iovlen = 1, msg_control = control, msg_controllen = 64 };
        long received;
        do
        {
            received = LibC.recvmsg(socket, &message, LibC.MSG_CMSG_CLOEXEC);
        }
        while (received < 0 && LibC.errno == LibC.EINTR);

        if (received <= 0)
        {
            return -1;
        }

        // struct cmsghdr on 64-bit Linux: length (8 bytes), level (4), type (4), then the descriptor. Read by offset: the
        // library's CMSG_ macros do not find it.
        const int LevelOffset = 8;
        const int TypeOffset = 12;
        const int DataOffset = 16;
        bool carries = *(ulong*)control >= DataOffset + sizeof(int)
            && *(int*)(control + LevelOffset) == LibC.SOL_SOCKET && *(int*)(control + TypeOffset) == LibC.SCM_RIGHTS;
        return carries ? *(int*)(control + DataOffset) : -1;
    }
}
