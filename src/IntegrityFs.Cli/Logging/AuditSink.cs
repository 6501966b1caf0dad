using System.Globalization;
using System.Text;
using IntegrityFs.Cli.Native;

namespace IntegrityFs.Cli.Logging;

/// <summary>Records for the kernel's audit: a block that is not authentic, and the life of the daemon. Where audit is off
/// the kernel drops them; without the privilege to write them there is no sink.</summary>
internal sealed class AuditSink : ILogSink
{
    /// <summary>AUDIT_TRUSTED_APP.</summary>
    internal const int TrustedApplication = 1121;

    /// <summary>AUDIT_ANOM_RBAC_INTEGRITY_FAIL.</summary>
    internal const int IntegrityFailure = 2109;

    private const int MismatchEvent = 1001;

    private readonly AuditSocket _socket;
    private readonly Lock _lock = new();

    private AuditSink(AuditSocket socket) => _socket = socket;

    /// <summary>Null where there is no audit in this kernel, or the user is not root.</summary>
    public static AuditSink? TryOpen() => AuditSocket.TryOpen() is { } socket ? new AuditSink(socket) : null;

    public void Write(in LogLine line)
    {
        if (Record(line) is { } record)
        {
            lock (_lock)
            {
                _socket.Send(record.Type, record.Text);
            }
        }
    }

    public void Dispose() => _socket.Dispose();

    /// <summary>The record that a line makes; null for most.</summary>
    internal static (int Type, string Text)? Record(in LogLine line) => line.Event switch
    {
        MismatchEvent => (IntegrityFailure, string.Create(CultureInfo.InvariantCulture,
            $"op=verify-block volume={Value(line, "Volume")} block={Value(line, "Block")} zone={Value(line, "Zone")} inode={Value(line, "Inode")} name={Untrusted(Value(line, "Path"))} res=failed")),
        Daemon.Log.ServingEvent => (TrustedApplication, $"op=mount volume={Value(line, "Uuid")} res=success"),
        Daemon.Log.EndedEvent => (TrustedApplication, $"op=unmount reason={Untrusted(Value(line, "Reason"))} res=success"),
        Daemon.Log.RefusedEvent => (TrustedApplication, $"op=mount reason={Untrusted(Value(line, "Reason"))} res=failed"),
        Daemon.Log.PanicEvent => (TrustedApplication, $"op=panic reason={Untrusted(Value(line, "Reason"))} res=failed"),
        _ => null,
    };

    /// <summary>As audit writes what a user chose: quoted where it is plain, else hexadecimal, so that a file name cannot
    /// forge a field.</summary>
    private static string Untrusted(string value) =>
        value.All(c => c is > ' ' and < '\x7f' and not '"') ? $"\"{value}\"" : Convert.ToHexString(Encoding.UTF8.GetBytes(value));

    private static string Value(in LogLine line, string name)
    {
        foreach (KeyValuePair<string, object?> value in line.Values ?? [])
        {
            if (value.Key == name)
            {
                return Convert.ToString(value.Value, CultureInfo.InvariantCulture) ?? "?";
            }
        }

        return "?";
    }
}
