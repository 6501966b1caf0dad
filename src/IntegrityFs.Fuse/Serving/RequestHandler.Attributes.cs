using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;

namespace IntegrityFs.Fuse.Serving;

// GETATTR, SETATTR, STATX, and the ioctl that shows inode flags.
internal sealed partial class RequestHandler
{
    private const uint NanosecondsPerSecond = 1_000_000_000;

    private static AttributeMask Translate(SetAttrValid valid)
    {
        AttributeMask mask = 0;
        mask |= (valid & SetAttrValid.Mode) != 0 ? AttributeMask.Mode : 0;
        mask |= (valid & SetAttrValid.Uid) != 0 ? AttributeMask.Uid : 0;
        mask |= (valid & SetAttrValid.Gid) != 0 ? AttributeMask.Gid : 0;
        mask |= (valid & SetAttrValid.Size) != 0 ? AttributeMask.Size : 0;
        mask |= (valid & SetAttrValid.Ctime) != 0 ? AttributeMask.Ctime : 0;
        mask |= (valid & SetAttrValid.KillSuidSgid) != 0 ? AttributeMask.KillPrivileges : 0;

        // The kernel sets "now" next to the plain bit; the door has one or the other.
        mask |= (valid & SetAttrValid.AtimeNow) != 0 ? AttributeMask.AtimeNow
            : (valid & SetAttrValid.Atime) != 0 ? AttributeMask.Atime : 0;
        mask |= (valid & SetAttrValid.MtimeNow) != 0 ? AttributeMask.MtimeNow
            : (valid & SetAttrValid.Mtime) != 0 ? AttributeMask.Mtime : 0;
        return mask;
    }

    private int GetAttr(in RequestHeader header, ref BodyReader body)
    {
        if (!body.TryRead(out GetAttrIn _))
        {
            return Malformed;
        }

        Errno error = _fs.GetAttributes(Inode(header.Node), out Attributes attributes);
        return error != Errno.OK ? Fail(error) : PutAttributes(attributes);
    }

    private int Statx(in RequestHeader header, ref BodyReader body)
    {
        if (!body.TryRead(out StatxIn _))
        {
            return Malformed;
        }

        Errno error = _fs.GetAttributes(Inode(header.Node), out Attributes attributes);
        return error != Errno.OK ? Fail(error) : _reply.Put(0, StatxOut.From(attributes, _session.AttributeValidity.Of(attributes)));
    }

    private int SetAttr(in RequestHeader header, ref BodyReader body)
    {
        if (!body.TryRead(out SetAttrIn request) || request.Size > long.MaxValue
            || request.AtimeNanoseconds >= NanosecondsPerSecond || request.MtimeNanoseconds >= NanosecondsPerSecond
            || request.CtimeNanoseconds >= NanosecondsPerSecond)
        {
            return Malformed;
        }

        var change = new AttributeChange
        {
            Mask = Translate(request.Valid),
            Mode = request.Mode,
            Uid = request.Uid,
            Gid = request.Gid,
            Size = (long)request.Size,
            Atime = new Timestamp((long)request.Atime, request.AtimeNanoseconds),
            Mtime = new Timestamp((long)request.Mtime, request.MtimeNanoseconds),
            Ctime = new Timestamp((long)request.Ctime, request.CtimeNanoseconds),
        };
        Errno error = _fs.SetAttributes(CallerOf(header), Inode(header.Node), change, out Attributes attributes);
        return error != Errno.OK ? Fail(error) : PutAttributes(attributes);
    }

    private int PutAttributes(in Attributes attributes)
    {
        Validity validity = _session.AttributeValidity.Of(attributes);
        return _reply.Put(0, new AttrReply(validity.Seconds, validity.Nanoseconds, 0, AttrOut.From(attributes)));
    }

    // lsattr(1) asks this way. Other commands are for file systems with other features.
    private int Ioctl(in RequestHeader header, ref BodyReader body)
    {
        if (!body.TryRead(out IoctlIn request))
        {
            return Malformed;
        }

        if (request.Command is not (Bits.GetInodeFlags or Bits.GetInodeFlags32) || request.OutSize < sizeof(uint))
        {
            return -KernelError.NotTerminal;
        }

        Errno error = _fs.GetAttributes(Inode(header.Node), out Attributes attributes);
        return error != Errno.OK ? Fail(error) : _reply.Put(_reply.Put(0, default(IoctlOut)), attributes.Flags);
    }
}
