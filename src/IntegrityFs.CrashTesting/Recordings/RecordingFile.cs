// Promise: an append-only file that is readable up to its last whole event, however the recorder ended. Layout: magic, the
// header, the non-zero pages of the base image ended by page −1, then events. Numbers are little-endian; lengths come
// before what they measure.
using System.Text;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>The codec of recordings.</summary>
internal static class RecordingFile
{
    private const ulong Magic = 0x3130_4352_5346_49AB;
    private const long NoPage = -1;
    private const int LongestPiece = 1 << 30;

    public static void WriteHeader(BinaryWriter writer, RecordingHeader header, PageImage image)
    {
        writer.Write(Magic);
        writer.Write(header.DeviceLength);
        writer.Write(header.Created);
        writer.Write(header.Personality);
        writer.Write(header.IsIntegrityFs);
        WriteBytes(writer, header.ThrowAwayKey.Span);
        writer.Write(header.Command.Count);
        foreach (string word in header.Command)
        {
            writer.Write(word);
        }

        for (int page = 0; page < image.PageCount; page++)
        {
            ReadOnlySpan<byte> content = image.Page(page);
            if (content.IndexOfAnyExcept((byte)0) >= 0)
            {
                writer.Write((long)page);
                writer.Write(content);
            }
        }

        writer.Write(NoPage);
    }

    public static void WriteEvent(BinaryWriter writer, RecordingEvent item)
    {
        writer.Write((byte)item.Kind);
        switch (item.Kind)
        {
            case RecordingEventKind.Write or RecordingEventKind.DurableWrite:
                writer.Write(item.Offset);
                WriteBytes(writer, item.Data.Span);
                break;
            case RecordingEventKind.FlushStart or RecordingEventKind.FlushEnd:
                writer.Write(item.Number);
                break;
            case RecordingEventKind.Output:
                WriteBytes(writer, item.Data.Span);
                break;
            case RecordingEventKind.Mark:
                writer.Write(item.Text);
                break;
            case RecordingEventKind.Request:
                WriteRequest(writer, item.Request!);
                break;
            default:
                break;
        }
    }

    public static ProgramRecording Read(Stream stream)
    {
        using var reader = new BinaryReader(stream, Encoding.UTF8, leaveOpen: true);
        if (stream.Length < sizeof(ulong) || reader.ReadUInt64() != Magic)
        {
            throw new CorruptFormatException("not a recording of 'integrityfs crashtest record'");
        }

        try
        {
            RecordingHeader header = ReadHeader(reader);
            PageImage image = ReadImage(reader, header.DeviceLength);
            return new ProgramRecording(header, image, ReadEvents(reader, stream));
        }
        catch (EndOfStreamException e)
        {
            throw new CorruptFormatException($"the recording ends in its first part: {e.Message}");
        }
    }

    private static RecordingHeader ReadHeader(BinaryReader reader)
    {
        var header = new RecordingHeader
        {
            DeviceLength = reader.ReadInt64(),
            Created = reader.ReadInt64(),
            Personality = reader.ReadString(),
            IsIntegrityFs = reader.ReadBoolean(),
            ThrowAwayKey = ReadBytes(reader),
        };
        var command = new List<string>();
        int count = reader.ReadInt32();
        for (int i = 0; i < count; i++)
        {
            command.Add(reader.ReadString());
        }

        return header.DeviceLength > 0
            ? header with { Command = command }
            : throw new CorruptFormatException("the recording has no device");
    }

    private static PageImage ReadImage(BinaryReader reader, long length)
    {
        var image = new PageImage(length);
        byte[] content = new byte[PageImage.PageSize];
        for (long page = reader.ReadInt64(); page != NoPage; page = reader.ReadInt64())
        {
            reader.BaseStream.ReadExactly(content);
            if (page < 0 || page >= image.PageCount)
            {
                throw new CorruptFormatException($"the recording's image has no page {page}");
            }

            long offset = page * PageImage.PageSize;
            image.Write(offset, content.AsSpan(0, (int)Math.Min(content.Length, length - offset)));
        }

        return image;
    }

    private static List<RecordingEvent> ReadEvents(BinaryReader reader, Stream stream)
    {
        var events = new List<RecordingEvent>();
        try
        {
            while (stream.Position < stream.Length)
            {
                events.Add(ReadEvent(reader));
            }
        }
        catch (EndOfStreamException)
        {
            // The recorder was killed while it wrote this event.
        }

        return events;
    }

    private static RecordingEvent ReadEvent(BinaryReader reader)
    {
        var kind = (RecordingEventKind)reader.ReadByte();
        return kind switch
        {
            RecordingEventKind.Write or RecordingEventKind.DurableWrite => new RecordingEvent(kind, Offset: reader.ReadInt64(), Data: ReadBytes(reader)),
            RecordingEventKind.FlushStart or RecordingEventKind.FlushEnd => new RecordingEvent(kind, Number: reader.ReadInt32()),
            RecordingEventKind.Output => new RecordingEvent(kind, Data: ReadBytes(reader)),
            RecordingEventKind.Mark => new RecordingEvent(kind, Text: reader.ReadString()),
            RecordingEventKind.Request => new RecordingEvent(kind, Request: ReadRequest(reader)),
            RecordingEventKind.End => new RecordingEvent(kind),
            _ => throw new CorruptFormatException($"the recording has an event of kind {(byte)kind}"),
        };
    }

    private static void WriteRequest(BinaryWriter writer, RecordedRequest request)
    {
        writer.Write(request.Number);
        writer.Write((byte)request.Kind);
        writer.Write((int)request.Result);
        writer.Write(request.Inode);
        writer.Write(request.Parent);
        writer.Write(request.Name);
        writer.Write(request.NewParent);
        writer.Write(request.NewName);
        writer.Write(request.Offset);
        writer.Write(request.Length);
        writer.Write(request.Mode);
        writer.Write(request.Uid);
        writer.Write(request.Gid);
        writer.Write(request.Rdev);
        writer.Write(request.Flags);
        writer.Write(request.Time);
        writer.Write(request.Synchronous);
        WriteBytes(writer, request.Data.Span);
    }

    private static RecordedRequest ReadRequest(BinaryReader reader) => new()
    {
        Number = reader.ReadInt32(),
        Kind = (RequestKind)reader.ReadByte(),
        Result = (Errno)reader.ReadInt32(),
        Inode = reader.ReadUInt64(),
        Parent = reader.ReadUInt64(),
        Name = reader.ReadString(),
        NewParent = reader.ReadUInt64(),
        NewName = reader.ReadString(),
        Offset = reader.ReadInt64(),
        Length = reader.ReadInt64(),
        Mode = reader.ReadUInt32(),
        Uid = reader.ReadUInt32(),
        Gid = reader.ReadUInt32(),
        Rdev = reader.ReadUInt32(),
        Flags = reader.ReadUInt32(),
        Time = reader.ReadInt64(),
        Synchronous = reader.ReadBoolean(),
        Data = ReadBytes(reader),
    };

    private static void WriteBytes(BinaryWriter writer, ReadOnlySpan<byte> bytes)
    {
        writer.Write(bytes.Length);
        writer.Write(bytes);
    }

    private static byte[] ReadBytes(BinaryReader reader)
    {
        int length = reader.ReadInt32();
        if (length is < 0 or > LongestPiece)
        {
            throw new CorruptFormatException($"the recording has a piece of {length} bytes");
        }

        byte[] bytes = reader.ReadBytes(length);
        return bytes.Length == length ? bytes : throw new EndOfStreamException();
    }
}
