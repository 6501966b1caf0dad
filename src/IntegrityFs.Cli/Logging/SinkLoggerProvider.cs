using Microsoft.Extensions.Logging;

namespace IntegrityFs.Cli.Logging;

/// <summary>Hands the messages of all categories to one sink (or nowhere).</summary>
internal sealed class SinkLoggerProvider(ILogSink? sink) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) => new SinkLogger(sink, categoryName);

    public void Dispose() => sink?.Dispose();

    private sealed class SinkLogger(ILogSink? sink, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => sink is not null && logLevel != LogLevel.None;

        // Events without a number get one from their name's hash; those are nobody's.
        private static int EventOf(EventId eventId) => eventId.Id is > 0 and < ushort.MaxValue ? eventId.Id : 0;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel))
            {
                return;
            }

            string message = formatter(state, exception);
            if (exception is not null)
            {
                message += $": {exception.Message}";
            }

            sink!.Write(new LogLine(logLevel, category, message, state as IReadOnlyList<KeyValuePair<string, object?>>, EventOf(eventId)));
        }
    }
}
