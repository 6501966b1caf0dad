using IntegrityFs.FileSystem.Conformance;
using IntegrityFs.Format;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>A file system over the fake catalog, with everything a test wants to look at.</summary>
internal sealed class Harness
{
    public Harness(PosixFileSystemOptions? options = null)
    {
        Catalog = new FakeCatalog(Clock.Stamp);
        Fs = new PosixFileSystem(Catalog, Clock, Log, options);
        T = new Driver(Fs);
    }

    public SteppingClock Clock { get; } = new();

    public FakeCatalog Catalog { get; }

    public LogLines Log { get; } = new();

    public PosixFileSystem Fs { get; }

    public Driver T { get; }

    /// <summary>The same catalog, mounted again.</summary>
    public PosixFileSystem Remount() => new(Catalog, Clock, Log);

    public static InodeNumber Root => InodeNumber.Root;
}

/// <summary>Keeps the lines that were logged, with their fields.</summary>
internal sealed class LogLines : ILogger
{
    private readonly Lock _lock = new();
    private readonly List<LogLine> _lines = [];

    public LogLine[] All
    {
        get
        {
            lock (_lock)
            {
                return [.. _lines];
            }
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        Dictionary<string, object?> fields = state is IReadOnlyList<KeyValuePair<string, object?>> pairs ? new(pairs) : [];
        lock (_lock)
        {
            _lines.Add(new LogLine(logLevel, eventId.Id, formatter(state, exception), fields, exception));
        }
    }
}

/// <summary>One line.</summary>
internal sealed record LogLine(LogLevel Level, int Id, string Text, Dictionary<string, object?> Fields, Exception? Error);
