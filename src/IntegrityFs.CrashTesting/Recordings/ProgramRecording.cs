// Promise: everything that a program did to the device and to the file system, and all that it printed, in one order: an
// answered request stands before whatever the program did after it, and printed text before the next request.
namespace IntegrityFs.CrashTesting;

/// <summary>A recording, in memory.</summary>
public sealed class ProgramRecording(RecordingHeader header, PageImage image, IReadOnlyList<RecordingEvent> events)
{
    private int[]? _outputBefore;
    private byte[]? _output;

    /// <summary>What is known about it.</summary>
    public RecordingHeader Header { get; } = header;

    /// <summary>The device before the first event.</summary>
    public PageImage Image { get; } = image;

    /// <summary>What happened.</summary>
    public IReadOnlyList<RecordingEvent> Events { get; } = events;

    /// <summary>Reads a file.</summary>
    /// <exception cref="Format.CorruptFormatException">It is no recording.</exception>
    public static ProgramRecording Load(string path)
    {
        using FileStream stream = File.OpenRead(path);
        using var buffered = new BufferedStream(stream, 1 << 20);
        return RecordingFile.Read(buffered);
    }

    /// <summary>Writes a file.</summary>
    public void Save(string path)
    {
        using var writer = new RecordingWriter(path, Header, Image);
        foreach (RecordingEvent item in Events)
        {
            writer.Append(item);
        }
    }

    /// <summary>All that the program printed.</summary>
    public ReadOnlySpan<byte> Output => _output ??= [.. Events.Where(e => e.Kind == RecordingEventKind.Output).SelectMany(e => e.Data.ToArray())];

    /// <summary>How many bytes had been printed before an event.</summary>
    public int OutputBefore(int index)
    {
        if (_outputBefore is null)
        {
            int[] before = new int[Events.Count + 1];
            for (int i = 0; i < Events.Count; i++)
            {
                before[i + 1] = before[i] + (Events[i].Kind == RecordingEventKind.Output ? Events[i].Data.Length : 0);
            }

            _outputBefore = before;
        }

        return _outputBefore[index];
    }

    /// <summary>Writes and flushes with the same indices as <see cref="Events"/>, for the crash points of the device.</summary>
    public IReadOnlyList<TraceEvent> DeviceTrace() => [.. Events.Select(e => e.Kind switch
    {
        RecordingEventKind.Write => new TraceEvent(TraceEventKind.Write, e.Offset, e.Data, 0, null),
        RecordingEventKind.DurableWrite => new TraceEvent(TraceEventKind.DurableWrite, e.Offset, e.Data, 0, null),
        RecordingEventKind.FlushStart => new TraceEvent(TraceEventKind.FlushStart, 0, default, e.Number, null),
        RecordingEventKind.FlushEnd => new TraceEvent(TraceEventKind.FlushEnd, 0, default, e.Number, null),
        _ => new TraceEvent(TraceEventKind.Mark, 0, default, 0, null),
    })];

    /// <summary>The last request answered before an event; null where there is none.</summary>
    public RecordedRequest? RequestBefore(int index)
    {
        for (int i = Math.Min(index, Events.Count) - 1; i >= 0; i--)
        {
            if (Events[i].Request is { } request)
            {
                return request;
            }
        }

        return null;
    }

    /// <summary>The first request answered at or after an event; null where there is none.</summary>
    public RecordedRequest? RequestAfter(int index)
    {
        for (int i = index; i < Events.Count; i++)
        {
            if (Events[i].Request is { } request)
            {
                return request;
            }
        }

        return null;
    }

    /// <summary>The last mark before an event; empty where there is none.</summary>
    public string MarkBefore(int index)
    {
        for (int i = Math.Min(index, Events.Count) - 1; i >= 0; i--)
        {
            if (Events[i].Kind == RecordingEventKind.Mark)
            {
                return Events[i].Text;
            }
        }

        return "";
    }
}
