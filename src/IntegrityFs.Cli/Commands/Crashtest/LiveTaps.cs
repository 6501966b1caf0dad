using System.Globalization;
using System.Text;
using IntegrityFs.Cli.Daemon;
using IntegrityFs.CrashTesting;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>What a crash of a live mount leaves: writes to make to the device, or a tree.</summary>
internal sealed record LiveCrash(IReadOnlyList<(long Offset, byte[] Data)>? Repairs, FileTree? Tree);

/// <summary>A live mount between two crashes: follows what is durable and what is not, and decides on command.</summary>
internal sealed class LiveTaps(string personality, int generation, ISyncFaults? faults) : IMountTaps, IDisposable
{
    private const long MostBytes = 1L << 30;

    private UnflushedDevice? _device;
    private LiveHistory? _history;

    /// <summary>Breaks the connection to the kernel.</summary>
    public Action? Break { get; set; }

    /// <summary>Set by a crash on command.</summary>
    public LiveCrash? Crash { get; private set; }

    public IDevice Below(IDevice device) => personality == PersonalityTable.Own ? _device = new UnflushedDevice(device) : device;

    public IFileSystem Above(IFileSystem files)
    {
        if (personality == PersonalityTable.Own)
        {
            return files;
        }

        files.GetStatistics(out FileSystemStatistics statistics);
        if ((statistics.Blocks - statistics.FreeBlocks) * statistics.BlockSize > MostBytes)
        {
            throw new CommandFailure(Cause.Unsuitable, "a live personality keeps the whole tree in memory, and the volume holds more than 1 GiB");
        }

        _history = new LiveHistory(personality, FileTree.Take(files));
        return new RequestRecorder(files, _history, TimeProvider.System, faults);
    }

    public string? Answer(string request)
    {
        if (request == "live")
        {
            return string.Create(CultureInfo.InvariantCulture, $"{generation} {personality}\n");
        }

        return request.StartsWith("crash ", StringComparison.Ordinal) && CrashPlan.Parse(request[6..]) is { } plan ? Decide(plan) : null;
    }

    public void Dispose() => _history?.Dispose();

    private string Decide(CrashPlan plan)
    {
        var answer = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"{generation}\n"));
        if (_history is not null)
        {
            (FileTree tree, IReadOnlyList<string> lost) = _history.Freeze(plan);
            Crash = new LiveCrash(null, tree);
            answer.AppendJoin("", lost.Select(line => line + "\n"));
        }
        else if (plan.Loss is CrashLoss.Data or CrashLoss.DirectoryOperations)
        {
            return "error integrityfs keeps the order of bytes and names: --lose all, none or random; or mount with another personality\n";
        }
        else
        {
            (IReadOnlyList<(long Offset, byte[] Data)> repairs, int lost) = _device!.Fail(plan);
            Crash = new LiveCrash(repairs, null);
            answer.Append(CultureInfo.InvariantCulture, $"{lost} device writes that were not flushed, and all that was in no commit yet\n");
        }

        // The answer must leave first: breaking the connection ends this control socket, too.
        var breaker = new Thread(() =>
        {
            Break!();
            _history?.Thaw();
        }) { IsBackground = true, Name = "crash" };
        breaker.Start();
        return answer.ToString();
    }
}
