using Microsoft.Extensions.Logging;

namespace IntegrityFs.CrashTesting;

/// <summary>Keeps the last warning or error, which says what an EIO was about.</summary>
internal sealed class LastErrorLogger : ILogger
{
    public string Message { get; private set; } = "";

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
        {
            string where = exception is null ? "" : $" ({exception.GetType().Name}: {exception.Message} {exception.StackTrace?.Split('\n')[0].Trim()})";
            Message = formatter(state, exception) + where;
        }
    }
}
