using System.Runtime.InteropServices;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;

namespace IntegrityFs.Fuse.Serving;

// INIT, DESTROY, STATFS and what the kernel forgets.
internal sealed partial class RequestHandler
{
    private int Init(ref BodyReader body)
    {
        if (!body.TryRead(out InitIn request))
        {
            return Malformed;
        }

        if (_session.Agreement != Agreement.None)
        {
            return Malformed;
        }

        bool extended = ((InitFlags)request.Flags & InitFlags.Extended) != 0;
        uint flags2 = extended && MemoryMarshal.TryRead(body.Rest, out uint high) ? high : 0;
        Agreement? agreement = InitNegotiation.Negotiate(request, flags2, _session.Options, out InitOut reply);
        if (agreement == null && request.Major <= InitNegotiation.Major)
        {
            Log.Incompatible(_session.Logger, request.Major, request.Minor);
            _session.Incompatible = true;
            return -KernelError.Protocol;
        }

        if (agreement != null)
        {
            _session.Agreement = agreement;
        }

        return _reply.Put(0, reply);
    }

    private int Destroy()
    {
        _session.Finish(_slot);
        return 0;
    }

    private int Forget(in RequestHeader header, ref BodyReader body)
    {
        if (body.TryRead(out ForgetIn request))
        {
            Forget(header.Node, request.Lookups);
        }

        return NoReply;
    }

    private int BatchForget(ref BodyReader body)
    {
        if (body.TryRead(out BatchForgetIn request))
        {
            for (uint i = 0; i < request.Count && body.TryRead(out ForgetOne one); i++)
            {
                Forget(one.Node, one.Lookups);
            }
        }

        return NoReply;
    }

    private void Forget(ulong node, ulong lookups)
    {
        if (node > InodeNumber.Root.Value)
        {
            _fs.Forget(Inode(node), lookups);
        }
    }

    private int Statistics()
    {
        Errno error = _fs.GetStatistics(out var s);
        if (error != Errno.OK)
        {
            return Fail(error);
        }

        return _reply.Put(0, new StatFsOut(
            (ulong)s.Blocks, (ulong)s.FreeBlocks, (ulong)s.FreeBlocks, (ulong)s.Files, (ulong)s.FreeFiles,
            (uint)s.BlockSize, (uint)s.NameLength, (uint)s.BlockSize, 0, 0, 0, 0));
    }
}
