using Microsoft.Extensions.Logging;

namespace IntegrityFs.Cli.Logging;

/// <summary>Remembers the last warnings and errors for <c>status</c>.</summary>
internal sealed class RecentErrors(TimeProvider clock) : ILogSink
{
    private const int Kept = 16;

    private readonly Lock _lock = new();
    private readonly Queue<(DateTimeOffset Time, string Message)> _lines = new();

    public void Write(in LogLine line)
    {
        if (line.Level < LogLevel.Warning)
        {
            return;
        }

        lock (_lock)
        {
            if (_lines.Count == Kept)
            {
                _lines.Dequeue();
            }

            _lines.Enqueue((clock.GetUtcNow(), line.Message));
        }
    }

    /// <summary>Oldest first.</summary>
    public (DateTimeOffset Time, string Message)[] Snapshot()
    {
        lock (_lock)
        {
            return [.. _lines];
        }
    }

    public void Dispose()
    {
    }
}
