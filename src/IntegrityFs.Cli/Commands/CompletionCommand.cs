using System.CommandLine;

namespace IntegrityFs.Cli.Commands;

/// <summary>Prints a completion script for a shell, made from the commands and options that there are.</summary>
internal static class CompletionCommand
{
    public static Command Build()
    {
        var shell = SharedOptions.Checked(new Argument<string>("SHELL") { Description = "bash, zsh or fish" });
        shell.CompletionSources.Add("bash", "zsh", "fish");
        var command = new Command("completion", "Print a completion script") { shell };
        command.SetAction(parsed =>
        {
            Console.Out.Write(Script(parsed.GetRequiredValue(shell)));
            return 0;
        });
        return command;
    }

    internal static string Script(string shell) => shell switch
    {
        "bash" => CompletionScripts.Bash(CompletionModel.Levels()),
        "zsh" => CompletionScripts.Zsh(CompletionModel.Levels()),
        "fish" => CompletionScripts.Fish(CompletionModel.Levels()),
        _ => throw new CommandFailure(Cause.Usage, $"'{shell}' is none of bash, zsh, fish"),
    };
}
