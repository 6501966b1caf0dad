// Promise: every tool that writes to a device is cut off at every point, with every choice of its un-flushed writes, and
// fails at every write and flush; what it leaves is judged as its case says. Tools run here as they run from the command
// line, on a recording device.
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>Crashes tools.</summary>
public sealed class ToolCampaign
{
    private readonly CrashProfile _profile;
    private readonly ulong _seed;

    /// <summary>Prepares the campaign.</summary>
    public ToolCampaign(CrashProfile profile, ulong seed)
    {
        _profile = profile;
        _seed = seed;
    }

    /// <summary>Called after each tool.</summary>
    public Action<ToolResult>? Progress { get; init; }

    /// <summary>Runs all tools, or those whose name contains <paramref name="only"/>.</summary>
    public IReadOnlyList<ToolResult> Run(string? only = null)
    {
        var results = new List<ToolResult>();
        foreach (ToolCase tool in ToolCases.All())
        {
            if (only is null || tool.Name.Contains(only, StringComparison.Ordinal))
            {
                ToolResult result = Explore(tool);
                results.Add(result);
                Progress?.Invoke(result);
            }
        }

        return results;
    }

    internal ToolResult Explore(ToolCase tool)
    {
        var failures = new List<string>();
        var trace = new Trace();
        var after = new PageImage(tool.Before);
        tool.Run(new RecordingDevice(new ImageDevice(after), trace));
        List<CrashPoint> points = CrashPoint.Of(trace.Events);
        long states = 1;
        Judge(tool, new PageImage(after), true, "not interrupted", failures);
        PageImage durable = tool.Before.Copy();
        ulong hash = 0;
        var seen = new HashSet<ulong>();
        foreach (CrashPoint point in points)
        {
            hash += StateHasher.MakeDurable(point.NewlyDurable, durable);
            var hasher = new StateHasher(point, durable);
            foreach (CrashState state in CrashStates.Enumerate(point, _profile, _seed, _profile.MaxStatesPerPoint))
            {
                if (failures.Count > 4 || !seen.Add(hash + hasher.Delta(state)))
                {
                    continue;
                }

                var image = new PageImage(durable);
                state.Apply(point, image);
                bool complete = point == points[^1] && point.Pending.Count == 0;
                Judge(tool, image, complete, state.Describe(point), failures);
                image.Reset();
                states++;
            }
        }

        int writes = trace.Events.Count(item => item.Kind == TraceEventKind.Write);
        states += Fail(tool, DeviceOperation.Write, writes, failures);
        states += Fail(tool, DeviceOperation.Flush, trace.Events.Count(item => item.Kind == TraceEventKind.FlushStart), failures);
        return new ToolResult(tool.Name, writes, points.Count, states, failures);
    }

    /// <summary>The device refuses the n-th call and all after it: the tool must say so, and leave what a crash leaves.</summary>
    private static int Fail(ToolCase tool, DeviceOperation operation, int calls, List<string> failures)
    {
        for (int n = 0; n < calls && failures.Count <= 4; n++)
        {
            var image = new PageImage(tool.Before);
            var fault = new Fault(FaultKind.Error, operation, n, true);
            bool said = false;
            try
            {
                tool.Run(new FaultDevice(new ImageDevice(image), fault) { Armed = true });
            }
            catch (IOException)
            {
                said = true;
            }
            catch (Exception error)
            {
                failures.Add($"{tool.Name}, {fault}: {error.GetType().Name}: {error.Message}");
            }

            if (!said)
            {
                failures.Add($"{tool.Name}, {fault}: the tool did not say that it failed");
            }

            Judge(tool, image, false, fault.ToString(), failures);
        }

        return calls;
    }

    private static void Judge(ToolCase tool, PageImage image, bool complete, string state, List<string> failures)
    {
        try
        {
            if (tool.Judge(image, complete) is { } wrong)
            {
                failures.Add($"{tool.Name}, {state}: {wrong}");
            }
        }
        catch (Exception error)
        {
            failures.Add($"{tool.Name}, {state}: {error.GetType().Name}: {error.Message}");
        }
    }
}
