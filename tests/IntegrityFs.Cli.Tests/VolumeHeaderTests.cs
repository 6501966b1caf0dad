using System.Text.Json;
using IntegrityFs.Cli.Commands;
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Cli.Tests;

public sealed class VolumeHeaderTests
{
    private static Superblock Make(ulong generation, string label = "docs") => new()
    {
        Uuid = Guid.Parse("3f1c0e5a-2c1f-4b6e-9d53-8f0d6f1d2a10"),
        Label = label,
        BlockSize = 4096,
        DeviceLength = 1 << 20,
        JournalBlocks = 32,
        Generation = generation,
        NextSequence = 5,
        State = VolumeState.Clean,
    };

    private static MemoryDevice Device(params (int Copy, Superblock Superblock)[] copies)
    {
        var device = new MemoryDevice(1 << 20);
        using var buffer = new AlignedMemory(SuperblockLayout.Size);
        foreach ((int copy, Superblock superblock) in copies)
        {
            superblock.Write(buffer.Span);
            device.Write(VolumeGeometry.SuperblockOffset(copy), buffer.Span);
        }

        return device;
    }

    [Fact]
    public void The_newer_of_two_copies_counts()
    {
        using MemoryDevice device = Device((0, Make(7)), (1, Make(8, "newer")));
        VolumeHeader header = VolumeHeader.Read(device)!;
        Assert.Equal("newer", header.Superblock.Label);
        Assert.Equal(2, header.GoodCopies);
    }

    [Fact]
    public void One_copy_is_enough()
    {
        using MemoryDevice device = Device((1, Make(3)));
        Assert.Equal(1, VolumeHeader.Read(device)!.GoodCopies);
        Assert.True(VolumeHeader.HasMagic(device));
    }

    [Fact]
    public void A_device_without_magic_is_no_volume()
    {
        using MemoryDevice device = Device();
        Assert.Null(VolumeHeader.Read(device));
        Assert.False(VolumeHeader.HasMagic(device));
    }

    [Fact]
    public void A_device_too_small_for_a_header_is_no_volume()
    {
        using var device = new MemoryDevice(512);
        Assert.Null(VolumeHeader.Read(device));
    }

    [Fact]
    public void An_unknown_version_is_unsupported_and_a_damaged_header_an_integrity_failure()
    {
        Assert.Equal(Cause.Unsupported, FailureAfter(SuperblockLayout.VersionOffset));
        Assert.Equal(Cause.Unsupported, FailureAfter(SuperblockLayout.IncompatibleOffset));
        Assert.Equal(Cause.Integrity, FailureAfter(SuperblockLayout.ReservedOffset));
    }

    [Fact]
    public void Status_without_a_key_is_json_and_says_that_nothing_is_verified()
    {
        using JsonDocument json = JsonDocument.Parse(StatusCommand.Describe("/img", new VolumeHeader(Make(7), 2)));
        JsonElement root = json.RootElement;
        Assert.False(root.GetProperty("authenticated").GetBoolean());
        Assert.False(root.GetProperty("mounted").GetBoolean());
        Assert.Equal("3f1c0e5a-2c1f-4b6e-9d53-8f0d6f1d2a10", root.GetProperty("uuid").GetString());
        Assert.Equal("not anchored", root.GetProperty("freshness").GetString());
        Assert.Equal(4096, root.GetProperty("blockSize").GetInt32());
        Assert.True(root.GetProperty("clean").GetBoolean());
    }

    [Fact]
    public void The_same_status_for_people_has_a_line_for_each_value()
    {
        string text = JsonText.ForPeople(StatusCommand.Describe("/img", new VolumeHeader(Make(7), 2)));
        Assert.Matches("(?m)^block size: +4096$", text);
        Assert.Matches("(?m)^authenticated: +no$", text);
    }

    [Fact]
    public void Udev_gets_properties_that_a_hostile_label_cannot_extend()
    {
        string properties = ProbeCommand.Properties(Make(7, "my docs/ü"));
        Assert.Equal(
            "ID_FS_TYPE=integrityfs\nID_FS_USAGE=filesystem\nID_FS_VERSION=1\n"
            + "ID_FS_UUID=3f1c0e5a-2c1f-4b6e-9d53-8f0d6f1d2a10\nID_FS_UUID_ENC=3f1c0e5a-2c1f-4b6e-9d53-8f0d6f1d2a10\n"
            + "ID_FS_LABEL=my_docs__\nID_FS_LABEL_ENC=my\\x20docs\\x2f\\xc3\\xbc\n",
            properties);
    }

    private static Cause FailureAfter(int offset)
    {
        using MemoryDevice device = Device((0, Make(7)), (1, Make(7)));
        using var buffer = new AlignedMemory(SuperblockLayout.Size);
        for (int copy = 0; copy < 2; copy++)
        {
            device.Read(VolumeGeometry.SuperblockOffset(copy), buffer.Span);
            buffer.Span[offset] ^= 0x40;
            device.Write(VolumeGeometry.SuperblockOffset(copy), buffer.Span);
        }

        return Assert.Throws<CommandFailure>(() => VolumeHeader.Read(device)).Cause;
    }
}
