using System.CommandLine;
using System.CommandLine.Parsing;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest record</c>.</summary>
internal static class RecordCommand
{
    /// <summary>Where this command itself fails; 126 and 127 belong to programs that cannot be run.</summary>
    public const int OwnFailure = 125;

    public const string Details = """
        The program runs with the mount as its working directory and in $CRASHTEST_DIR. Device writes and flushes, the
        kernel's requests, marks ('integrityfs crashtest mark TEXT') and the program's standard output are recorded in one
        order. IMAGE is made where it does not exist (64M, with a throw-away key that the recording holds).
        Exit code: the program's; 125 where recording itself failed.

        Example:
          integrityfs crashtest record test.img -- python3 app.py
          integrityfs crashtest explore test.img.crashtest --check 'python3 check.py'
        """;

    public static Command Build()
    {
        Argument<string> image = SharedOptions.Checked(new Argument<string>("IMAGE") { Description = "Image file of the volume" });
        var program = new Argument<string[]>("COMMAND") { Description = "The program and its arguments, after --", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string?>("--output", "-O") { Description = "The recording (default: IMAGE.crashtest)", HelpName = "FILE" };
        var fresh = new Option<bool>("--fresh") { Description = "Make the image anew, whatever it holds" };
        var size = new Option<string?>("--size", "-s") { Description = "Size of a new image (64M)", HelpName = "SIZE" };
        var options = new Option<string?>("--options", "-o") { Description = "Mount options, as for mount", HelpName = "OPTS" };
        var personality = new Option<string>("--personality", "-p") { Description = "Imitate while the program runs: fsync-eio-ext4, fsync-eio-xfs, fsync-eio-btrfs", HelpName = "NAME", DefaultValueFactory = _ => PersonalityTable.Own };
        var failSync = new Option<int>("--fail-fsync") { Description = "With fsync-eio-*: the how-manieth fsync or fdatasync of a file fails (1)", HelpName = "N", DefaultValueFactory = _ => 1 };
        var setUp = new Option<string?>("--setup") { Description = "Shell command that runs on the mount before the recording begins", HelpName = "COMMAND" };
        var quiet = new Option<bool>("--quiet", "-q") { Description = "Print nothing of its own" };
        var keys = new KeyOptions();
        var command = new Command("record", "Run a program on a real mount and record all that it does") { image, program, output, fresh, size, options, setUp, personality, failSync, quiet };
        keys.AddTo(command);
        command.SetAction(parsed =>
        {
            try
            {
                var request = new RecordRequest
                {
                    Image = parsed.GetRequiredValue(image),
                    Program = parsed.GetRequiredValue(program),
                    Output = parsed.GetValue(output),
                    Key = keys.Get(parsed),
                    Fresh = parsed.GetValue(fresh),
                    Size = parsed.GetValue(size),
                    MountOptions = parsed.GetValue(options),
                    SetUp = parsed.GetValue(setUp),
                    Personality = parsed.GetValue(personality)!,
                    FailSync = parsed.GetValue(failSync),
                    Quiet = parsed.GetValue(quiet),
                };
                return new RecordSession(request).Run();
            }
            catch (Exception error)
            {
                Console.Error.WriteLine($"integrityfs crashtest record: {Failures.Translate(error).Message}");
                return OwnFailure;
            }
        });
        return command;
    }
}
