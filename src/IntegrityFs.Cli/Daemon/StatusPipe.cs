using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace IntegrityFs.Cli.Daemon;

/// <summary>What a daemon tells the launcher that waits for it.</summary>
internal enum StatusKind : byte
{
    /// <summary>A line for the user.</summary>
    Note = (byte)'N',

    /// <summary>Replayed, mounted and serving.</summary>
    Ready = (byte)'R',

    /// <summary>Refused; the first byte is the cause, the rest the reason.</summary>
    Failed = (byte)'F',
}

/// <summary>A report: kind, cause where it is a failure, and text.</summary>
internal readonly record struct StatusReport(StatusKind Kind, Cause Cause, string Text);

/// <summary>Where a daemon reports to while it starts.</summary>
internal interface IReadiness
{
    void Note(string text);

    /// <summary>False where nobody waits any more: the launcher was killed, so the mount is not wanted.</summary>
    bool Ready();

    void Failed(Cause cause, string text);
}

/// <summary>The pipe from daemon to launcher: frames of kind, cause, length (little-endian 16 bit) and UTF-8 text. Its
/// end without Ready or Failed means that the daemon died.</summary>
internal sealed class StatusPipeWriter(int descriptor) : IReadiness, IDisposable
{
    private readonly FileStream _stream = new(new SafeFileHandle(descriptor, ownsHandle: true), FileAccess.Write, 0);

    public void Note(string text) => Send(StatusKind.Note, Cause.None, text);

    public bool Ready()
    {
        bool heard = Send(StatusKind.Ready, Cause.None, "");
        _stream.Dispose();
        return heard;
    }

    public void Failed(Cause cause, string text)
    {
        Send(StatusKind.Failed, cause, text);
        _stream.Dispose();
    }

    public void Dispose() => _stream.Dispose();

    private bool Send(StatusKind kind, Cause cause, string text)
    {
        try
        {
            _stream.Write(StatusFrame.Encode(new StatusReport(kind, cause, text)));
            return true;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            return false;
        }
    }
}

/// <summary>The frames on the pipe.</summary>
internal static class StatusFrame
{
    private const int HeaderLength = 4;

    public static byte[] Encode(StatusReport report)
    {
        byte[] text = Encoding.UTF8.GetBytes(report.Text);
        int length = Math.Min(text.Length, ushort.MaxValue);
        byte[] frame = new byte[HeaderLength + length];
        frame[0] = (byte)report.Kind;
        frame[1] = (byte)report.Cause;
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(2), (ushort)length);
        text.AsSpan(0, length).CopyTo(frame.AsSpan(HeaderLength));
        return frame;
    }

    /// <summary>The next report; null at the end of the pipe, also where it ends inside a frame.</summary>
    public static StatusReport? Read(Stream stream)
    {
        Span<byte> header = stackalloc byte[HeaderLength];
        if (stream.ReadAtLeast(header, HeaderLength, throwOnEndOfStream: false) < HeaderLength)
        {
            return null;
        }

        byte[] text = new byte[BinaryPrimitives.ReadUInt16LittleEndian(header[2..])];
        return stream.ReadAtLeast(text, text.Length, throwOnEndOfStream: false) < text.Length
            ? null
            : new StatusReport((StatusKind)header[0], (Cause)header[1], Encoding.UTF8.GetString(text));
    }
}
