using System.Runtime.InteropServices;
using System.Security.Cryptography;
using IntegrityFs.Cli.Native;
using Microsoft.Win32.SafeHandles;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Daemon;

/// <summary>Starts the daemon and waits until it serves or has said why not. The daemon is a new process of the same
/// program (a runtime with threads cannot fork); a status pipe carries its reports, and standard input a passphrase
/// where one was asked for.</summary>
internal static class Launcher
{
    /// <summary>Hidden first argument of the daemon.</summary>
    public const string DaemonVerb = "serve-internal";

    /// <summary>Runs until the daemon is ready; returns why it is not, or None.</summary>
    /// <param name="arguments">The daemon's, without its verb.</param>
    /// <param name="passphrase">Handed over on standard input and zeroed; null for none.</param>
    /// <param name="print">Receives the daemon's lines.</param>
    /// <param name="verb">The daemon's hidden verb.</param>
    public static Cause Run(IReadOnlyList<string> arguments, byte[]? passphrase, Action<string> print, string verb = DaemonVerb)
    {
        (SafeFileHandle reportsOut, SafeFileHandle reportsIn) = Descriptors.OpenPipe();
        (SafeFileHandle secretOut, SafeFileHandle secretIn) = Descriptors.OpenPipe();
        int process;
        using (SafeFileHandle nothing = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            // The daemon must not wait for its own write-back when memory is short. The mark is inherited; it needs a
            // privilege, and is a precaution where that is missing.
            _ = Posix.ProcessControl(Posix.PrSetIoFlusher, 1, 0, 0, 0);
            using SafeFileHandle input = Descriptors.Raise(secretOut), output = Descriptors.Raise(nothing), reports = Descriptors.Raise(reportsIn);
            process = ChildProcess.Start(Self(), DaemonArguments(verb, arguments), Descriptors.Number(input), Descriptors.Number(output), Descriptors.Number(output), Descriptors.Number(reports));
        }

        reportsIn.Dispose();
        secretOut.Dispose();
        Hand(secretIn, passphrase);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Stop(context, process));
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Stop(context, process));
        using var stream = new FileStream(reportsOut, FileAccess.Read, 0);
        return Follow(stream, process, print);
    }

    /// <summary>Reads reports until one decides.</summary>
    private static Cause Follow(FileStream stream, int process, Action<string> print)
    {
        while (StatusFrame.Read(stream) is { } report)
        {
            switch (report.Kind)
            {
                case StatusKind.Note:
                    print(report.Text);
                    break;
                case StatusKind.Ready:
                    return Cause.None;
                default:
                    print(report.Text);
                    ChildProcess.Wait(process);
                    return report.Cause;
            }
        }

        int status = ChildProcess.Wait(process);
        print(status > 128
            ? $"the daemon was killed by signal {status - 128} before it was ready"
            : $"the daemon ended with status {status} before it was ready");
        return Cause.Internal;
    }

    private static void Stop(PosixSignalContext context, int process)
    {
        context.Cancel = true;
        _ = kill(process, SIGTERM);
    }

    /// <summary>What comes before the first argument: under the dotnet host, the program's file.</summary>
    internal static IEnumerable<string> Leading() => IsNative() ? [] : [Path.Combine(AppContext.BaseDirectory, "integrityfs.dll")];

    internal static string Self() => Environment.ProcessPath ?? "/proc/self/exe";

    /// <summary>argv of the daemon. In an initrd its name starts with '@', which tells systemd to leave a storage daemon
    /// alive while the root changes. Under the dotnet host the program's file comes first.</summary>
    private static List<string> DaemonArguments(string verb, IReadOnlyList<string> arguments)
    {
        var argv = new List<string> { File.Exists("/etc/initrd-release") ? "@integrityfs" : "integrityfs" };
        if (!IsNative())
        {
            argv.Add(Path.Combine(AppContext.BaseDirectory, "integrityfs.dll"));
        }

        argv.Add(verb);
        argv.AddRange(arguments);
        return argv;
    }

    private static bool IsNative() => Path.GetFileName(Self()) != "dotnet";

    private static void Hand(SafeFileHandle pipe, byte[]? passphrase)
    {
        using var stream = new FileStream(pipe, FileAccess.Write, 0);
        if (passphrase is not null)
        {
            try
            {
                stream.Write(passphrase);
            }
            catch (IOException)
            {
                // The daemon has gone; its status tells.
            }

            CryptographicOperations.ZeroMemory(passphrase);
        }
    }
}
