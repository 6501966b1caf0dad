using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using IntegrityFs.Cli.Native;
using IntegrityFs.Keys;
using Microsoft.Win32.SafeHandles;

namespace IntegrityFs.Cli;

/// <summary>Asks for a passphrase: on the terminal, else through systemd-ask-password. The bytes are the caller's to
/// zero.</summary>
internal static class PassphrasePrompt
{
    private const int LongestPassphrase = PassphraseCredential.MaxBytes;

    /// <summary>Asks once, or twice where a new passphrase is chosen.</summary>
    public static byte[] Ask(string question, bool confirm = false)
    {
        byte[] first = AskOnce(question);
        if (first.Length == 0)
        {
            throw new CommandFailure(Cause.KeySource, "an empty passphrase is refused");
        }

        if (confirm)
        {
            byte[] second = AskOnce("Again: ");
            bool same = CryptographicOperations.FixedTimeEquals(first, second);
            CryptographicOperations.ZeroMemory(second);
            if (!same)
            {
                CryptographicOperations.ZeroMemory(first);
                throw new CommandFailure(Cause.KeySource, "the passphrases differ");
            }
        }

        return first;
    }

    /// <summary>All of standard input, up to the longest passphrase, without a final newline.</summary>
    public static byte[] ReadAll(Stream stream)
    {
        byte[] buffer = new byte[LongestPassphrase + 1];
        int length = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        byte[] passphrase = WithoutNewline(buffer.AsSpan(0, length));
        CryptographicOperations.ZeroMemory(buffer);
        return passphrase;
    }

    /// <summary>The content of a passphrase file.</summary>
    public static byte[] ReadFile(string path)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
            byte[] passphrase = ReadAll(stream);
            return passphrase.Length is > 0 and <= LongestPassphrase
                ? passphrase
                : throw new CommandFailure(Cause.KeySource, $"{path}: a passphrase has 1 to {LongestPassphrase} bytes");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandFailure(Cause.KeySource, $"cannot read the passphrase file: {e.Message}", e);
        }
    }

    private static byte[] WithoutNewline(ReadOnlySpan<byte> text) =>
        (text.EndsWith("\n"u8) ? text[..^1] : text).ToArray();

    private static byte[] AskOnce(string question) =>
        Console.IsInputRedirected ? AskThroughSystemd(question) : AskOnTerminal(question);

    /// <summary>One line from standard input, a terminal, which does not show what is typed meanwhile.</summary>
    private static byte[] AskOnTerminal(string question)
    {
        using var silence = new SilentTerminal();
        Console.Error.Write(question);
        using Stream input = StandardInput();
        byte[] line = new byte[LongestPassphrase + 1];
        int length = input.Read(line);
        byte[] passphrase = WithoutNewline(line.AsSpan(0, length));
        CryptographicOperations.ZeroMemory(line);
        return passphrase;
    }

    /// <summary>Standard input without the runtime's own line editor, which would show what is typed.</summary>
    public static Stream StandardInput() => new FileStream(new SafeFileHandle(0, ownsHandle: false), FileAccess.Read, 0);

    private static byte[] AskThroughSystemd(string question)
    {
        const string Agent = "systemd-ask-password";
        if (!Directory.Exists("/run/systemd/system"))
        {
            // Without systemd nobody would answer.
            throw NobodyToAsk();
        }

        try
        {
            using var process = Process.Start(new ProcessStartInfo(Agent)
            {
                ArgumentList = { "--id=integrityfs", "--timeout=90", question },
                RedirectStandardOutput = true,
                UseShellExecute = false,
            })!;
            byte[] passphrase = ReadAll(process.StandardOutput.BaseStream);
            process.WaitForExit();
            return process.ExitCode == 0
                ? passphrase
                : throw new CommandFailure(Cause.KeySource, "no passphrase: standard input is no terminal and systemd-ask-password gave none; use a key file");
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw NobodyToAsk(e);
        }
    }

    private static CommandFailure NobodyToAsk(Exception? reason = null) =>
        new(Cause.KeySource, "no key: give a key file (--key-file FILE, -o keyfile=FILE); there is no terminal to ask for a passphrase on", reason);
}
