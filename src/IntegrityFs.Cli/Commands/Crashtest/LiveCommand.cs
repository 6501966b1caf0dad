using System.CommandLine;
using System.Globalization;
using IntegrityFs.Cli.Daemon;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest live</c> and <c>crashtest crash</c>.</summary>
internal static class LiveCommand
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    public const string LiveDetails = """
        'integrityfs crashtest crash DIR' makes the state as if power had failed now: what is open gets errors, and the mount
        comes back at the same place with what the personality lets survive. 'integrityfs umount DIR' ends it; a clean unmount
        loses nothing. IMAGE is made where it does not exist (64M; its key goes to IMAGE.key). For test volumes only.

        Example:
          integrityfs crashtest live test.img /mnt/test --personality lose-dir-ops
          my-database --data /mnt/test &
          integrityfs crashtest crash /mnt/test --lose dir-ops
        """;

    public const string CrashDetails = """
        Prints what was lost. Returns when the mount is back. Random by default; the seed is printed and repeats the choice.
        """;

    public static Command BuildLive()
    {
        Argument<string> image = SharedOptions.Checked(new Argument<string>("IMAGE") { Description = "Image file or block device" });
        Argument<string> directory = SharedOptions.Checked(new Argument<string>("DIR") { Description = "Where to mount it" });
        var personality = new Option<string>("--personality", "-p") { Description = "What survives a crash; names as in explore", HelpName = "NAME", DefaultValueFactory = _ => PersonalityTable.Own };
        var failSync = new Option<int>("--fail-fsync") { Description = "With fsync-eio-*: the how-manieth fsync of a file fails (1)", HelpName = "N", DefaultValueFactory = _ => 1 };
        var fresh = new Option<bool>("--fresh") { Description = "Make the image anew, whatever it holds" };
        var size = new Option<string?>("--size", "-s") { Description = "Size of a new image (64M)", HelpName = "SIZE" };
        var options = new Option<string?>("--options", "-o") { Description = "Mount options, as for mount", HelpName = "OPTS" };
        var keyFile = new Option<string?>("--key-file", "--keyfile", "-k") { Description = "File with the key", HelpName = "FILE" };
        var command = new Command("live", "Mount a volume on which power can fail on command, under running programs") { image, directory, personality, failSync, fresh, size, options, keyFile };
        command.SetAction(parsed =>
        {
            string name = parsed.GetValue(personality)!;
            if (PersonalityTable.Find(name) is null)
            {
                throw new CommandFailure(Cause.Usage, $"no personality '{name}'; known are {string.Join(", ", PersonalityTable.All.Select(item => item.Name))}");
            }

            string target = Path.GetFullPath(parsed.GetRequiredValue(directory));
            if (!Directory.Exists(target))
            {
                throw new CommandFailure(Cause.System, $"{target}: not a directory");
            }

            string source = Path.GetFullPath(parsed.GetRequiredValue(image));
            string key = PrepareKey(source, parsed.GetValue(keyFile), parsed.GetValue(fresh), parsed.GetValue(size));
            string mountOptions = "keyfile=" + MountRequest.Quote(key) + (parsed.GetValue(options) is { Length: > 0 } more ? "," + more : "");
            string[] arguments = [name, parsed.GetValue(failSync).ToString(CultureInfo.InvariantCulture), source, target, "-o", mountOptions];
            Cause cause = Launcher.Run(arguments, null, line => Console.Error.WriteLine($"crashtest live: {line}"), LiveDaemon.Verb);
            return CrashtestExit.From(cause);
        });
        return command;
    }

    public static Command BuildCrash()
    {
        Argument<string> directory = SharedOptions.Checked(new Argument<string>("DIR") { Description = "Where the live volume is mounted" });
        var lose = new Option<string>("--lose") { Description = "all, data, dir-ops, none or random (default)", HelpName = "WHAT", DefaultValueFactory = _ => "random" };
        var seed = new Option<ulong?>("--seed") { Description = "Repeats a random choice", HelpName = "N" };
        var torn = new Option<bool>("--torn") { Description = "Tear the last write that stays" };
        var command = new Command("crash", "Let power fail on a live mount") { directory, lose, seed, torn };
        command.SetAction(parsed =>
        {
            CrashLoss loss = CrashPlan.FindLoss(parsed.GetValue(lose)!)
                ?? throw new CommandFailure(Cause.Usage, $"--lose: '{parsed.GetValue(lose)}' is none of all, data, dir-ops, none, random");
            var plan = new CrashPlan(loss, parsed.GetValue(seed) ?? (ulong)Random.Shared.Next(), parsed.GetValue(torn));
            return Crash(parsed.GetRequiredValue(directory), plan);
        });
        return command;
    }

    private static int Crash(string directory, CrashPlan plan)
    {
        string[] answer = MountControl.Ask(directory, "crash " + plan, s_patience).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (answer is not [var first, ..] || !int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out int generation))
        {
            string why = answer is [var line, ..] && line.StartsWith("error ", StringComparison.Ordinal) ? line[6..] : "is not a live mount of crashtest";
            throw new CommandFailure(Cause.Unsuitable, $"{directory}: {why}");
        }

        foreach (string line in answer.Skip(1))
        {
            Console.Out.WriteLine($"lost: {line}");
        }

        if (plan.Loss == CrashLoss.Random)
        {
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed: {plan.Seed}"));
        }

        long end = Environment.TickCount64 + (long)s_patience.TotalMilliseconds;
        while (Environment.TickCount64 < end)
        {
            Thread.Sleep(10);
            if (IsBack(directory, generation))
            {
                return CrashtestExit.Clean;
            }
        }

        throw new CommandFailure(Cause.System, $"{directory}: the mount did not come back; the daemon's log says why");
    }

    private static bool IsBack(string directory, int generation)
    {
        try
        {
            string answer = MountControl.Ask(directory, "live", TimeSpan.FromSeconds(5));
            return int.TryParse(answer.Split(' ')[0], NumberStyles.None, CultureInfo.InvariantCulture, out int now) && now > generation;
        }
        catch (CommandFailure)
        {
            return false;
        }
    }

    private static string PrepareKey(string source, string? keyFile, bool fresh, string? size)
    {
        string key = keyFile is null ? source + ".key" : Credentials.AbsoluteKeyFile(keyFile);
        if (File.Exists(source) && !fresh)
        {
            return keyFile is not null || File.Exists(key)
                ? key
                : throw new CommandFailure(Cause.Usage, $"{source}: --key-file FILE opens it; --fresh makes it anew");
        }

        if (keyFile is null && !File.Exists(key))
        {
            (string made, _) = RecordVolume.NewKey();
            File.Move(made, key);
        }

        RecordVolume.Format(source, new KeySource.KeyFile(key), size ?? RecordVolume.DefaultSize);
        return key;
    }
}
