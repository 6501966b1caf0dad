using System.CommandLine;
using System.CommandLine.Completions;

namespace IntegrityFs.Cli.Commands;

/// <summary>What can follow a command, taken from the command line's own definition.</summary>
/// <param name="Path">"" or, for example, "key add".</param>
/// <param name="Words">Sub-commands, or the words that an argument can be.</param>
/// <param name="Options">The options.</param>
internal sealed record CompletionLevel(string Path, IReadOnlyList<string> Words, IReadOnlyList<CompletionOption> Options)
{
    /// <summary>Every name of every option.</summary>
    public IEnumerable<string> OptionNames => Options.SelectMany(o => o.Names);
}

/// <summary>One option.</summary>
internal sealed record CompletionOption(IReadOnlyList<string> Names, string Description, bool TakesValue);

/// <summary>The levels of the whole program. mount and umount have a grammar of their own, and so a list of their own.</summary>
internal static class CompletionModel
{
    /// <summary>Mount options, for what follows -o.</summary>
    public const string MountOptions =
        "keyfile= passphrase passphrase-file= ro rw commit= data=journal data=auto errors=eio errors=remount-ro errors=panic "
        + "errors=zero verify=read verify=full cache= writeback fusetype=auto fusetype=fuse fusetype=fuseblk allow_other "
        + "noallow_other threads= hash-threads= hash=auto hash=openssl busy-poll=auto busy-poll=off log= debug foreground nosuid nodev noexec noatime";

    private static readonly CompletionOption[] s_mount =
    [
        new(["-o"], "Mount options", true),
        new(["--key-file"], "File with the key", true),
        new(["--passphrase"], "Ask for the passphrase", false),
        new(["--passphrase-file"], "File with the passphrase", true),
        new(["--foreground"], "Stay in the foreground", false),
        new(["--help"], "Show help", false),
    ];

    private static readonly CompletionOption[] s_umount =
    [
        new(["-l"], "Detach now", false),
        new(["-f"], "Give up waiting requests", false),
        new(["-v"], "Say what is done", false),
        new(["--help"], "Show help", false),
    ];

    public static List<CompletionLevel> Levels()
    {
        var levels = new List<CompletionLevel>();
        Add(levels, "", CommandLine.Build());
        return levels;
    }

    private static void Add(List<CompletionLevel> levels, string path, Command command)
    {
        IReadOnlyList<CompletionOption> options = path switch
        {
            "mount" => s_mount,
            "umount" => s_umount,
            _ => [.. command.Options.Where(o => !o.Hidden).Select(Describe)],
        };
        List<string> words = [.. command.Subcommands.Where(c => !c.Hidden).Select(c => c.Name)];
        foreach (Argument argument in command.Arguments)
        {
            words.AddRange(argument.GetCompletions(CompletionContext.Empty).Select(c => c.Label));
        }

        levels.Add(new CompletionLevel(path, words, options));
        foreach (Command sub in command.Subcommands.Where(c => !c.Hidden))
        {
            Add(levels, path.Length == 0 ? sub.Name : $"{path} {sub.Name}", sub);
        }
    }

    private static CompletionOption Describe(Option option) => new(
        [.. option.Aliases.Prepend(option.Name).Where(n => n.StartsWith('-') && n != "-?").Distinct()],
        option.Description ?? "",
        option.ValueType != typeof(bool) && option is not (System.CommandLine.Help.HelpOption or VersionOption));
}
