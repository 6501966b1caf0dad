using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>Finds the workload that the command line names.</summary>
internal static class WorkloadFile
{
    /// <summary>The workload of an id, of a text or of a file; null where none is named.</summary>
    public static Workload? Find(string? workload, string? file)
    {
        try
        {
            return file is not null ? Workload.Parse(Path.GetFileNameWithoutExtension(file), File.ReadAllText(file))
                : workload is null ? null
                : WorkloadSource.Find(workload) ?? Workload.Parse("given", workload);
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            throw new CommandFailure(Cause.Usage, e.Message, e);
        }
    }
}
