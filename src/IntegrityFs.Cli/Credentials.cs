using System.Security.Cryptography;
using IntegrityFs.Keys;

namespace IntegrityFs.Cli;

/// <summary>Turns what the user said about the key into a credential.</summary>
internal static class Credentials
{
    // Names that are no files: of a systemd credential, and of a key in the kernel's keyrings.
    private const string CredentialPrefix = "credential:";
    private const string KeyringPrefix = "keyring:";

    /// <summary>The credential that is to open an existing volume.</summary>
    /// <param name="source">What was said.</param>
    /// <param name="volume">The volume's UUID, for the conventional places.</param>
    /// <param name="name">The volume, for the question.</param>
    public static Credential Open(KeySource source, Guid volume, string name)
    {
        if (source is not KeySource.Unspecified)
        {
            return Get(source, $"Passphrase for {name}: ", confirm: false);
        }

        string? conventional = Conventional(volume);
        return conventional is null
            ? Get(new KeySource.Prompt(), $"Passphrase for {name}: ", confirm: false)
            : new KeyFileCredential(conventional);
    }

    /// <summary>The credential of a new slot: it must be named.</summary>
    public static Credential ForNewSlot(KeySource source, string options) => source is KeySource.Unspecified
        ? throw new CommandFailure(Cause.Usage, $"name the new key: {options}")
        : Get(source, "New passphrase: ", confirm: true);

    /// <summary>The first key file at a conventional place; null where there is none.</summary>
    public static string? Conventional(Guid volume) =>
        KeySource.ConventionalKeyFiles(volume, Environment.GetEnvironmentVariable("CREDENTIALS_DIRECTORY")).FirstOrDefault(File.Exists);

    /// <summary>Asks now where it would have to be asked for, before a progress display takes the terminal.</summary>
    public static KeySource AskNow(KeySource source, string path)
    {
        bool asks = source is KeySource.Prompt || (source is KeySource.Unspecified && HasNoConventional(path));
        return asks ? new KeySource.Given(PassphrasePrompt.Ask($"Passphrase for {path}: ")) : source;
    }

    /// <summary>False also where there is no volume to look for: whoever opens it says why.</summary>
    private static bool HasNoConventional(string path)
    {
        try
        {
            return Conventional(VolumeHeader.ReadFrom(path).Superblock.Uuid) is null;
        }
        catch (CommandFailure)
        {
            return false;
        }
    }

    /// <summary>A key file's name for a process with another working directory. "credential:NAME" and "keyring:NAME"
    /// stay.</summary>
    public static string AbsoluteKeyFile(string path) =>
        path.StartsWith(CredentialPrefix, StringComparison.Ordinal) || path.StartsWith(KeyringPrefix, StringComparison.Ordinal) ? path : Path.GetFullPath(path);

    private static Credential Get(KeySource source, string question, bool confirm)
    {
        if (source is KeySource.KeyFile file)
        {
            return KeyMaterialCredential.OpenSource(file.Path);
        }

        byte[] passphrase = source switch
        {
            KeySource.PassphraseFile passphraseFile => PassphrasePrompt.ReadFile(passphraseFile.Path),
            KeySource.Given given => given.Passphrase,
            KeySource.StandardInput => PassphrasePrompt.ReadAll(PassphrasePrompt.StandardInput()),
            _ => PassphrasePrompt.Ask(question, confirm),
        };
        try
        {
            return new PassphraseCredential(passphrase);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(passphrase);
        }
    }
}
