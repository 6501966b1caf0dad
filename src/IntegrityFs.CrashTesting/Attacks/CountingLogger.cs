using Microsoft.Extensions.Logging;

namespace IntegrityFs.CrashTesting;

/// <summary>Keeps warnings and errors, the first hundred with their text.</summary>
internal sealed class CountingLogger : ILogger
{
    private const int MostKept = 100;
    private readonly List<string> _messages = [];

    public IReadOnlyList<string> Messages => _messages;

    public int Errors { get; private set; }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }

        Errors += logLevel >= LogLevel.Error ? 1 : 0;
        if (_messages.Count < MostKept)
        {
            _messages.Add(formatter(state, exception));
        }
    }
}
