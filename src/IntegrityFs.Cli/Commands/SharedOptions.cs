using System.CommandLine;

namespace IntegrityFs.Cli.Commands;

/// <summary>Options that several sub-commands have, so that they are called the same everywhere.</summary>
internal static class SharedOptions
{
    /// <summary>How the complaint about a misspelt option begins.</summary>
    public const string UnknownOption = "unknown option";

    /// <summary>The volume.</summary>
    public static Argument<string> Volume() => Checked(new Argument<string>("IMAGE_OR_DEVICE") { Description = "Image file or block device" });

    public static Option<bool> Json() => new("--json") { Description = "Print JSON" };

    /// <summary>An argument that is not a misspelt option.</summary>
    public static Argument<string> Checked(Argument<string> argument)
    {
        argument.Validators.Add(static result =>
        {
            foreach (System.CommandLine.Parsing.Token token in result.Tokens)
            {
                if (token.Value.StartsWith('-'))
                {
                    result.AddError($"{UnknownOption} '{token.Value}'");
                }
            }
        });
        return argument;
    }
}

/// <summary>The three ways to say where the key comes from.</summary>
internal sealed class KeyOptions
{
    private readonly Option<string?> _keyFile;
    private readonly Option<bool> _passphrase;
    private readonly Option<string?> _passphraseFile;

    /// <param name="prefix">"" or, where two keys are named, a word with a dash ("new-").</param>
    public KeyOptions(string prefix = "")
    {
        string which = prefix.Length == 0 ? "" : " of the new slot";
        _keyFile = new Option<string?>($"--{prefix}key-file") { Description = $"File with the key{which}; also keyring:NAME or credential:NAME", HelpName = "FILE" };
        _passphrase = new Option<bool>($"--{prefix}passphrase") { Description = $"Ask for the passphrase{which}" };
        _passphraseFile = new Option<string?>($"--{prefix}passphrase-file") { Description = $"File with the passphrase{which}", HelpName = "FILE" };
        if (prefix.Length == 0)
        {
            _keyFile.Aliases.Add("--keyfile");
            _keyFile.Aliases.Add("-k");
        }
    }

    public void AddTo(Command command)
    {
        command.Add(_keyFile);
        command.Add(_passphrase);
        command.Add(_passphraseFile);
        command.Validators.Add(result =>
        {
            int named = (result.GetResult(_keyFile) is null ? 0 : 1)
                + (result.GetResult(_passphrase) is null ? 0 : 1)
                + (result.GetResult(_passphraseFile) is null ? 0 : 1);
            if (named > 1)
            {
                result.AddError($"only one of {_keyFile.Name}, {_passphrase.Name} and {_passphraseFile.Name}");
            }
        });
    }

    public KeySource Get(ParseResult parsed) =>
        parsed.GetValue(_keyFile) is { } keyFile ? new KeySource.KeyFile(keyFile)
        : parsed.GetValue(_passphraseFile) is { } passphraseFile ? new KeySource.PassphraseFile(passphraseFile)
        : parsed.GetValue(_passphrase) ? new KeySource.Prompt()
        : new KeySource.Unspecified();
}
