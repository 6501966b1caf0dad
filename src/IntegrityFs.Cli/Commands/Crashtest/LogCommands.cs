using System.CommandLine;
using System.Globalization;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary><c>crashtest export-log</c>, <c>import-log</c> and <c>show</c>: recordings and other tools.</summary>
internal static class LogCommands
{
    public static Command BuildExport()
    {
        Argument<string> recording = SharedOptions.Checked(new Argument<string>("RECORDING") { Description = "A recording" });
        Argument<string> log = SharedOptions.Checked(new Argument<string>("LOG") { Description = "The log to write, in the format of dm-log-writes" });
        var image = new Option<string?>("--base") { Description = "Write the device before the first write here, too", HelpName = "IMAGE" };
        var command = new Command("export-log", "Write the device part of a recording as a log of dm-log-writes, with marks") { recording, log, image };
        command.SetAction(parsed =>
        {
            ProgramRecording from = ProgramRecording.Load(parsed.GetRequiredValue(recording));
            if (parsed.GetValue(image) is { } path)
            {
                using FileStream target = File.Create(path);
                from.Image.CopyTo(target);
            }

            using FileStream stream = File.Create(parsed.GetRequiredValue(log));
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{LogWrites.Export(from, stream)} entries"));
            return CrashtestExit.Clean;
        });
        return command;
    }

    public static Command BuildImport()
    {
        Argument<string> log = SharedOptions.Checked(new Argument<string>("LOG") { Description = "A log of dm-log-writes" });
        Argument<string> image = SharedOptions.Checked(new Argument<string>("IMAGE") { Description = "The device before the first write" });
        Argument<string> recording = SharedOptions.Checked(new Argument<string>("RECORDING") { Description = "The recording to write" });
        var command = new Command("import-log", "Make a recording of a log of dm-log-writes (device writes only)") { log, image, recording };
        command.SetAction(parsed =>
        {
            PageImage from = RecordVolume.ReadImage(parsed.GetRequiredValue(image));
            using FileStream stream = File.OpenRead(parsed.GetRequiredValue(log));
            ProgramRecording imported = LogWrites.Import(stream, from, [Path.GetFileName(parsed.GetRequiredValue(log))]);
            imported.Save(parsed.GetRequiredValue(recording));
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{imported.Events.Count} events"));
            return CrashtestExit.Clean;
        });
        return command;
    }

    public static Command BuildShow()
    {
        Argument<string> recording = SharedOptions.Checked(new Argument<string>("RECORDING") { Description = "A recording" });
        var command = new Command("show", "List what a recording holds, one event a line") { recording };
        command.SetAction(parsed =>
        {
            ProgramRecording shown = ProgramRecording.Load(parsed.GetRequiredValue(recording));
            int number = 0;
            foreach (string line in RecordingText.Lines(shown))
            {
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{number++,6}  {Logging.OneLine.Of(line)}"));
            }

            return CrashtestExit.Clean;
        });
        return command;
    }
}
