using System.Diagnostics;
using IntegrityFs.Format;

namespace IntegrityFs.Device.Tests;

/// <summary>Real failures: a sparse image on a tmpfs that is smaller than the image. Needs the privilege to mount;
/// without it the set-up's refusal is what is checked.</summary>
public sealed class DeviceFailureTests : IDisposable
{
    private const int ImageBytes = 8 << 20;
    private readonly TemporaryDirectory _directory = new();
    private readonly bool _mounted;

    public DeviceFailureTests()
    {
        Directory.CreateDirectory(_directory["small"]);
        _mounted = Run("mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", _directory["small"]) == 0;
        Assert.Equal(Environment.IsPrivilegedProcess, _mounted);
    }

    public void Dispose()
    {
        if (_mounted)
        {
            // A loop device that has just been closed may hold the image for a moment longer.
            Assert.True(SpinWait.SpinUntil(
                () => Run("umount", _directory["small"]) == 0, TimeSpan.FromSeconds(10)));
        }

        _directory.Dispose();
    }

    private static int Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }

    private string Image()
    {
        FileDevice.CreateImage(_directory["small/image"], ImageBytes);
        return _directory["small/image"];
    }

    [Fact]
    public void A_host_that_is_full_fails_the_write_with_ENOSPC_and_the_place_of_it()
    {
        if (!_mounted)
        {
            return;
        }

        using FileDevice device = FileDevice.Open(Image(), new FileDeviceOptions());
        DeviceException failure = Assert.Throws<DeviceException>(() => device.Write(0, new byte[ImageBytes]));
        Assert.Equal(Errno.ENOSPC, failure.Errno);
        Assert.Equal(DeviceOperation.Write, failure.Operation);
        Assert.InRange(failure.Offset, 1, 1 << 20);
    }

    [Fact]
    public void A_flush_that_failed_once_fails_for_ever()
    {
        if (!_mounted)
        {
            return;
        }

        using LoopDevice loop = LoopDevice.Attach(Image());
        using FileDevice device = FileDevice.Open(loop.Path, new FileDeviceOptions { Direct = false });
        device.Write(0, new byte[ImageBytes]);
        DeviceException first = Assert.Throws<DeviceException>(device.Flush);
        Assert.Equal(DeviceOperation.Flush, first.Operation);
        DeviceException second = Assert.Throws<DeviceException>(device.Flush);
        Assert.Equal(first.Errno, second.Errno);
    }
}
