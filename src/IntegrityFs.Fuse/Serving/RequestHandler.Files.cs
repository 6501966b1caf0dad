using System.Diagnostics.CodeAnalysis;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;

namespace IntegrityFs.Fuse.Serving;

// Open files: read, write, sync, allocate, copy.
internal sealed partial class RequestHandler
{
    private const uint AllocateKnown = (uint)(FallocateMode.KeepSize | FallocateMode.PunchHole | FallocateMode.ZeroRange);

    private bool Writeback => _session.Agreement.Has(InitFlags.WritebackCache);

    // Pages stay cached over open and close: this server is the only writer. FLUSH is of use only where close(2) may
    // have to report what writeback met.
    private OpenReply FileReply => Writeback ? OpenReply.KeepCache : OpenReply.KeepCache | OpenReply.NoFlush;

    // Append and Synchronous are left out on purpose. The kernel has turned O_APPEND into an offset already (and
    // RWF_NOAPPEND may have undone it). After a synchronous write, O_SYNC or RWF_DSYNC, buffered or direct, it sends one
    // FSYNC for the whole of it: to make every WRITE durable as well would only cost commits.
    private OpenMode Translate(uint flags, uint openFlags)
    {
        OpenMode mode = (flags & Bits.AccessModeMask) switch
        {
            Bits.ReadOnly => OpenMode.Read,

            // With writeback the kernel reads the rest of a page that a program writes in part.
            Bits.WriteOnly => Writeback ? OpenMode.Read | OpenMode.Write : OpenMode.Write,
            _ => OpenMode.Read | OpenMode.Write,
        };
        mode |= (flags & Bits.Truncate) != 0 ? OpenMode.Truncate : 0;
        mode |= (flags & Bits.Exclusive) != 0 ? OpenMode.Exclusive : 0;
        mode |= (openFlags & Bits.OpenKillSuidSgid) != 0 ? OpenMode.KillPrivileges : 0;
        return mode;
    }

    private int Open(in RequestHeader header, ref BodyReader body)
    {
        if (!body.TryRead(out OpenIn request))
        {
            return Malformed;
        }

        OpenMode mode = Translate(request.Flags, request.OpenFlags);
        Errno error = _fs.Open(CallerOf(header), Inode(header.Node), mode, out ulong handle);
        return error != Errno.OK ? Fail(error) : _reply.Put(0, new OpenOut(handle, FileReply, 0));
    }

    private int Read(in RequestHeader header, ref BodyReader body)
    {
        if (!body.TryRead(out ReadIn request) || request.Size > (uint)_reply.Payload.Length || request.Offset > long.MaxValue)
        {
            return Malformed;
        }

        LastWasSmallRead = request.Size <= ReadsUnderWay.Longest;
        if (LastWasSmallRead && _queues && TryOpenReads() && _reads.TryBegin(header, request))
        {
            return NoReply;
        }

        AnswerBefore(slow: !LastWasSmallRead);

        Span<byte> buffer = _reply.Payload[..(int)request.Size];
        Errno error = _fs.Read(request.Handle, Inode(header.Node), (long)request.Offset, buffer, out int read);
        return error != Errno.OK ? Fail(error)
            : (uint)read > request.Size ? Fail(Errno.EIO)
            : read;
    }

    // Inside the gate. Where there is no queue to be had, nobody need try again.
    [MemberNotNullWhen(true, nameof(_reads))]
    private bool TryOpenReads()
    {
        if (_reads is null)
        {
            try
            {
                _reads = ReadsUnderWay.TryCreate(_session);
            }
            catch (OutOfMemoryException)
            {
                // The ordinary way needs less.
            }
        }

        if (_reads is null)
        {
            _session.Turn.ForbidReads();
        }

        return _reads is not null;
    }

    // Inside the gate: reads that have ended do not wait for what is served now; where that is slow, none is left under way.
    private void AnswerBefore(bool slow)
    {
        while (UnansweredReads > 0 && _reads!.Answer(_channel, wait: slow) > 0)
        {
        }
    }

