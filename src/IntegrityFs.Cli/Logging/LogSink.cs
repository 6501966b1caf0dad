using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Cli.Logging;

/// <summary>One message with its named values.</summary>
internal readonly record struct LogLine(
    LogLevel Level, string Category, string Message, IReadOnlyList<KeyValuePair<string, object?>>? Values, int Event = 0)
{
    /// <summary>syslog(3)'s severity.</summary>
    public int Severity => Level switch
    {
        LogLevel.Critical => 2,
        LogLevel.Error => 3,
        LogLevel.Warning => 4,
        LogLevel.Information => 6,
        _ => 7,
    };
}

/// <summary>Where lines go. Opened before the mount and held: paths may vanish after switch_root, and a daemon must not
/// look one up through its own mount.</summary>
internal interface ILogSink : IDisposable
{
    /// <summary>Writes; never throws, for a lost line is better than a lost daemon.</summary>
    void Write(in LogLine line);
}

/// <summary>The systemd journal by its own protocol, with the values of a message as fields.</summary>
internal sealed class JournalSink : ILogSink
{
    public const string Path = "/run/systemd/journal/socket";

    private readonly Socket _socket;

    public JournalSink()
    {
        _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        _socket.Connect(new UnixDomainSocketEndPoint(Path));
    }

    public void Write(in LogLine line)
    {
        try
        {
            _socket.Send(Encoding.UTF8.GetBytes(Format(line)));
        }
        catch (SocketException)
        {
            // The journal is restarting or full.
        }
    }

    public void Dispose() => _socket.Dispose();

    internal static string Format(in LogLine line)
    {
        var text = new StringBuilder();
        Field(text, "PRIORITY", line.Severity.ToString(CultureInfo.InvariantCulture));
        Field(text, "SYSLOG_IDENTIFIER", "integrityfs");
        Field(text, "MESSAGE", line.Message);
        foreach (KeyValuePair<string, object?> value in line.Values ?? [])
        {
            if (value.Key.Length > 0 && value.Key[0] != '{' && value.Key.All(char.IsAsciiLetterOrDigit))
            {
                Field(text, "INTEGRITYFS_" + value.Key.ToUpperInvariant(), Convert.ToString(value.Value, CultureInfo.InvariantCulture) ?? "");
            }
        }

        return text.ToString();
    }

    // A newline would start a new field, and what a message quotes (a file name) may hold one.
    private static void Field(StringBuilder text, string name, string value) =>
        text.Append(name).Append('=').Append(OneLine.Of(value)).Append('\n');
}

/// <summary>/dev/log, the socket of syslog.</summary>
internal sealed class SyslogSink : ILogSink
{
    public const string Path = "/dev/log";

    private const int Daemon = 3 << 3;

    private readonly Socket _socket;
    private readonly string _tag = $"integrityfs[{Environment.ProcessId}]: ";

    public SyslogSink()
    {
        _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        _socket.Connect(new UnixDomainSocketEndPoint(Path));
    }

    public void Write(in LogLine line)
    {
        try
        {
            _socket.Send(Encoding.UTF8.GetBytes($"<{Daemon | line.Severity}>{_tag}{OneLine.Of(line.Message)}"));
        }
        catch (SocketException)
        {
            // syslogd is restarting.
        }
    }

    public void Dispose() => _socket.Dispose();
}

/// <summary>A file (or /dev/kmsg, or standard error under systemd), one line a message.</summary>
internal sealed class StreamSink : ILogSink
{
    private readonly Stream _stream;
    private readonly bool _withTime;
    private readonly bool _withPriority;
    private readonly Lock _lock = new();

    private StreamSink(Stream stream, bool withTime, bool withPriority)
    {
        _stream = stream;
        _withTime = withTime;
        _withPriority = withPriority;
    }

    /// <summary>Appends to a file; lines carry the time.</summary>
    public static StreamSink OpenFile(string path) => new(
        new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Append,
            Access = FileAccess.Write,
            Share = FileShare.ReadWrite,
            BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }),
        withTime: true,
        withPriority: false);

    /// <summary>The kernel's log, which is there before and after everything else.</summary>
    public static StreamSink OpenKernelLog() => new(
        new FileStream("/dev/kmsg", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0), withTime: false, withPriority: true);

    public void Write(in LogLine line)
    {
        var text = new StringBuilder();
        if (_withTime)
        {
            text.Append(DateTimeOffset.Now.ToString("yyyy-MM-dd'T'HH:mm:ss.fffzzz ", CultureInfo.InvariantCulture));
        }

        if (_withPriority)
        {
            text.Append('<').Append(line.Severity).Append('>').Append("integrityfs: ");
        }
        else
        {
            text.Append(line.Level).Append(' ');
        }

        text.Append(OneLine.Of(line.Message)).Append('\n');
        byte[] bytes = Encoding.UTF8.GetBytes(text.ToString());
        lock (_lock)
        {
            try
            {
                _stream.Write(bytes);
            }
            catch (IOException)
            {
                // The log's disk is full.
            }
        }
    }

    public void Dispose() => _stream.Dispose();
}

/// <summary>Messages on a single line, without control characters that a file name may have brought.</summary>
internal static class OneLine
{
    public static string Of(string text)
    {
        if (!text.Any(char.IsControl))
        {
            return text;
        }

        var clean = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            clean.Append(char.IsControl(c) ? '?' : c);
        }

        return clean.ToString();
    }
}
