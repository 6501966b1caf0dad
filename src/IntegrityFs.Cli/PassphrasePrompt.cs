using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using IntegrityFs.Keys;

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

    private static byte[] AskOnTerminal(string question)
    {
        char[] typed = new char[LongestPassphrase];
        int length = 0;
        Console.Error.Write(question);
        while (true)
        {
            ConsoleKeyInfo key = Console.ReadKey(intercept: true);
            if (key.Key == ConsoleKey.Enter)
            {
                break;
            }

            if (key.Key == ConsoleKey.Backspace)
            {
                length = Math.Max(0, length - 1);
            }
            else if (key.KeyChar != '\0' && length < typed.Length)
            {
                typed[length++] = key.KeyChar;
            }
        }

        Console.Error.WriteLine();
        byte[] passphrase = Encoding.UTF8.GetBytes(typed, 0, length);
        Array.Clear(typed);
        return passphrase;
    }

    private static byte[] AskThroughSystemd(string question)
    {
        const string Agent = "systemd-ask-password";
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
            throw new CommandFailure(Cause.KeySource, "no key: give a key file (--key-file, -o keyfile=); there is no terminal to ask for a passphrase on", e);
        }
    }
}
