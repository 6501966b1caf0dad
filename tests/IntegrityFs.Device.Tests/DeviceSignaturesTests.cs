using System.Diagnostics;
using IntegrityFs.Format;

namespace IntegrityFs.Device.Tests;

public sealed class DeviceSignaturesTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private static void WriteAt(string path, long offset, ReadOnlySpan<byte> bytes)
    {
        using FileStream stream = new(path, FileMode.Open, FileAccess.Write);
        stream.Position = offset;
        stream.Write(bytes);
    }

    /// <summary>A minimal partition table: one Linux partition, and the boot signature.</summary>
    private static void PutPartitionTable(string path)
    {
        byte[] sector = new byte[512];
        sector[446 + 4] = 0x83;
        sector[446 + 8] = 1;
        sector[446 + 12] = 100;
        sector[510] = 0x55;
        sector[511] = 0xAA;
        WriteAt(path, 0, sector);
    }

    [Fact]
    public void An_empty_image_has_no_signature()
    {
        SignatureReport report = DeviceSignatures.Probe(_directory.Image(4 << 20));
        Assert.True(report.Checked, report.Reason);
        Assert.Empty(report.Found);
    }

    [Fact]
    public void A_file_system_is_found_with_its_label_and_is_gone_after_the_wipe()
    {
        string path = _directory.Image(8 << 20);
        using (Process mkfs = Process.Start(new ProcessStartInfo("/sbin/mke2fs", ["-q", "-t", "ext4", "-L", "old", path])
        {
            RedirectStandardError = true,
        })!)
        {
            mkfs.WaitForExit();
            Assert.Equal(0, mkfs.ExitCode);
        }

        SignatureReport report = DeviceSignatures.Probe(path);
        DeviceSignature found = Assert.Single(report.Found);
        Assert.Equal("ext4", found.Type);
        Assert.Equal("filesystem", found.Usage);
        Assert.Equal("old", found.Label);
        Assert.NotEmpty(found.Uuid);
        Assert.Equal(0x438, found.MagicOffset);

        using (FileDevice device = FileDevice.Open(path, new FileDeviceOptions()))
        {
            DeviceSignatures.Wipe(device, report);
        }

        Assert.Empty(DeviceSignatures.Probe(path).Found);
    }

    [Fact]
    public void A_partition_table_and_a_physical_volume_are_found()
    {
        string table = _directory.Image(4 << 20, "table");
        PutPartitionTable(table);
        Assert.Equal("dos", Assert.Single(DeviceSignatures.Probe(table).Found).Type);

        string luks = _directory.Image(4 << 20, "luks");
        WriteAt(luks, 0, [(byte)'L', (byte)'U', (byte)'K', (byte)'S', 0xBA, 0xBE, 0, 1]);
        Assert.Equal("crypto_LUKS", Assert.Single(DeviceSignatures.Probe(luks).Found).Type);
    }

    [Fact]
    public void A_missing_device_is_an_error_and_not_an_empty_report()
    {
        DeviceException failure = Assert.Throws<DeviceException>(() => DeviceSignatures.Probe(_directory["none"]));
        Assert.Equal(Errno.ENOENT, failure.Errno);
    }

    [Theory]
    [InlineData(4096)]
    [InlineData(128 * 1024)]
    [InlineData(200 * 1024)]
    [InlineData(1 << 20)]
    public void The_wipe_zeroes_both_ends_of_devices_of_any_size_and_the_place_of_each_magic(int length)
    {
        var device = new MemoryDevice(length);
        device.Bytes.Fill(0xEE);
        long magic = length / 2 + 100;
        DeviceSignatures.Wipe(device, new SignatureReport(true, "", [new DeviceSignature("x", "x", "", "", magic)]));
        int end = Math.Min(length, 128 * 1024);
        Assert.False(device.Bytes[..end].ContainsAnyExcept((byte)0));
        Assert.False(device.Bytes[^end..].ContainsAnyExcept((byte)0));
        Assert.Equal(0, device[magic]);
        Assert.Equal(1, device.FlushCount);
        Assert.Equal(length > 512 * 1024, device.Bytes.Contains((byte)0xEE));
    }
}
