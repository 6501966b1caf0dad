using System.Buffers.Binary;
using System.Text;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Native;

/// <summary>The netlink socket of the kernel's audit. Not thread safe.</summary>
internal sealed unsafe class AuditSocket : IDisposable
{
    private const int NetlinkFamily = 16;
    private const int NetlinkAudit = 9;
    private const int RawCloseOnExec = 3 | 0x80000;
    private const int AddressLength = 12;
    private const int HeaderLength = 16;
    private const ushort RequestFlag = 1;
    private const int DontWait = 0x40;
    private const int LongestAnswer = 512;

    private readonly int _descriptor;
    private uint _sequence;

    private AuditSocket(int descriptor) => _descriptor = descriptor;

    /// <summary>Null where there is no audit in this kernel, or the user is not root.</summary>
    public static AuditSocket? TryOpen()
    {
        if ((uint)geteuid() != 0)
        {
            return null;
        }

        int descriptor = socket(NetlinkFamily, RawCloseOnExec, NetlinkAudit);
        return descriptor < 0 ? null : new AuditSocket(descriptor);
    }

    /// <summary>Sends a record; what the kernel refuses is lost.</summary>
    public void Send(int type, string text)
    {
        Drain();
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
            _ = sendto(_descriptor, start, message.Length, DontWait, (sockaddr*)address, AddressLength);
        }
    }

    public void Dispose() => _ = close(_descriptor);

    /// <summary>The kernel answers what it refuses; nobody else reads that.</summary>
    private void Drain()
    {
        byte* answer = stackalloc byte[LongestAnswer];
        while (recv(_descriptor, answer, LongestAnswer, DontWait) > 0)
        {
        }
    }
}
