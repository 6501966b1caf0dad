// Promise: reads and writes version 1 of the kernel's dm-log-writes log, so that its replay-log tool and others can use
// what was recorded here, and crash states of any file system can be explored here. Layout, little-endian, everything in
// whole log sectors: a super sector {magic, version, entries: u64; sectorsize: u32}, then per entry a sector {sector,
// nr_sectors, flags, data_len: u64; text of a mark}, followed by its data unless it is a discard.
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>Exports and imports logs of dm-log-writes.</summary>
public static class LogWrites
{
    private const ulong Magic = 0x6a736677736872;
    private const ulong Version = 1;
    private const int SectorSize = 512;
    private const int HeadSize = 32;
    private const ulong Flush = 1;
    private const ulong Fua = 2;
    private const ulong Discard = 4;
    private const ulong Mark = 8;
    private const int LongestMark = SectorSize - HeadSize;

    /// <summary>Writes the device part of a recording. Requests, output and marks of the program become marks.</summary>
    /// <returns>The number of entries.</returns>
    public static long Export(ProgramRecording recording, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(recording);
        ArgumentNullException.ThrowIfNull(stream);
        long entries = 0;
        stream.Write(new byte[SectorSize]);
        foreach (RecordingEvent item in recording.Events)
        {
            switch (item.Kind)
            {
                case RecordingEventKind.Write or RecordingEventKind.DurableWrite:
                    ulong durable = item.Kind == RecordingEventKind.DurableWrite ? Fua : 0;
                    WriteEntry(stream, item.Offset / SectorSize, item.Data.Length / SectorSize, durable, item.Data.Span);
                    break;
                case RecordingEventKind.FlushEnd:
                    WriteMark(stream, string.Create(CultureInfo.InvariantCulture, $"flush-end {item.Number}"));
                    WriteEntry(stream, 0, 0, Flush, default);
                    entries++;
                    break;
                case RecordingEventKind.FlushStart:
                    WriteMark(stream, string.Create(CultureInfo.InvariantCulture, $"flush-start {item.Number}"));
                    break;
                case RecordingEventKind.Output:
                    entries += WriteOutput(stream, item.Data.Span) - 1;
                    break;
                default:
                    WriteMark(stream, Describe(item));
                    break;
            }

            entries++;
        }

        byte[] super = new byte[SectorSize];
        BinaryPrimitives.WriteUInt64LittleEndian(super, Magic);
        BinaryPrimitives.WriteUInt64LittleEndian(super.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt64LittleEndian(super.AsSpan(16), (ulong)entries);
        BinaryPrimitives.WriteUInt32LittleEndian(super.AsSpan(24), SectorSize);
        stream.Position = 0;
        stream.Write(super);
        stream.Position = stream.Length;
        return entries;
    }

    /// <summary>Reads a log over a base image. Marks of an exported recording say where a flush began; in
    /// other logs a flush covers all that stands before it.</summary>
    /// <exception cref="CorruptFormatException">It is no such log.</exception>
    public static ProgramRecording Import(Stream stream, PageImage image, IReadOnlyList<string> command)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(image);
        byte[] head = new byte[SectorSize];
        ReadExactly(stream, head, "super sector");
        if (BinaryPrimitives.ReadUInt64LittleEndian(head) != Magic || BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(8)) != Version)
        {
            throw new CorruptFormatException("not a version 1 log of dm-log-writes");
        }

