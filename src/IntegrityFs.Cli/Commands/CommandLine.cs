using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using IntegrityFs.Cli.Commands.Crashtest;

namespace IntegrityFs.Cli.Commands;

/// <summary>The sub-commands with options of their own. mount and umount follow mount(8)'s grammar and are parsed by
/// <see cref="MountRequest"/> and <see cref="UmountRequest"/>.</summary>
internal static class CommandLine
{
    private const string ProgramName = "integrityfs";

    private static readonly string[] s_names =
        ["mkfs", "mount", "umount", "fsck", "status", "dump", "key", "probe", "crashtest", "completion", "help"];

    /// <summary><c>integrityfs SRC DIR -o ...</c> and <c>integrityfs -o ... SRC DIR</c>, as mount.fuse3(8) calls.</summary>
    public static bool MeansMount(ReadOnlySpan<string> arguments) =>
        arguments.Length >= 2 && !s_names.Contains(arguments[0])
        && (arguments[0][..Math.Min(1, arguments[0].Length)] != "-" || arguments[0].StartsWith("-o", StringComparison.Ordinal));

    /// <summary>Parses and runs; returns the exit code.</summary>
    public static int Run(string[] arguments)
    {
        if (arguments is ["help", .. var rest])
        {
            arguments = [.. rest, "--help"];
        }

        if (arguments is ["mount" or "umount", "--help"])
        {
            return arguments[0] == "mount" ? MountCommand.Run(["--help"], asHelper: false) : UmountCommand.Run(["--help"], asHelper: false);
        }

        ParseResult parsed = Build().Parse(arguments);
        string name = NameOf(parsed);
        if (parsed.Errors.Count > 0 && parsed.Action is not HelpAction)
        {
            Console.Error.WriteLine($"{name}: {Problem(parsed)}");
            Console.Error.WriteLine($"Try '{name} --help'.");
            return CodeOf(name, Cause.Usage);
        }

        try
        {
            int code = parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
            if (parsed.Action is HelpAction)
            {
                Console.Out.Write(HelpText.Examples(name));
                Console.Out.WriteLine(IsFsck(name) ? ExitCodeText.Fsck : IsCrashtest(name) ? CrashtestCommand.HelpText(name) : ExitCodeText.Commands);
            }

            return code;
        }
        catch (Exception e)
        {
            CommandFailure failure = Failures.Translate(e);
            Console.Error.WriteLine($"{name}: {failure.Message}");
            return CodeOf(name, failure.Cause);
        }
    }

    private static bool IsFsck(string name) => name == "integrityfs fsck";

    private static bool IsCrashtest(string name) => name.StartsWith("integrityfs " + CrashtestCommand.Name, StringComparison.Ordinal);

    private static int CodeOf(string name, Cause cause) =>
        IsFsck(name) ? FsckExit.From(cause) : IsCrashtest(name) ? CrashtestExit.From(cause) : (int)cause;

    /// <summary>What is wrong with the command line: the word that nobody knows rather than what follows from it.</summary>
    private static string Problem(ParseResult parsed)
    {
        foreach (System.CommandLine.Parsing.ParseError error in parsed.Errors)
        {
            if (error.Message.StartsWith(SharedOptions.UnknownOption, StringComparison.Ordinal))
            {
                return error.Message;
            }
        }

        if (parsed.UnmatchedTokens is [var token, ..])
        {
            bool hasCommands = parsed.CommandResult.Command.Subcommands.Count > 0;
            return token.StartsWith('-') ? $"{SharedOptions.UnknownOption} '{token}'"
                : hasCommands ? $"unknown command '{token}'"
                : $"'{token}' is one argument too many";
        }

        return parsed.Errors[0].Message;
    }

    /// <summary>"integrityfs key add", for messages.</summary>
    private static string NameOf(ParseResult parsed)
    {
        string name = "";
        for (System.CommandLine.Parsing.SymbolResult? at = parsed.CommandResult; at is not null; at = at.Parent)
        {
            if (at is System.CommandLine.Parsing.CommandResult { Command: var command })
            {
                name = name.Length == 0 ? command.Name : $"{command.Name} {name}";
            }
        }

        return name;
    }

    // Not a RootCommand: that takes its name from argv[0], and "mkfs.integrityfs" would collide with the command mkfs.
    internal static Command Build()
    {
        var root = new Command(ProgramName, "A POSIX filesystem in user space whose contents and metadata are protected by one HMAC per block.")
        {
            new HelpOption { Recursive = true },
            new VersionOption(),
            MkfsCommand.Build(),
            Described("mount", "Mount a volume: integrityfs mount IMAGE_OR_DEVICE DIRECTORY -o keyfile=FILE"),
            Described("umount", "Unmount, and wait until the volume is closed: integrityfs umount DIRECTORY"),
            FsckCommand.Build(),
            StatusCommand.Build(),
            DumpCommand.Build(),
            KeyCommand.Build(),
            ProbeCommand.Build(),
            CrashtestCommand.Build(),
            CompletionCommand.Build(),
        };
        return root;
    }

    private static Command Described(string name, string description) => new(name, description);
}
