using System.Collections.Immutable;
using System.Text;

namespace IntegrityFs.CrashTesting;

/// <summary>A recording in words.</summary>
public static class RecordingText
{
    /// <summary>One line for each event.</summary>
    public static IEnumerable<string> Lines(ProgramRecording recording)
    {
        ArgumentNullException.ThrowIfNull(recording);
        var root = new FileTree(ImmutableDictionary<ulong, FileNode>.Empty.Add(FileTree.Root, new FileNode { Mode = FileTypes.Directory }));
        var words = new RequestHistory(recording, root, withTrees: false);
        foreach (RecordingEvent item in recording.Events)
        {
            yield return item.Kind switch
            {
                RecordingEventKind.Request => words.Text(item.Request),
                RecordingEventKind.Output => "output " + Encoding.UTF8.GetString(item.Data.Span),
                RecordingEventKind.Mark => "mark " + item.Text,
                RecordingEventKind.End => "end of the program",
                RecordingEventKind.FlushStart => $"flush {item.Number} begins",
                RecordingEventKind.FlushEnd => $"flush {item.Number} is complete",
                RecordingEventKind.DurableWrite => $"durable write of {item.Data.Length} bytes at {item.Offset}",
                _ => $"write of {item.Data.Length} bytes at {item.Offset}",
            };
        }
    }
}