    private int Write(in RequestHeader header, ref BodyReader body)
    {
        if (!body.TryRead(out WriteIn request) || !body.TryReadBytes(request.Size, out ReadOnlySpan<byte> data)
            || request.Offset > (ulong)(long.MaxValue - data.Length))
        {
            return Malformed;
        }

        bool kill = (request.WriteFlags & WriteFlags.KillSuidSgid) != 0;
        Errno error = _fs.Write(request.Handle, Inode(header.Node), (long)request.Offset, data, kill, out int written);
        return error != Errno.OK ? Fail(error)
            : (uint)written > request.Size ? Fail(Errno.EIO)
            : _reply.Put(0, new WriteOut((uint)written, 0));
    }

    private int Flush(in RequestHeader header, ref BodyReader body) =>
        body.TryRead(out FlushIn request) ? Fail(_fs.Flush(request.Handle, Inode(header.Node))) : Malformed;

    private int Release(in RequestHeader header, ref BodyReader body) =>
        body.TryRead(out ReleaseIn request) ? Fail(_fs.Release(request.Handle, Inode(header.Node))) : Malformed;

    private int Sync(in RequestHeader header, ref BodyReader body, SyncKind kind) =>
        body.TryRead(out FsyncIn request) ? Sync(header, kind, (request.Flags & Bits.FsyncDataOnly) != 0) : Malformed;

    private int Sync(in RequestHeader header, SyncKind kind, bool dataOnly)
    {
        InodeNumber inode = kind == SyncKind.FileSystem ? InodeNumber.Root : Inode(header.Node);
        if (_session.Syncs.Add(new SyncRequest(kind, inode, dataOnly), header.Unique, _channel))
        {
            // A commit takes as long as the disk's flush. Where one thread does everything, its deputy comes to help.
            if (!_yielded && !_session.Turn.IsSolo && !_session.Turn.SomebodyListens)
            {
                _session.Readers.Leave();
                _yielded = true;
            }

            _session.Syncs.Serve();
        }

        return NoReply;
    }

    private int Fallocate(in RequestHeader header, ref BodyReader body)
    {
        if (!body.TryRead(out FallocateIn request) || request.Length == 0 || request.Length > long.MaxValue
            || request.Offset > long.MaxValue)
        {
            return Malformed;
        }

        if (request.Offset + request.Length > long.MaxValue)
        {
            return Fail(Errno.EFBIG);
        }

        if ((request.Mode & ~AllocateKnown) != 0)
        {
            return Fail(Errno.EOPNOTSUPP);
        }

        return Fail(_fs.Fallocate(
            request.Handle, Inode(header.Node), (long)request.Offset, (long)request.Length, (FallocateMode)request.Mode));
    }

    private int Seek(in RequestHeader header, ref BodyReader body)
    {
        if (!body.TryRead(out LseekIn request) || request.Whence is not (Bits.SeekData or Bits.SeekHole))
        {
            return Malformed;
        }

        if (request.Offset > long.MaxValue)
        {
            return Fail(Errno.ENXIO);
        }

        Errno error = _fs.Seek(Inode(header.Node), (long)request.Offset, request.Whence == Bits.SeekHole, out long result);
        return error != Errno.OK ? Fail(error) : _reply.Put(0, new LseekOut((ulong)result));
    }

    private int CopyRange(in RequestHeader header, ref BodyReader body, bool wide)
    {
        if (!body.TryRead(out CopyFileRangeIn request) || request.Flags != 0
            || request.Offset > long.MaxValue || request.TargetOffset > long.MaxValue)
        {
            return Malformed;
        }

        // The narrow reply holds 32 bits; what is left over is asked for again.
        ulong most = wide ? long.MaxValue : 1UL << 31;
        most = Math.Min(most, long.MaxValue - Math.Max(request.Offset, request.TargetOffset));
        Errno error = _fs.CopyRange(
            Inode(header.Node), (long)request.Offset, Inode(request.TargetNode), (long)request.TargetOffset,
            (long)Math.Min(request.Length, most), out long copied);
        return error != Errno.OK ? Fail(error)
            : wide ? _reply.Put(0, new CopyFileRangeOut((ulong)copied))
            : _reply.Put(0, new WriteOut((uint)copied, 0));
    }
}
