using System.CommandLine;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest trace</c>: turns what strace saw a program do into a workload for <c>crashtest run --trace</c>.</summary>
internal static class TraceCommand
{
    private const string Details = """
        The program's directory must be empty when it begins.

        Example:
          strace -f -y -s 0 -o program.log -e trace=file,desc program /tmp/empty
          integrityfs crashtest trace program.log --root /tmp/empty > program.trace
          integrityfs crashtest run --trace program.trace
        """;

    public static Command Build()
    {
        Argument<string> log = SharedOptions.Checked(new Argument<string>("LOG") { Description = "Output of strace -f -y" });
        var root = new Option<string>("--root") { Description = "The directory that the program worked in", HelpName = "DIRECTORY", Required = true };
        var command = new Command("trace", "Turn a log of strace into a workload\n\n" + Details) { log, root };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(log);
            Workload workload = StraceReader.Read("imported", File.ReadLines(path), Path.GetFullPath(parsed.GetRequiredValue(root)));
            if (workload.Operations.Count == 0)
            {
                throw new CommandFailure(Cause.Usage, $"{path} shows no change below {parsed.GetRequiredValue(root)}; was strace called with -y?");
            }

            foreach (Operation operation in workload.Operations)
            {
                Console.Out.WriteLine(operation);
            }

            return CrashtestExit.Clean;
        });
        return command;
    }
}
