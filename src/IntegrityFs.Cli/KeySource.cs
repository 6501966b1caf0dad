namespace IntegrityFs.Cli;

/// <summary>Where the key comes from. Never the secret itself: what a user writes on a command line or in fstab is
/// readable by others.</summary>
internal abstract record KeySource
{
    private KeySource()
    {
    }

    /// <summary>A file of key bytes.</summary>
    public sealed record KeyFile(string Path) : KeySource;

    /// <summary>A file that holds a passphrase (one final newline does not count).</summary>
    public sealed record PassphraseFile(string Path) : KeySource;

    /// <summary>A passphrase asked for on the terminal, or through systemd-ask-password where there is none.</summary>
    public sealed record Prompt : KeySource;

    /// <summary>The passphrase that the launcher asked for, on standard input.</summary>
    public sealed record StandardInput : KeySource;

    /// <summary>A passphrase that has been asked for already; whoever uses it zeroes it.</summary>
    public sealed record Given(byte[] Passphrase) : KeySource;

    /// <summary>Nothing said: a systemd credential or the conventional key file of the volume, else the prompt.</summary>
    public sealed record Unspecified : KeySource;

    /// <summary>Where to look when nothing was said, in this order.</summary>
    /// <param name="volume">The volume's UUID.</param>
    /// <param name="credentials">$CREDENTIALS_DIRECTORY, or null.</param>
    public static IEnumerable<string> ConventionalKeyFiles(Guid volume, string? credentials)
    {
        if (!string.IsNullOrEmpty(credentials))
        {
            yield return Path.Combine(credentials, $"integrityfs.{volume:D}.key");
            yield return Path.Combine(credentials, "integrityfs.key");
        }

        yield return $"/etc/integrityfs/keys.d/{volume:D}.key";
    }
}
