using Tmds.Linux;

namespace IntegrityFs.Fuse.Serving;

/// <summary>One descriptor of /dev/fuse. A reply goes out on the descriptor that its request came in on.</summary>
internal sealed unsafe class DeviceChannel(FuseDevice device) : IRequestChannel
{
    private bool _waits = true;

    /// <inheritdoc/>
    public int Receive(Span<byte> buffer) => Read(buffer, waits: true);

    /// <inheritdoc/>
    public int TryReceive(Span<byte> buffer) => Read(buffer, waits: false);

    /// <inheritdoc/>
    public int Send(ReadOnlySpan<byte> reply)
    {
        fixed (byte* start = reply)
        {
            long length = LibC.write(device.Descriptor, start, reply.Length);
            return length < 0 ? -LibC.errno : 0;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => device.Dispose();

    // The kernel knows only O_NONBLOCK of the whole descriptor; it changes where listening does, not for each request.
    private int Read(Span<byte> buffer, bool waits)
    {
        if (waits != _waits)
        {
            _ = LibC.fcntl(device.Descriptor, LibC.F_SETFL, LibC.O_RDWR | (waits ? 0 : LibC.O_NONBLOCK));
            _waits = waits;
        }

        fixed (byte* start = buffer)
        {
            long length = LibC.read(device.Descriptor, start, buffer.Length);
            return length < 0 ? -LibC.errno : (int)length;
        }
    }
}
