using System.Diagnostics;
using CsCheck;
using IntegrityFs.Format;

namespace IntegrityFs.Device.Tests;

[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class FileDeviceTests : IDisposable
{
    private const int Size = 1 << 20;
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private FileDevice Open(string path, bool readOnly = false, bool direct = true, bool unlocked = false) =>
        FileDevice.Open(path, new FileDeviceOptions { ReadOnly = readOnly, Direct = direct, Unlocked = unlocked });

    private static byte[] Pattern(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_written_is_read_back_also_by_the_next_user(bool direct)
    {
        string path = _directory.Image(Size);
        byte[] data = Pattern(64 * 1024, 1);
        using (FileDevice device = Open(path, direct: direct))
        {
            Assert.Equal(Size, device.Length);
            Assert.InRange(device.SectorSize, 512, 4096);
            Assert.False(device.IsBlockDevice);
            device.Write(8192, data);
            device.Flush();
            byte[] back = new byte[data.Length];
            device.Read(8192, back);
            Assert.Equal(data, back);
        }

        Assert.Equal(data, File.ReadAllBytes(path).AsSpan(8192, data.Length).ToArray());
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(true, 512)]
    [InlineData(false, 0)]
    public void Segments_are_filled_with_what_lies_one_behind_the_other(bool direct, int misaligned)
    {
        string path = _directory.Image(Size);
        byte[] data = Pattern(40 * 4096, 3);
        using FileDevice device = Open(path, direct: direct);
        device.Write(4096, data);
        using var memory = new AlignedMemory(64 * 4096);
        int shift = misaligned / device.SectorSize * device.SectorSize;
        IoSegment[] segments =
        [
            new(memory.Address + shift, 2 * 4096),
            new(memory.Address + (50 * 4096), 4096),
            new(memory.Address + (8 * 4096), 37 * 4096),
        ];
        device.ReadScatter(4096, segments);
        int from = 0;
        foreach (IoSegment segment in segments)
        {
            Assert.True(data.AsSpan(from, segment.Length).SequenceEqual(memory.Span.Slice((int)(segment.Address - memory.Address), segment.Length)));
            from += segment.Length;
        }

        Assert.Throws<DeviceException>(() => device.ReadScatter(Size - 4096, [segments[1], segments[1]]));
    }

    [Theory]
    [InlineData(true, 0, 3)]
    [InlineData(true, 512, 3)]
    [InlineData(true, 0, 60)]
    [InlineData(false, 0, 3)]
    public void Two_places_are_read_at_once_or_one_after_the_other(bool direct, int misaligned, int pieces)
    {
        string path = _directory.Image(Size);
        byte[] data = Pattern(70 * 4096, 5);
        using (FileDevice writer = Open(path))
        {
            writer.Write(0, data);
        }

        using FileDevice device = FileDevice.Open(path, new FileDeviceOptions { ReadOnly = true, Direct = direct, BusyPoll = true });
        using var memory = new AlignedMemory(72 * 4096);
        int shift = misaligned / device.SectorSize * device.SectorSize;
        IoSegment[] segments = [.. Enumerable.Range(0, pieces).Select(i => new IoSegment(memory.Address + shift + (i * 4096), 4096))];
        var other = new IoSegment(memory.Address + (71 * 4096), 4096);
        for (int round = 0; round < 40; round++)
        {
            memory.Span.Clear();
            device.ReadBoth(5 * 4096, segments, 69 * 4096, other);
            Assert.True(data.AsSpan(5 * 4096, pieces * 4096).SequenceEqual(memory.Span.Slice(shift, pieces * 4096)));
            Assert.True(data.AsSpan(69 * 4096, 4096).SequenceEqual(memory.Span.Slice(71 * 4096, 4096)));
        }

        Assert.Throws<DeviceException>(() => device.ReadBoth(Size - 4096, segments, 0, other));
        Assert.Throws<DeviceException>(() => device.ReadBoth(0, segments, Size, other));
        using (var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.SetLength(69 * 4096);
        }

        DeviceException failure = Assert.Throws<DeviceException>(() => device.ReadBoth(0, segments, 69 * 4096, other));
        Assert.Equal((Errno.EIO, 69 * 4096), (failure.Errno, failure.Offset));
    }

    [Fact]
    public void Many_threads_that_read_two_places_get_their_own_bytes()
    {
        string path = _directory.Image(Size);
        byte[] data = Pattern(Size, 6);
        File.WriteAllBytes(path, data);
        using FileDevice device = FileDevice.Open(path, new FileDeviceOptions { ReadOnly = true, BusyPoll = true });
        int wrong = 0;
        Thread[] readers = [.. Enumerable.Range(1, 12).Select(seed => new Thread(() =>
        {
            var random = new Random(seed);
            using var memory = new AlignedMemory(2 * 4096);
            for (int i = 0; i < 200; i++)
            {
                int one = random.Next(Size / 4096) * 4096;
                int two = random.Next(Size / 4096) * 4096;
                device.ReadBoth(one, [new IoSegment(memory.Address, 4096)], two, new IoSegment(memory.Address + 4096, 4096));
                bool right = memory.Span[..4096].SequenceEqual(data.AsSpan(one, 4096)) && memory.Span[4096..].SequenceEqual(data.AsSpan(two, 4096));
                Interlocked.Add(ref wrong, right ? 0 : 1);
            }
        }))];
        Array.ForEach(readers, reader => reader.Start());
        Array.ForEach(readers, reader => reader.Join());
        Assert.Equal(0, wrong);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Any_sequence_of_requests_leaves_the_bytes_that_an_array_would_hold(bool direct)
    {
        string path = _directory.Image(Size);
        using FileDevice device = Open(path, direct: direct);
        int sector = device.SectorSize;
        byte[] model = new byte[Size];
        Gen<(int First, int Count, int Kind, int Seed)> request = Gen.Select(
            Gen.Int[0, Size / sector - 1], Gen.Int[1, 160], Gen.Int[0, 3], Gen.Int);
        request.List[1, 12].Sample(requests =>
        {
            foreach ((int first, int count, int kind, int seed) in requests)
            {
                int length = Math.Min(count * sector, Size - first * sector);
                Apply(device, model, first * sector, length, kind, seed);
            }

            byte[] all = new byte[Size];
            device.Read(0, all);
            return all.AsSpan().SequenceEqual(model);
        }, iter: 60, threads: 1);
    }

    private static void Apply(FileDevice device, byte[] model, int offset, int length, int kind, int seed)
    {
        byte[] data = Pattern(length, seed);
        switch (kind)
        {
            case 0: // managed memory: aligned to nothing in particular
                device.Write(offset, data);
                break;
            case 1:
                using (var aligned = new AlignedMemory(length))
                {
                    data.CopyTo(aligned.Span);
                    device.Write(offset, aligned.Span);
                }

                break;
            case 2:
                Gather(device, offset, data);
                break;
            default:
                byte[] back = new byte[length];
                device.Read(offset, back);
                Assert.Equal(model.AsSpan(offset, length).ToArray(), back);
                return;
        }

        data.CopyTo(model, offset);
    }

    private static void Gather(FileDevice device, long offset, ReadOnlySpan<byte> data)
    {
        int sector = device.SectorSize;
        using var memory = new AlignedMemory(data.Length + sector);
        // Every third piece lies where O_DIRECT would refuse it.
        var segments = new List<IoSegment>();
        using var odd = new AlignedMemory(data.Length + 1);
        for (int at = 0, i = 0; at < data.Length; i++)
        {
            int length = Math.Min(data.Length - at, sector * (1 + i % 3));
            AlignedMemory home = i % 3 == 2 ? odd : memory;
            int shift = i % 3 == 2 ? 1 : 0;
            data.Slice(at, length).CopyTo(home.Span[(at + shift)..]);
            segments.Add(new IoSegment(home.Address + at + shift, length));
            at += length;
        }

        device.WriteGather(offset, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(segments));
    }

    [Fact]
    public void More_segments_than_the_kernel_takes_at_once_are_all_written()
    {
        string path = _directory.Image(16 << 20);
        using FileDevice device = Open(path);
        const int count = 2500;
        using var memory = new AlignedMemory(count * 4096);
        Pattern(count * 4096, 7).CopyTo(memory.Span);
        IoSegment[] segments = new IoSegment[count];
        for (int i = 0; i < count; i++)
        {
            segments[i] = new IoSegment(memory.Address + (count - 1 - i) * 4096, 4096);
        }

        device.WriteGather(4096, segments);
        byte[] back = new byte[count * 4096];
        device.Read(4096, back);
        for (int i = 0; i < count; i++)
        {
            Assert.True(back.AsSpan(i * 4096, 4096).SequenceEqual(memory.Span.Slice((count - 1 - i) * 4096, 4096)));
        }
    }

    [Fact]
    public void A_transfer_larger_than_a_bounce_buffer_works_from_memory_of_any_alignment()
    {
        string path = _directory.Image(4 << 20);
        using FileDevice device = Open(path);
        byte[] data = Pattern((1 << 20) + 1, 3);
        device.Write(0, data.AsSpan(1));
        byte[] back = new byte[(1 << 20) + 3];
        device.Read(0, back.AsSpan(3));
        Assert.True(back.AsSpan(3).SequenceEqual(data.AsSpan(1)));
    }

    [Fact]
    public void A_second_user_is_refused_with_EBUSY_until_the_first_closes()
    {
        string path = _directory.Image(Size);
        using (Open(path))
        {
            DeviceException refused = Assert.Throws<DeviceException>(() => Open(path));
            Assert.Equal(Errno.EBUSY, refused.Errno);
            Assert.Contains("already in use", refused.Message, StringComparison.Ordinal);
            Assert.Equal(Errno.EBUSY, Assert.Throws<DeviceException>(() => Open(path, readOnly: true)).Errno);
            Assert.Equal(Errno.EBUSY, Assert.Throws<DeviceException>(() => DeviceLock.LockImage(path)).Errno);
        }

        Open(path).Dispose();
    }

    [Fact]
    public void Readers_share_and_keep_writers_out()
    {
        string path = _directory.Image(Size);
        using FileDevice first = Open(path, readOnly: true);
        using FileDevice second = Open(path, readOnly: true);
        Assert.Equal(Errno.EBUSY, Assert.Throws<DeviceException>(() => Open(path)).Errno);
    }

    [Fact]
    public void An_unlocked_reader_may_look_at_a_device_in_use()
    {
        string path = _directory.Image(Size);
        using FileDevice user = Open(path);
        using FileDevice onlooker = Open(path, readOnly: true, unlocked: true);
        user.Write(0, Pattern(4096, 5));
        byte[] seen = new byte[4096];
        onlooker.Read(0, seen);
        Assert.Equal(Pattern(4096, 5), seen);
        Assert.Throws<ArgumentException>(() => Open(path, unlocked: true));
    }

    [Fact]
    public void A_lock_on_the_image_alone_keeps_users_out()
    {
        string path = _directory.Image(Size);
        using (DeviceLock.LockImage(path))
        {
            Assert.Equal(Errno.EBUSY, Assert.Throws<DeviceException>(() => Open(path)).Errno);
        }

        Open(path).Dispose();
    }

    [Fact]
    public void A_read_only_device_refuses_writes_with_EROFS_and_flushes_without_effect()
    {
        string path = _directory.Image(Size);
        using FileDevice device = Open(path, readOnly: true);
        DeviceException refused = Assert.Throws<DeviceException>(() => device.Write(0, new byte[4096]));
        Assert.Equal(Errno.EROFS, refused.Errno);
        Assert.Equal(Errno.EROFS, Assert.Throws<DeviceException>(() => device.WriteGather(0, [])).Errno);
        device.Flush();
    }

    [Fact]
    public void A_file_that_shrank_behind_our_back_fails_reads_instead_of_returning_less()
    {
        string path = _directory.Image(Size);
        using FileDevice device = Open(path);
        using (Process truncate = Process.Start("truncate", ["-s", $"{Size / 2}", path]))
        {
            truncate.WaitForExit();
        }

        DeviceException failure = Assert.Throws<DeviceException>(() => device.Read(Size / 2 - 4096, new byte[8192]));
        Assert.Equal(Errno.EIO, failure.Errno);
        Assert.Equal(DeviceOperation.Read, failure.Operation);
        Assert.Equal(Size / 2, failure.Offset);
    }

    [Fact]
    public void The_length_is_whole_sectors_and_nothing_beyond_it_can_be_reached()
    {
        string path = _directory.Image(Size + 1000);
        using FileDevice device = Open(path);
        Assert.Equal(0, device.Length % device.SectorSize);
        Assert.InRange(device.Length, Size, Size + 1000);
        byte[] sector = new byte[device.SectorSize];
        Assert.Equal(Errno.EINVAL, Assert.Throws<DeviceException>(() => device.Read(device.Length, sector)).Errno);
        Assert.Equal(Errno.EINVAL, Assert.Throws<DeviceException>(() => device.Write(device.Length, sector)).Errno);
        long last = long.MaxValue - device.SectorSize + 1;
        Assert.Equal(Errno.EINVAL, Assert.Throws<DeviceException>(() => device.Read(last, sector)).Errno);
        Assert.Equal(
            Errno.EINVAL, Assert.Throws<DeviceException>(() => device.Read(-device.SectorSize, sector)).Errno);
    }

    [Fact]
    public void A_request_that_is_not_in_sectors_is_a_programming_error()
    {
        string path = _directory.Image(Size);
        using FileDevice device = Open(path);
        Assert.Throws<ArgumentException>(() => device.Read(1, new byte[4096]));
        Assert.Throws<ArgumentException>(() => device.Write(0, new byte[100]));
        Assert.Throws<ArgumentException>(() => device.WriteGather(0, [new IoSegment(0, 100)]));
    }

    [Fact]
    public void What_is_neither_file_nor_block_device_is_refused()
    {
        Assert.Equal(Errno.ENOENT, Assert.Throws<DeviceException>(() => Open(_directory["none"])).Errno);
        Assert.Equal(Errno.EINVAL, Assert.Throws<DeviceException>(() => Open("/dev/null")).Errno);
        Assert.Equal(Errno.EISDIR, Assert.Throws<DeviceException>(() => Open(_directory["."])).Errno);
        Assert.Equal(
            Errno.EINVAL, Assert.Throws<DeviceException>(() => Open(_directory["."], readOnly: true)).Errno);
    }

    [Fact]
    public void An_image_is_created_once_with_its_length_for_its_owner_only()
    {
        FileDevice.CreateImage(_directory["sparse"], 1L << 30);
        FileDevice.CreateImage(_directory["full"], Size, allocate: true);
        Assert.Equal(1L << 30, new FileInfo(_directory["sparse"]).Length);
        Assert.Equal(Size, new FileInfo(_directory["full"]).Length);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_directory["full"]));
        DeviceException exists =
            Assert.Throws<DeviceException>(() => FileDevice.CreateImage(_directory["full"], Size));
        Assert.Equal(Errno.EEXIST, exists.Errno);
    }

    [Fact]
    public void An_image_that_cannot_be_allocated_is_not_left_behind()
    {
        Assert.Throws<DeviceException>(
            () => FileDevice.CreateImage(_directory["huge"], 1L << 50, allocate: true));
        Assert.False(File.Exists(_directory["huge"]));
    }

    [Fact]
    public void A_closed_device_cannot_reach_anybody_elses_file()
    {
        string path = _directory.Image(Size);
        FileDevice device = Open(path);
        device.Dispose();
        Assert.Throws<ObjectDisposedException>(() => device.Read(0, new byte[4096]));
        Assert.Throws<ObjectDisposedException>(() => device.Write(0, new byte[4096]));
        Assert.Throws<ObjectDisposedException>(device.Flush);
        device.Dispose();
    }

    [Fact]
    public void Threads_may_use_a_device_together()
    {
        string path = _directory.Image(16 << 20);
        using FileDevice device = Open(path);
        Parallel.For(0, 16, thread =>
        {
            byte[] data = Pattern(64 * 1024, thread);
            byte[] back = new byte[data.Length];
            for (int round = 0; round < 8; round++)
            {
                long offset = (thread * 8 + round) * 64L * 1024;
                device.Write(offset, data);
                device.Read(offset, back);
                Assert.Equal(data, back);
            }
        });
    }
}
