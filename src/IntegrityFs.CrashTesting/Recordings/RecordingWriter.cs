// Promise: events stand in the file in the order in which Append was called; what the program had printed by then stands
// before them, because it is fetched first, under the same gate.
using System.Text;

namespace IntegrityFs.CrashTesting;

/// <summary>Where a recorder sends its events.</summary>
public interface IEventSink
{
    /// <summary>Adds one event; thread safe.</summary>
    void Append(RecordingEvent item);

    /// <summary>Number of the last request that was added.</summary>
    int Requests { get; }
}

/// <summary>Writes a recording while it happens.</summary>
public sealed class RecordingWriter : IEventSink, IDisposable
{
    private readonly Lock _gate = new();
    private readonly BinaryWriter _writer;
    private Func<byte[]>? _output;
    private int _requests;

    /// <summary>Creates the file.</summary>
    public RecordingWriter(string path, RecordingHeader header, PageImage image)
    {
        ArgumentNullException.ThrowIfNull(header);
        ArgumentNullException.ThrowIfNull(image);
        _writer = new BinaryWriter(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, 1 << 20), Encoding.UTF8);
        RecordingFile.WriteHeader(_writer, header, image);
    }

    /// <inheritdoc/>
    public int Requests => Volatile.Read(ref _requests);

    /// <summary>Number of device writes so far.</summary>
    public int Writes { get; private set; }

    /// <summary>Number of completed flushes so far.</summary>
    public int Flushes { get; private set; }

    /// <summary>Where to fetch what the program has printed since the last call, without waiting. Null: nowhere any more.</summary>
    public void FetchOutputFrom(Func<byte[]>? source)
    {
        lock (_gate)
        {
            FetchOutput();
            _output = source;
        }
    }

    /// <summary>Records what was printed, where nothing else happens.</summary>
    public void FetchOutputNow()
    {
        lock (_gate)
        {
            FetchOutput();
        }
    }

    /// <inheritdoc/>
    public void Append(RecordingEvent item)
    {
        ArgumentNullException.ThrowIfNull(item);
        lock (_gate)
        {
            FetchOutput();
            if (item.Request is { Number: 0 } request)
            {
                item = item with { Request = request with { Number = _requests + 1 } };
            }

            _requests += item.Request is null ? 0 : 1;
            Writes += item.Kind == RecordingEventKind.Write ? 1 : 0;
            Flushes += item.Kind == RecordingEventKind.FlushEnd ? 1 : 0;
            RecordingFile.WriteEvent(_writer, item);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _output = null;
            _writer.Dispose();
        }
    }

    private void FetchOutput()
    {
        if (_output?.Invoke() is { Length: > 0 } printed)
        {
            RecordingFile.WriteEvent(_writer, new RecordingEvent(RecordingEventKind.Output, Data: printed));
        }
    }
}