        ulong count = BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(16));
        uint logSector = BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(24));
        if (logSector is < 512 or > 65536 || (logSector & (logSector - 1)) != 0)
        {
            throw new CorruptFormatException($"the log's sectors have {logSector} bytes");
        }

        stream.Position = logSector;
        var import = new Importer(image.Length, logSector);
        for (ulong i = 0; i < count; i++)
        {
            import.ReadEntry(stream);
        }

        return new ProgramRecording(
            new RecordingHeader { DeviceLength = image.Length, Command = command, IsIntegrityFs = import.IsOurs }, image, import.Events);
    }

    private static string Describe(RecordingEvent item) => item.Kind switch
    {
        RecordingEventKind.Request => $"request {item.Request!.Number} {RequestText.Describe(item.Request, null)}",
        RecordingEventKind.Mark => "mark " + item.Text,
        _ => "end",
    };

    private static int WriteOutput(Stream stream, ReadOnlySpan<byte> output)
    {
        const int Piece = 200;
        int marks = 0;
        for (; !output.IsEmpty; output = output[Math.Min(Piece, output.Length)..], marks++)
        {
            WriteMark(stream, "output " + Convert.ToHexString(output[..Math.Min(Piece, output.Length)]));
        }

        return marks;
    }

    private static void WriteMark(Stream stream, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int length = Math.Min(bytes.Length, LongestMark);
        byte[] sector = new byte[SectorSize];
        BinaryPrimitives.WriteUInt64LittleEndian(sector.AsSpan(16), Mark);
        BinaryPrimitives.WriteUInt64LittleEndian(sector.AsSpan(24), (ulong)length);
        bytes.AsSpan(0, length).CopyTo(sector.AsSpan(HeadSize));
        stream.Write(sector);
    }

    private static void WriteEntry(Stream stream, long sector, long sectors, ulong flags, ReadOnlySpan<byte> data)
    {
        byte[] head = new byte[SectorSize];
        BinaryPrimitives.WriteUInt64LittleEndian(head, (ulong)sector);
        BinaryPrimitives.WriteUInt64LittleEndian(head.AsSpan(8), (ulong)sectors);
        BinaryPrimitives.WriteUInt64LittleEndian(head.AsSpan(16), flags);
        stream.Write(head);
        stream.Write(data);
    }

    private static void ReadExactly(Stream stream, Span<byte> buffer, string what)
    {
        if (stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false) < buffer.Length)
        {
            throw new CorruptFormatException($"the log ends inside its {what}");
        }
    }

    private sealed class Importer(long deviceLength, uint logSector)
    {
        private readonly byte[] _head = new byte[logSector];
        private int _flushes;
        private int _endingFlush = -1;

        public List<RecordingEvent> Events { get; } = [];

        public bool IsOurs { get; private set; }

        public void ReadEntry(Stream stream)
        {
            ReadExactly(stream, _head, "entry");
            ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(_head);
            ulong sectors = BinaryPrimitives.ReadUInt64LittleEndian(_head.AsSpan(8));
            ulong flags = BinaryPrimitives.ReadUInt64LittleEndian(_head.AsSpan(16));
            ulong length = BinaryPrimitives.ReadUInt64LittleEndian(_head.AsSpan(24));
            if ((flags & Mark) != 0)
            {
                ReadMark(Encoding.UTF8.GetString(_head.AsSpan(HeadSize, (int)Math.Min(length, logSector - HeadSize))).TrimEnd('\0'));
                return;
            }

            if (sectors > (ulong)(deviceLength / logSector) || sector > (ulong)(deviceLength / logSector) - sectors)
            {
                throw new CorruptFormatException($"the log writes sector {sector}, beyond the image");
            }

            if ((flags & Flush) != 0)
            {
                AddFlush();
            }

            if (sectors == 0)
            {
                return;
            }

            // A discarded range may read as anything; zeroes are what most devices give.
            byte[] data = new byte[(long)sectors * logSector];
            if ((flags & Discard) == 0)
            {
                ReadExactly(stream, data, "data");
            }

            RecordingEventKind kind = (flags & Fua) != 0 ? RecordingEventKind.DurableWrite : RecordingEventKind.Write;
            Events.Add(new RecordingEvent(kind, Offset: (long)sector * logSector, Data: data));
        }

        private void AddFlush()
        {
            if (_endingFlush < 0)
            {
                _endingFlush = _flushes++;
                Events.Add(new RecordingEvent(RecordingEventKind.FlushStart, Number: _endingFlush));
            }

            Events.Add(new RecordingEvent(RecordingEventKind.FlushEnd, Number: _endingFlush));
            _endingFlush = -1;
        }

        private void ReadMark(string text)
        {
            if (text.StartsWith("flush-start ", StringComparison.Ordinal) && int.TryParse(text.AsSpan(12), out int started))
            {
                IsOurs = true;
                _flushes = Math.Max(_flushes, started + 1);
                Events.Add(new RecordingEvent(RecordingEventKind.FlushStart, Number: started));
            }
            else if (text.StartsWith("flush-end ", StringComparison.Ordinal) && int.TryParse(text.AsSpan(10), out int ended))
            {
                _endingFlush = ended;
            }
            else if (text.StartsWith("output ", StringComparison.Ordinal) && IsHex(text.AsSpan(7)))
            {
                Events.Add(new RecordingEvent(RecordingEventKind.Output, Data: Convert.FromHexString(text.AsSpan(7))));
            }
            else
            {
                Events.Add(new RecordingEvent(RecordingEventKind.Mark, Text: text.StartsWith("mark ", StringComparison.Ordinal) ? text[5..] : text));
            }
        }

        private static bool IsHex(ReadOnlySpan<char> text) => text.Length % 2 == 0 && !text.ContainsAnyExcept("0123456789ABCDEF");
    }
}
