using System.CommandLine;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>integrityfs crashtest</c>: the crash-consistency harness. Each sub-command has a file of its own.</summary>
internal static class CrashtestCommand
{
    public const string Name = "crashtest";

    public static Command Build() => new(Name, "Crash-consistency tests: of IntegrityFs itself, and of other programs on it")
    {
        // One line each, in the order of --help.
        RunCommand.Build(),
        SoakCommand.Build(),
        TraceCommand.Build(),
        FaultsCommand.Build(),
        AttacksCommand.Build(),
        MutantsCommand.Build(),
        ToolsCommand.Build(),
        PropertiesCommand.Build(),
        RecordCommand.Build(),
        ExploreCommand.Build(),
        LiveCommand.BuildLive(),
        LiveCommand.BuildCrash(),
        MarkCommand.Build(),
        LogCommands.BuildShow(),
        LogCommands.BuildExport(),
        LogCommands.BuildImport(),
    };

    /// <summary>What --help says below the options.</summary>
    public static string HelpText(string name) => name[(name.LastIndexOf(' ') + 1)..] switch
    {
        "record" => RecordCommand.Details + "\n",
        "explore" => ExploreCommand.Details + "\n\n" + CrashtestExit.Text,
        "live" => LiveCommand.LiveDetails + "\n\n" + CrashtestExit.Text,
        "crash" => LiveCommand.CrashDetails + "\n\n" + CrashtestExit.Text,
        _ => CrashtestExit.Text,
    };
}
