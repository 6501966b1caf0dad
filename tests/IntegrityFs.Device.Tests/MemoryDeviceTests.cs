using CsCheck;
using IntegrityFs.Format;

namespace IntegrityFs.Device.Tests;

public sealed class MemoryDeviceTests
{
    [Fact]
    public void Any_sequence_of_requests_leaves_the_bytes_that_an_array_would_hold()
    {
        const int size = 64 * 1024;
        Gen.Select(Gen.Int[0, 127], Gen.Int[1, 20], Gen.Byte).List[1, 30].Sample(writes =>
        {
            var device = new MemoryDevice(size);
            byte[] model = new byte[size];
            foreach ((int first, int count, byte value) in writes)
            {
                int length = Math.Min(count, 128 - first) * 512;
                model.AsSpan(first * 512, length).Fill(value);
                device.Write(first * 512, model.AsSpan(first * 512, length));
            }

            byte[] back = new byte[size];
            device.Read(0, back);
            return back.AsSpan().SequenceEqual(model) && device.Bytes.SequenceEqual(model);
        });
    }

    [Fact]
    public void A_device_of_terabytes_takes_memory_only_for_what_was_written()
    {
        const long size = 4L << 40;
        var device = new MemoryDevice(size, 4096);
        byte[] data = new byte[8192];
        new Random(1).NextBytes(data);
        long offset = (1L << 40) - 4096; // across two pieces
        device.Write(offset, data);
        byte[] back = new byte[16384];
        device.Read(offset - 4096, back);
        Assert.Equal(data, back.AsSpan(4096, 8192).ToArray());
        Assert.False(back.AsSpan(0, 4096).ContainsAnyExcept((byte)0));
        Assert.Equal(data[4096], device[1L << 40]);
        device.Slice(1L << 40, 16).Fill(9);
        device.Read(1L << 40, back);
        Assert.Equal(9, back[15]);
    }

    [Fact]
    public void A_clone_is_independent_and_a_copy_of_bytes_is_equal()
    {
        var device = new MemoryDevice(8192);
        device.Bytes[0] = 1;
        MemoryDevice clone = device.Clone();
        clone[0] = 2;
        Assert.Equal(1, device[0]);
        Assert.Equal(device.Bytes.ToArray(), MemoryDevice.FromBytes(device.Bytes).Bytes.ToArray());
    }

    [Fact]
    public unsafe void It_is_as_strict_as_a_real_device()
    {
        var device = new MemoryDevice(10_000, 4096);
        Assert.Equal(8192, device.Length);
        Assert.Throws<ArgumentException>(() => device.Read(512, new byte[4096]));
        Assert.Throws<ArgumentException>(() => device.Write(0, new byte[512]));
        Assert.Equal(
            Errno.EINVAL, Assert.Throws<DeviceException>(() => device.Read(8192, new byte[4096])).Errno);
        using var memory = new AlignedMemory(8192);
        IoSegment[] segments = [new(memory.Address, 4096), new(memory.Address, 8192)];
        Assert.Equal(
            Errno.EINVAL, Assert.Throws<DeviceException>(() => device.WriteGather(0, segments)).Errno);
        var readOnly = new MemoryDevice(8192, readOnly: true);
        Assert.Equal(
            Errno.EROFS, Assert.Throws<DeviceException>(() => readOnly.Write(0, new byte[512])).Errno);
    }
}
