namespace IntegrityFs.Cli;

/// <summary>One call of the mount helper: <c>SRC DIR [-s] [-f] [-n] [-v] [-o OPTS] [-t TYPE] [-N NS]</c>, in the forms
/// of mount(8), mount.fuse3(8), fstab and our own sub-command.</summary>
internal sealed class MountRequest
{
    public required string Source { get; init; }

    public required string Target { get; init; }

    public required MountOptions Options { get; init; }

    /// <summary>What stood behind -o, for the daemon that does the work.</summary>
    public required string OptionText { get; init; }

    /// <summary>Do everything but mount (mount -f).</summary>
    public bool Fake { get; init; }

    /// <summary>Pass over unknown options (mount -s).</summary>
    public bool Sloppy { get; init; }

    public bool Verbose { get; init; }

    /// <summary>Parses; a bad command line is a usage error.</summary>
    public static MountRequest Parse(IReadOnlyList<string> arguments)
    {
        var words = new List<string>();
        var optionTexts = new List<string>();
        bool fake = false, sloppy = false, verbose = false, foreground = false, onlyWords = false;
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (onlyWords || argument.Length < 2 || argument[0] != '-')
            {
                words.Add(argument);
            }
            else if (argument.StartsWith("--", StringComparison.Ordinal))
            {
                onlyWords = ParseLong(arguments, ref i, optionTexts, ref foreground);
            }
            else
            {
                ParseCluster(arguments, ref i, optionTexts, ref fake, ref sloppy, ref verbose);
            }
        }

        if (words.Count != 2 || words[0].Length == 0 || words[1].Length == 0)
        {
            throw new CommandFailure(Cause.Usage, "usage: mount -t fuse.integrityfs IMAGE_OR_DEVICE DIRECTORY -o keyfile=FILE[,OPTION...]");
        }

        var options = new MountOptions();
        string text = string.Join(',', optionTexts);
        MountOptionParser.Apply(options, text, sloppy);
        options.Foreground |= foreground;
        return new MountRequest
        {
            Source = StripType(words[0]),
            Target = words[1],
            Options = options,
            OptionText = text,
            Fake = fake,
            Sloppy = sloppy,
            Verbose = verbose,
        };
    }

    /// <summary>Long forms that our sub-command has beside mount(8)'s; true for "--".</summary>
    private static bool ParseLong(IReadOnlyList<string> arguments, ref int i, List<string> optionTexts, ref bool foreground)
    {
        string argument = arguments[i];
        if (argument == "--")
        {
            return true;
        }

        int equals = argument.IndexOf('=', StringComparison.Ordinal);
        string name = equals < 0 ? argument : argument[..equals];
        switch (name)
        {
            case "--foreground" when equals < 0:
                foreground = true;
                break;
            case "--options":
                optionTexts.Add(equals < 0 ? Next(arguments, ref i) : argument[(equals + 1)..]);
                break;
            case "--key-file" or "--keyfile":
                optionTexts.Add("keyfile=" + Quote(equals < 0 ? Next(arguments, ref i) : argument[(equals + 1)..]));
                break;
            case "--passphrase-file":
                optionTexts.Add("passphrase-file=" + Quote(equals < 0 ? Next(arguments, ref i) : argument[(equals + 1)..]));
                break;
            case "--passphrase" when equals < 0:
                optionTexts.Add("passphrase");
                break;
            case "--read-only" when equals < 0:
                optionTexts.Add("ro");
                break;
            default:
                throw new CommandFailure(Cause.Usage, $"unknown option '{argument}'");
        }

        return false;
    }

    private static void ParseCluster(IReadOnlyList<string> arguments, ref int i, List<string> optionTexts, ref bool fake, ref bool sloppy, ref bool verbose)
    {
        string argument = arguments[i];
        for (int j = 1; j < argument.Length; j++)
        {
            switch (argument[j])
            {
                case 'f':
                    fake = true;
                    break;
                case 's':
                    sloppy = true;
                    break;
                case 'v':
                    verbose = true;
                    break;
                case 'n' or 'i':
                    break;
                case 'r':
                    optionTexts.Add("ro");
                    break;
                case 'w':
                    optionTexts.Add("rw");
                    break;
                case 'o':
                    optionTexts.Add(j + 1 < argument.Length ? argument[(j + 1)..] : Next(arguments, ref i));
                    return;
                case 't':
                    CheckType(j + 1 < argument.Length ? argument[(j + 1)..] : Next(arguments, ref i));
                    return;
                case 'N':
                    throw new CommandFailure(Cause.Usage, "mounting in another namespace (-N) is not supported; use nsenter(1)");
                default:
                    throw new CommandFailure(Cause.Usage, $"unknown option '-{argument[j]}'");
            }
        }
    }

    private static void CheckType(string type)
    {
        if (type is not ("integrityfs" or "fuse.integrityfs" or "fuseblk.integrityfs" or "fuse" or "fuseblk"))
        {
            throw new CommandFailure(Cause.Usage, $"file system type '{type}' is not ours");
        }
    }

    /// <summary>mount.fuse also accepts "integrityfs#SRC".</summary>
    private static string StripType(string source) =>
        source.StartsWith("integrityfs#", StringComparison.Ordinal) ? source["integrityfs#".Length..] : source;

    /// <summary>A value that may hold commas, as an option.</summary>
    public static string Quote(string value) => value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(",", "\\,", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);

    private static string Next(IReadOnlyList<string> arguments, ref int i) => i + 1 < arguments.Count
        ? arguments[++i]
        : throw new CommandFailure(Cause.Usage, $"'{arguments[i]}' needs a value");
}
