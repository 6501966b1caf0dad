using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;

namespace IntegrityFs.Fuse.Serving;

// Extended attributes.
internal sealed partial class RequestHandler
{
    private const uint LargestXattr = 65536;

    private int SetXattr(in RequestHeader header, ref BodyReader body)
    {
        SetXattrExtension extension = default;
        bool fits = body.TryRead(out SetXattrIn request)
            && (!_session.Agreement.Has(InitFlags.SetXattrExtended) || body.TryRead(out extension));
        if (!fits || !body.TryReadXattrName(out ReadOnlySpan<byte> name) || !body.TryReadBytes(request.Size, out ReadOnlySpan<byte> value)
            || request.Flags > (uint)XattrMode.Replace)
        {
            return Malformed;
        }

        bool killSetGid = (extension.Flags & Bits.SetXattrKillSgid) != 0;
        return Fail(_fs.SetXattr(Inode(header.Node), name, value, (XattrMode)request.Flags, killSetGid));
    }

    private int GetXattr(in RequestHeader header, ref BodyReader body)
    {
        if (!body.TryRead(out GetXattrIn request) || !body.TryReadXattrName(out ReadOnlySpan<byte> name))
        {
            return Malformed;
        }

        Span<byte> buffer = _reply.Payload[..(int)Math.Min(request.Size, LargestXattr)];
        Errno error = _fs.GetXattr(Inode(header.Node), name, buffer, out int length);
        return XattrAnswer(error, buffer.Length, length);
    }

    private int ListXattr(in RequestHeader header, ref BodyReader body)
    {
        if (!body.TryRead(out GetXattrIn request))
        {
            return Malformed;
        }

        Span<byte> buffer = _reply.Payload[..(int)Math.Min(request.Size, LargestXattr)];
        Errno error = _fs.ListXattr(Inode(header.Node), buffer, out int length);
        return XattrAnswer(error, buffer.Length, length);
    }

    private int RemoveXattr(in RequestHeader header, ref BodyReader body) =>
        body.TryReadXattrName(out ReadOnlySpan<byte> name) ? Fail(_fs.RemoveXattr(Inode(header.Node), name)) : Malformed;

    // An empty buffer asked for the length only.
    private int XattrAnswer(Errno error, int room, int length) => error != Errno.OK ? Fail(error)
        : room == 0 ? _reply.Put(0, new GetXattrOut((uint)length, 0))
        : (uint)length > (uint)room ? Fail(Errno.ERANGE)
        : length;
}
