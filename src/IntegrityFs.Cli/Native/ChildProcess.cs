using System.Runtime.InteropServices;

namespace IntegrityFs.Cli.Native;

/// <summary>Starts a process of its own session whose three standard descriptors, and one more, are given. Uses
/// posix_spawn: a runtime with threads must not fork.</summary>
internal static unsafe class ChildProcess
{
    /// <summary>The descriptor that the child finds the extra one at.</summary>
    public const int ExtraDescriptor = 3;

    /// <summary>Starts <paramref name="path"/>; returns the process id.</summary>
    public static int Start(string path, IReadOnlyList<string> arguments, int input, int output, int error, int extra)
    {
        // The sizes of glibc's structures are 80 and 336 bytes on 64-bit systems.
        byte* actions = stackalloc byte[1024];
        byte* attributes = stackalloc byte[1024];
        byte** argv = MakeVector(arguments);
        byte** environment = MakeVector(Environment());
        try
        {
            Check(Posix.FileActionsInit(actions));
            Check(Posix.AttributesInit(attributes));
            Check(Posix.AttributesSetFlags(attributes, Posix.SpawnSetSession));

            // dup2 onto itself would leave close-on-exec set, so the sources all lie above the targets.
            Check(Posix.FileActionsDuplicate(actions, input, 0));
            Check(Posix.FileActionsDuplicate(actions, output, 1));
            Check(Posix.FileActionsDuplicate(actions, error, 2));
            Check(Posix.FileActionsDuplicate(actions, extra, ExtraDescriptor));
            int process;
            Check(Posix.Spawn(&process, path, actions, attributes, argv, environment));
            _ = Posix.FileActionsDestroy(actions);
            _ = Posix.AttributesDestroy(attributes);
            return process;
        }
        finally
        {
            FreeVector(argv);
            FreeVector(environment);
        }
    }

    /// <summary>Waits for the end of a child; its exit status, or 128 plus the signal.</summary>
    public static int Wait(int process)
    {
        int status;
        while (Posix.WaitForProcess(process, &status, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() != Posix.Interrupted)
            {
                return -1;
            }
        }

        return (status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
    }

    internal static List<string> Environment()
    {
        var list = new List<string>();
        foreach (System.Collections.DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
        {
            list.Add($"{entry.Key}={entry.Value}");
        }

        return list;
    }

    internal static byte** MakeVector(IReadOnlyList<string> texts)
    {
        var vector = (byte**)NativeMemory.AllocZeroed((nuint)texts.Count + 1, (nuint)sizeof(byte*));
        for (int i = 0; i < texts.Count; i++)
        {
            vector[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
        }

        return vector;
    }

    internal static void FreeVector(byte** vector)
    {
        for (int i = 0; vector[i] != null; i++)
        {
            Marshal.FreeCoTaskMem((nint)vector[i]);
        }

        NativeMemory.Free(vector);
    }

    private static void Check(int error)
    {
        if (error != 0)
        {
            throw new CommandFailure(Cause.System, $"cannot start the daemon: {Posix.Describe(error)}");
        }
    }
}
