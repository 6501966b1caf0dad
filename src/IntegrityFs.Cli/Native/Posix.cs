using System.Runtime.InteropServices;

namespace IntegrityFs.Cli.Native;

/// <summary>The system calls that Tmds.LibC lacks, as thin as they can be.</summary>
internal static unsafe partial class Posix
{
    public const int PrSetDumpable = 4;
    public const int PrSetIoFlusher = 57;
    public const int SpawnSetSession = 0x80;
    public const int Interrupted = 4;

    private const string LibC = "libc.so.6";

    [LibraryImport(LibC, EntryPoint = "prctl")]
    public static partial int ProcessControl(int option, nuint argument, nuint argument3, nuint argument4, nuint argument5);

    [LibraryImport(LibC, EntryPoint = "waitpid", SetLastError = true)]
    public static partial int WaitForProcess(int process, int* status, int options);

    [LibraryImport(LibC, EntryPoint = "realpath", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint RealPathNative(string path, nint buffer);

    [LibraryImport(LibC, EntryPoint = "free")]
    private static partial void Free(nint memory);

    [LibraryImport(LibC, EntryPoint = "posix_spawn", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Spawn(int* process, string path, void* fileActions, void* attributes, byte** arguments, byte** environment);

    [LibraryImport(LibC, EntryPoint = "posix_spawn_file_actions_init")]
    public static partial int FileActionsInit(void* actions);

    [LibraryImport(LibC, EntryPoint = "posix_spawn_file_actions_destroy")]
    public static partial int FileActionsDestroy(void* actions);

    [LibraryImport(LibC, EntryPoint = "posix_spawn_file_actions_adddup2")]
    public static partial int FileActionsDuplicate(void* actions, int descriptor, int target);

    [LibraryImport(LibC, EntryPoint = "posix_spawnattr_init")]
    public static partial int AttributesInit(void* attributes);

    [LibraryImport(LibC, EntryPoint = "posix_spawnattr_setflags")]
    public static partial int AttributesSetFlags(void* attributes, short flags);

    [LibraryImport(LibC, EntryPoint = "posix_spawnattr_destroy")]
    public static partial int AttributesDestroy(void* attributes);

    [LibraryImport(LibC, EntryPoint = "tcgetattr")]
    public static partial int GetTerminal(int descriptor, byte* attributes);

    [LibraryImport(LibC, EntryPoint = "tcsetattr")]
    public static partial int SetTerminal(int descriptor, int when, byte* attributes);

    [LibraryImport(LibC, EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int UnmountNative(string target, int flags);

    [LibraryImport(LibC, EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MountNative(string source, string target, string type, nuint flags, string data);

    [LibraryImport(LibC, EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    [LibraryImport(LibC, EntryPoint = "syscall", SetLastError = true)]
    public static partial long SystemCall(nint number, nint first, nint second);

    [LibraryImport(LibC, EntryPoint = "poll", SetLastError = true)]
    public static partial int Poll(PollDescriptor* descriptors, ulong count, int milliseconds);

    /// <summary>umount2(2); the error number, 0 where it went well.</summary>
    public static int Unmount(string target, int flags) => UnmountNative(target, flags) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>mount(2) with MS_REMOUNT among the flags; the error number, 0 where it went well.</summary>
    public static int Remount(string target, ulong flags) =>
        MountNative("none", target, "none", (nuint)flags, "") == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>The path without links, "." and ".."; null where it does not exist.</summary>
    public static string? RealPath(string path)
    {
        nint result = RealPathNative(path, 0);
        if (result == 0)
        {
            return null;
        }

        string? text = Marshal.PtrToStringUTF8(result);
        Free(result);
        return text;
    }

    /// <summary>"No such file or directory" for 2.</summary>
    public static string Describe(int errno) => Marshal.GetPInvokeErrorMessage(errno);
}

/// <summary>struct pollfd of poll(2).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PollDescriptor
{
    public int Number;
    public short Events;
    public short Result;
}
