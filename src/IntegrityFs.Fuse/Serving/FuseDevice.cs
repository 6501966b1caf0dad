using Tmds.Linux;

namespace IntegrityFs.Fuse.Serving;

/// <summary>An open descriptor of /dev/fuse.</summary>
internal sealed unsafe class FuseDevice(int descriptor) : IDisposable
{
    // _IOR(229, 0, uint32_t): attach this descriptor to another one's connection.
    private const int CloneRequest = unchecked((int)0x8004e500);

    // _IO(229, 3): complete INIT inside mount(2).
    private const int SynchronousInitRequest = 0xe503;

    private int _descriptor = descriptor;

    /// <summary>The number, valid until disposed.</summary>
    public int Descriptor => _descriptor;

    /// <summary>Opens the device, not yet attached to a mount.</summary>
    /// <exception cref="FuseMountException">/dev/fuse cannot be opened.</exception>
    public static FuseDevice Open()
    {
        int descriptor = TryOpen();
        return descriptor >= 0
            ? new FuseDevice(descriptor)
            : throw new FuseMountException("cannot open /dev/fuse", -descriptor);
    }

    /// <summary>Asks that mount(2) waits for INIT. False where the kernel cannot (before 6.18).</summary>
    public bool TryRequestSynchronousInit() => LibC.ioctl(_descriptor, SynchronousInitRequest) == 0;

    /// <summary>A further descriptor of the same connection, or null. <paramref name="attached"/> is false where the
    /// reason is that this one is not attached to a mount (yet).</summary>
    public FuseDevice? TryClone(out bool attached)
    {
        attached = true;
        int clone = TryOpen();
        if (clone < 0)
        {
            return null;
        }

        uint source = (uint)_descriptor;
        if (LibC.ioctl(clone, CloneRequest, &source) == 0)
        {
            return new FuseDevice(clone);
        }

        attached = LibC.errno != LibC.EINVAL;
        _ = LibC.close(clone);
        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        int descriptor = Interlocked.Exchange(ref _descriptor, -1);
        if (descriptor >= 0)
        {
            _ = LibC.close(descriptor);
        }
    }

    private static int TryOpen()
    {
        ReadOnlySpan<byte> path = "/dev/fuse\0"u8;
        fixed (byte* start = path)
        {
            int descriptor = LibC.open(start, LibC.O_RDWR | LibC.O_CLOEXEC);
            return descriptor < 0 ? -LibC.errno : descriptor;
        }
    }
}
