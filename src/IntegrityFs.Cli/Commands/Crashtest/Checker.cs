using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace IntegrityFs.Cli.Commands.Crashtest;

using IntegrityFs.CrashTesting;

/// <summary>Runs the user's checker: a shell command in which {} stands for the directory (or image) of the state; it is
/// $1, too. $CRASHTEST_DIR, $CRASHTEST_STDOUT (a file of what the program had printed before the crash) and
/// $CRASHTEST_STATE are set. Exit code 0: the state is good.</summary>
internal sealed class Checker(string command, TimeSpan timeout)
{
    private const int MostOutput = 4096;

    /// <summary>Judges what lies at <paramref name="path"/>.</summary>
    public Verdict Run(string path, string outputFile, string state)
    {
        var start = new ProcessStartInfo("/bin/sh")
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(command.Replace("{}", "\"$1\"", StringComparison.Ordinal));
        start.ArgumentList.Add("check");
        start.ArgumentList.Add(path);
        start.Environment["CRASHTEST_DIR"] = path;
        start.Environment["CRASHTEST_STDOUT"] = outputFile;
        start.Environment["CRASHTEST_STATE"] = state;
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        var text = new StringBuilder();
        DataReceivedEventHandler take = (_, line) =>
        {
            lock (text)
            {
                if (line.Data is not null && text.Length < MostOutput)
                {
                    text.Append(line.Data).Append('\n');
                }
            }
        };
        process.OutputDataReceived += take;
        process.ErrorDataReceived += take;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        bool ended = process.WaitForExit(timeout);
        if (!ended)
        {
            process.Kill(entireProcessTree: true);
        }

        process.WaitForExit();
        string printed;
        lock (text)
        {
            printed = text.ToString();
        }

        return ended
            ? new Verdict(process.ExitCode == 0, process.ExitCode, printed)
            : new Verdict(false, process.ExitCode, printed + string.Create(CultureInfo.InvariantCulture, $"the checker took longer than {timeout.TotalSeconds:0.#} s\n"), TimedOut: true);
    }
}
