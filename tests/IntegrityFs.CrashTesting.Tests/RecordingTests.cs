using System.Buffers.Binary;
using System.Text;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting.Tests;

public sealed class RecordingTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    private static ProgramRecording Sample()
    {
        var image = new PageImage(1 << 16);
        image.Write(8192, Enumerable.Repeat((byte)7, 4096).ToArray());
        return new ProgramRecording(new RecordingHeader { DeviceLength = 1 << 16, Command = ["app", "--all"], Personality = "fsync-eio-xfs", ThrowAwayKey = new byte[] { 1, 2 } }, image,
        [
            new RecordingEvent(RecordingEventKind.Write, Offset: 4096, Data: Enumerable.Repeat((byte)1, 1024).ToArray()),
            new RecordingEvent(RecordingEventKind.FlushStart, Number: 0),
            new RecordingEvent(RecordingEventKind.Write, Offset: 512, Data: Enumerable.Repeat((byte)2, 512).ToArray()),
            new RecordingEvent(RecordingEventKind.FlushEnd, Number: 0),
            new RecordingEvent(RecordingEventKind.Request, Request: new RecordedRequest { Number = 1, Kind = RequestKind.Rename, Inode = 9, Parent = 1, Name = "a\u00e9", NewParent = 2, NewName = "b", Result = Errno.OK, Time = 5, Data = new byte[] { 3 } }),
            new RecordingEvent(RecordingEventKind.Output, Data: Encoding.UTF8.GetBytes(new string('o', 500))),
            new RecordingEvent(RecordingEventKind.Mark, Text: "half way"),
            new RecordingEvent(RecordingEventKind.DurableWrite, Offset: 1024, Data: new byte[512]),
            new RecordingEvent(RecordingEventKind.End),
        ]);
    }

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void A_recording_survives_the_file()
    {
        ProgramRecording sample = Sample();
        sample.Save(_path);
        ProgramRecording read = ProgramRecording.Load(_path);
        Assert.Equal(sample.Header.Command, read.Header.Command);
        Assert.Equal(sample.Header.Personality, read.Header.Personality);
        Assert.Equal(sample.Header.ThrowAwayKey.ToArray(), read.Header.ThrowAwayKey.ToArray());
        Assert.Equal(sample.Image.ToArray(), read.Image.ToArray());
        Assert.Equal(Shown(sample), Shown(read));
        Assert.Equal(sample.Events[4].Request! with { Data = default }, read.Events[4].Request! with { Data = default });
        Assert.Equal(500, read.OutputBefore(6));
    }

    [Fact]
    public void A_recording_that_ends_anywhere_is_read_up_to_its_last_whole_event()
    {
        Sample().Save(_path);
        byte[] whole = File.ReadAllBytes(_path);
        int events = Sample().Events.Count;
        for (int length = whole.Length - 1; length > whole.Length - 600; length -= 7)
        {
            File.WriteAllBytes(_path, whole[..length]);
            Assert.InRange(ProgramRecording.Load(_path).Events.Count, 1, events - 1);
        }
    }

    [Fact]
    public void What_is_no_recording_is_refused()
    {
        File.WriteAllBytes(_path, new byte[100]);
        Assert.Throws<CorruptFormatException>(() => ProgramRecording.Load(_path));
        Sample().Save(_path);
        File.WriteAllBytes(_path, File.ReadAllBytes(_path)[..40]);
        Assert.Throws<CorruptFormatException>(() => ProgramRecording.Load(_path));
    }

    [Fact]
    public void Device_writes_flushes_output_and_marks_survive_the_log_of_dm_log_writes()
    {
        ProgramRecording sample = Sample();
        using var log = new MemoryStream();
        LogWrites.Export(sample, log);
        log.Position = 0;
        ProgramRecording read = LogWrites.Import(log, sample.Image, ["log"]);
        Assert.True(read.Header.IsIntegrityFs);
        Assert.Equal(Device(sample), Device(read));
        Assert.Equal(sample.Output.ToArray(), read.Output.ToArray());
        Assert.Contains(read.Events, item => item.Kind == RecordingEventKind.Mark && item.Text == "half way");
        Assert.Contains(read.Events, item => item.Kind == RecordingEventKind.Mark && item.Text.StartsWith("request 1 rename", StringComparison.Ordinal));
        Assert.Equal(
            CrashPoint.Of(sample.DeviceTrace()).Select(point => (point.Pending.Count, point.NewlyDurable.Count)),
            CrashPoint.Of(read.DeviceTrace()).Select(point => (point.Pending.Count, point.NewlyDurable.Count)));
    }

    [Fact]
    public void The_log_has_the_bytes_that_the_kernels_format_prescribes()
    {
        var recording = new ProgramRecording(new RecordingHeader { DeviceLength = 4096 }, new PageImage(4096),
        [
            new RecordingEvent(RecordingEventKind.Mark, Text: "hi"),
            new RecordingEvent(RecordingEventKind.Write, Offset: 1024, Data: Enumerable.Repeat((byte)0xAB, 1024).ToArray()),
        ]);
        using var log = new MemoryStream();
        Assert.Equal(2, LogWrites.Export(recording, log));
        byte[] bytes = log.ToArray();
        Assert.Equal(512 * 5, bytes.Length);
        Assert.Equal(0x6a736677736872UL, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        Assert.Equal([1UL, 2UL], [BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(8)), BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(16))]);
        Assert.Equal(512U, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(24)));
        Assert.Equal([0UL, 0UL, 8UL, 7UL], Words(bytes.AsSpan(512)));
        Assert.Equal("mark hi", Encoding.ASCII.GetString(bytes, 512 + 32, 7));
        Assert.Equal([2UL, 2UL, 0UL, 0UL], Words(bytes.AsSpan(1024)));
        Assert.Equal(Enumerable.Repeat((byte)0xAB, 1024), bytes[1536..]);

        static ulong[] Words(ReadOnlySpan<byte> entry) =>
            [BinaryPrimitives.ReadUInt64LittleEndian(entry), BinaryPrimitives.ReadUInt64LittleEndian(entry[8..]), BinaryPrimitives.ReadUInt64LittleEndian(entry[16..]), BinaryPrimitives.ReadUInt64LittleEndian(entry[24..])];
    }

    [Fact]
    public void A_foreign_log_with_larger_sectors_discards_and_fua_is_understood()
    {
        const int Sector = 4096;
        using var log = new MemoryStream();
        void Entry(ulong sector, ulong sectors, ulong flags, byte fill)
        {
            byte[] head = new byte[Sector];
            BinaryPrimitives.WriteUInt64LittleEndian(head, sector);
            BinaryPrimitives.WriteUInt64LittleEndian(head.AsSpan(8), sectors);
            BinaryPrimitives.WriteUInt64LittleEndian(head.AsSpan(16), flags);
            log.Write(head);
            log.Write((flags & 4) != 0 ? [] : Enumerable.Repeat(fill, (int)sectors * Sector).ToArray());
        }

        byte[] super = new byte[Sector];
        BinaryPrimitives.WriteUInt64LittleEndian(super, 0x6a736677736872);
        BinaryPrimitives.WriteUInt64LittleEndian(super.AsSpan(8), 1);
        BinaryPrimitives.WriteUInt64LittleEndian(super.AsSpan(16), 3);
        BinaryPrimitives.WriteUInt32LittleEndian(super.AsSpan(24), Sector);
        log.Write(super);
        Entry(1, 1, 0, 5);
        Entry(2, 1, 4, 0);
        Entry(3, 1, 1 | 2, 6); // flush what came before, then a durable write
        log.Position = 0;
        ProgramRecording read = LogWrites.Import(log, new PageImage(65536), ["x"]);
        Assert.False(read.Header.IsIntegrityFs);
        List<CrashPoint> points = CrashPoint.Of(read.DeviceTrace());
        Assert.Equal(8192 / 4096 * 1, points[0].Pending.Count(unit => unit.Offset is 4096 or 8192));
        Assert.Empty(points[^1].Pending);
        Assert.Contains(points[^1].NewlyDurable, unit => unit.Offset == 12288);
        log.SetLength(log.Length - 100);
        log.Position = 0;
        Assert.Throws<CorruptFormatException>(() => LogWrites.Import(log, new PageImage(65536), ["x"]));
    }

    [Fact]
    public void A_durable_write_is_there_after_every_later_crash_while_what_came_before_it_may_be_lost()
    {
        TraceEvent[] events =
        [
            new(TraceEventKind.Write, 0, new byte[512], 0, null),
            new(TraceEventKind.DurableWrite, 4096, new byte[512], 0, null),
        ];
        List<CrashPoint> points = CrashPoint.Of(events);
        Assert.Equal(2, points[0].Pending.Count);
        Assert.Equal(4096, Assert.Single(points[1].NewlyDurable).Offset);
        Assert.Equal(0, Assert.Single(points[1].Pending).Offset);
    }

    private static List<string> Shown(ProgramRecording recording) => [.. RecordingText.Lines(recording)];

    private static List<string> Device(ProgramRecording recording) =>
    [
        .. recording.Events.Where(item => item.Kind is RecordingEventKind.Write or RecordingEventKind.FlushStart or RecordingEventKind.FlushEnd or RecordingEventKind.DurableWrite)
            .Select(item => $"{item.Kind} {item.Offset} {item.Number} {Convert.ToHexString(item.Data.Span)}"),
    ];
}
