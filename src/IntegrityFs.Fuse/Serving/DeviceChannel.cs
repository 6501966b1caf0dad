using Tmds.Linux;

namespace IntegrityFs.Fuse.Serving;

/// <summary>One descriptor of /dev/fuse. A reply goes out on the descriptor that its request came in on.</summary>
internal sealed unsafe class DeviceChannel(FuseDevice device) : IRequestChannel
{
    /// <inheritdoc/>
    public int Receive(Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            long length = LibC.read(device.Descriptor, start, buffer.Length);
            return length < 0 ? -LibC.errno : (int)length;
        }
    }

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
}
