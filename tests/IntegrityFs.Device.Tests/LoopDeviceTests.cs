using IntegrityFs.Format;

namespace IntegrityFs.Device.Tests;

/// <summary>Real loop devices. Without the privilege for them the tests check that the refusal is a clear one.</summary>
public sealed class LoopDeviceTests : IDisposable
{
    private const int Size = 4 << 20;
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private static bool Attach(string image, out LoopDevice loop, bool readOnly = false)
    {
        if (Environment.IsPrivilegedProcess && File.Exists("/dev/loop-control"))
        {
            loop = LoopDevice.Attach(image, readOnly);
            return true;
        }

        DeviceException refused = Assert.Throws<DeviceException>(() => LoopDevice.Attach(image, readOnly));
        Assert.Contains("no loop device", refused.Message, StringComparison.Ordinal);
        loop = null!;
        return false;
    }

    [Fact]
    public void A_loop_device_is_a_block_device_over_the_image()
    {
        string image = _directory.Image(Size);
        if (!Attach(image, out LoopDevice loop))
        {
            return;
        }

        using (loop)
        {
            byte[] data = new byte[8192];
            new Random(1).NextBytes(data);
            using (FileDevice device = FileDevice.Open(loop.Path, new FileDeviceOptions()))
            {
                Assert.True(device.IsBlockDevice);
                Assert.Equal(Size, device.Length);
                Assert.Equal(512, device.SectorSize);
                device.Write(4096, data);
                device.Flush();
            }

            Assert.Equal(data, File.ReadAllBytes(image).AsSpan(4096, 8192).ToArray());
            Assert.Equal(image, DeviceLock.ImageBehind(loop.Path));
        }
    }

    [Fact]
    public void The_loop_device_and_its_image_cannot_be_used_at_the_same_time()
    {
        string image = _directory.Image(Size);
        if (!Attach(image, out LoopDevice loop))
        {
            return;
        }

        using (loop)
        {
            using (FileDevice.Open(loop.Path, new FileDeviceOptions()))
            {
                DeviceException refused = Assert.Throws<DeviceException>(
                    () => FileDevice.Open(image, new FileDeviceOptions()));
                Assert.Equal(Errno.EBUSY, refused.Errno);
                refused = Assert.Throws<DeviceException>(
                    () => FileDevice.Open(loop.Path, new FileDeviceOptions { ReadOnly = true }));
                Assert.Equal(Errno.EBUSY, refused.Errno);
            }

            using (FileDevice.Open(image, new FileDeviceOptions()))
            {
                DeviceException refused = Assert.Throws<DeviceException>(
                    () => FileDevice.Open(loop.Path, new FileDeviceOptions()));
                Assert.Equal(Errno.EBUSY, refused.Errno);
            }
        }
    }

    [Fact]
    public void An_image_in_use_can_be_attached_and_the_lock_stays_with_its_user()
    {
        string image = _directory.Image(Size);
        FileDevice user = FileDevice.Open(image, new FileDeviceOptions());
        if (!Attach(image, out LoopDevice loop))
        {
            user.Dispose();
            return;
        }

        using (loop)
        {
            Assert.Equal(
                Errno.EBUSY,
                Assert.Throws<DeviceException>(() => FileDevice.Open(image, new FileDeviceOptions())).Errno);
            user.Dispose();
            FileDevice.Open(image, new FileDeviceOptions()).Dispose();
        }
    }

    [Fact]
    public void A_closed_loop_device_detaches_itself()
    {
        string image = _directory.Image(Size);
        if (!Attach(image, out LoopDevice loop))
        {
            return;
        }

        string path = loop.Path;
        loop.Dispose();
        // The kernel finishes the detaching in the background; another process may take the number at once.
        Assert.True(SpinWait.SpinUntil(() => DeviceLock.ImageBehind(path) != image, TimeSpan.FromSeconds(5)));
    }

    [Fact]
    public void A_read_only_loop_device_refuses_to_be_opened_for_writing()
    {
        string image = _directory.Image(Size);
        if (!Attach(image, out LoopDevice loop, readOnly: true))
        {
            return;
        }

        using (loop)
        {
            DeviceException refused = Assert.Throws<DeviceException>(
                () => FileDevice.Open(loop.Path, new FileDeviceOptions()));
            Assert.Equal(Errno.EROFS, refused.Errno);
            FileDevice.Open(loop.Path, new FileDeviceOptions { ReadOnly = true }).Dispose();
        }
    }

    [Fact]
    public void A_missing_image_is_named_in_the_refusal()
    {
        DeviceException refused = Assert.Throws<DeviceException>(() => LoopDevice.Attach(_directory["none"]));
        Assert.Equal(Errno.ENOENT, refused.Errno);
        Assert.Contains("none", refused.Message, StringComparison.Ordinal);
    }
}
