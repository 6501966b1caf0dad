using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Logging;

/// <summary>Records for the kernel's audit: a block that is not authentic, and the life of the daemon. Where audit is off
/// the kernel drops them; without the privilege to write them there is no sink.</summary>
internal sealed unsafe class AuditSink : ILogSink
{
    /// <summary>AUDIT_TRUSTED_APP.</summary>
    internal const int TrustedApplication = 1121;

    /// <summary>AUDIT_ANOM_RBAC_INTEGRITY_FAIL.</summary>
    internal const int IntegrityFailure = 2109;

    private const int NetlinkFamily = 16;
    private const int NetlinkAudit = 9;
    private const int RawCloseOnExec = 3 | 0x80000;
    private const int AddressLength = 12;
    private const int HeaderLength = 16;
    private const ushort RequestFlag = 1;
    private const int DontWait = 0x40;
    private const int MismatchEvent = 1001;

    private readonly int _socket;
    private readonly Lock _lock = new();
    private uint _sequence;

    private AuditSink(int socket) => _socket = socket;

    /// <summary>Null where there is no audit in this kernel, or the user is not root.</summary>
    public static AuditSink? TryOpen()
    {
        if ((uint)geteuid() != 0)
        {
            return null;
        }

        int descriptor = socket(NetlinkFamily, RawCloseOnExec, NetlinkAudit);
        return descriptor < 0 ? null : new AuditSink(descriptor);
    }

    public void Write(in LogLine line)
    {
        if (Record(line) is { } record)
        {
            lock (_lock)
            {
                Drain();
                Send(record.Type, record.Text);
            }
        }
    }

    public void Dispose() => _ = close(_socket);

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

    private void Send(int type, string text)
    {
        byte[] payload = Encoding.UTF8.GetBytes(text);
        byte[] message = new byte[HeaderLength + payload.Length + 1];
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(4), (ushort)type);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(6), RequestFlag);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(8), ++_sequence);
        payload.CopyTo(message.AsSpan(HeaderLength));
        byte* address = stackalloc byte[AddressLength];
        new Span<byte>(address, AddressLength).Clear();
        *(ushort*)address = NetlinkFamily;
        fixed (byte* start = message)
        {
            _ = sendto(_socket, start, message.Length, DontWait, (sockaddr*)address, AddressLength);
        }
    }

    /// <summary>The kernel answers what it refuses; nobody else reads that.</summary>
    private void Drain()
    {
        const int LongestAnswer = 512;
        byte* answer = stackalloc byte[LongestAnswer];
        while (recv(_socket, answer, LongestAnswer, DontWait) > 0)
        {
        }
    }
}
