// Promise: a sync is answered after everything done before it is durable, or with the error that prevented it, once.
// Group commit without waiting threads: who brings a sync while another thread is at it leaves it in the queue and goes on
// reading requests; the thread that is at it takes all that has gathered, has it made durable together, answers each, and
// goes on until nothing is left. So sixteen callers need neither sixteen threads nor their wake-ups.
// Cost: one lock and no wake-up for each sync; two arrays that grow to the highest number of callers seen.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Fuse.Serving;

/// <summary>Makes durable what several callers ask for, as <see cref="IFileSystem.SyncTogether"/> does.</summary>
internal delegate void SyncTogether(ReadOnlySpan<SyncRequest> requests, Span<Errno> answers);

/// <summary>FSYNC, FSYNCDIR and SYNCFS of all callers of a mount.</summary>
internal sealed class SyncQueue(SyncTogether syncTogether, ILogger logger)
{
    private const int Aborted = 103;

    private readonly Lock _lock = new();
    private List<Caller> _waiting = [];
    private List<Caller> _served = [];
    private SyncRequest[] _requests = new SyncRequest[16];
    private Errno[] _answers = new Errno[16];
    private bool _busy;

    /// <summary>Leaves a sync to be answered on the channel that it came in on. True where nobody is at it: then the
    /// caller must <see cref="Serve"/>.</summary>
    public bool Add(in SyncRequest request, ulong unique, IRequestChannel channel)
    {
        lock (_lock)
        {
            _waiting.Add(new Caller(request, unique, channel));
            bool first = !_busy;
            _busy = true;
            return first;
        }
    }

    /// <summary>Serves what waits, and what comes meanwhile, until nothing is left. Never throws.</summary>
    public void Serve()
    {
        while (TakeAll())
        {
            Make();
            for (int i = 0; i < _served.Count; i++)
            {
                Answer(_served[i], _answers[i]);
            }

            _served.Clear();
        }
    }

    private bool TakeAll()
    {
        lock (_lock)
        {
            if (_waiting.Count == 0)
            {
                _busy = false;
                return false;
            }

            (_waiting, _served) = (_served, _waiting);
            return true;
        }
    }

    private void Make()
    {
        int count = _served.Count;
        if (_requests.Length < count)
        {
            _requests = new SyncRequest[2 * count];
            _answers = new Errno[2 * count];
        }

        for (int i = 0; i < count; i++)
        {
            _requests[i] = _served[i].Request;
        }

        Span<Errno> answers = _answers.AsSpan(0, count);
        try
        {
            syncTogether(_requests.AsSpan(0, count), answers);
        }
#pragma warning disable CA1031 // a defect below must cost these requests, not the thread and with it the mount
        catch (Exception failure)
#pragma warning restore CA1031
        {
            Log.HandlerFailed(logger, failure, Opcode.Fsync, _requests[0].Inode.Value);
            answers.Fill(Errno.EIO);
        }
    }

    private void Answer(in Caller caller, Errno error)
    {
        // ENOSYS would make the kernel report success to every later fsync without asking.
        int number = error == Errno.ENOSYS && caller.Request.Kind != SyncKind.FileSystem ? (int)Errno.EIO : (int)error;
        var header = new ReplyHeader((uint)Unsafe.SizeOf<ReplyHeader>(), -number, caller.Unique);
        int sent = caller.Channel.Send(MemoryMarshal.AsBytes(new ReadOnlySpan<ReplyHeader>(in header)));
        if (sent < 0 && -sent is not ((int)Errno.ENOENT or (int)Errno.ENODEV or Aborted))
        {
            Log.SendFailed(logger, Opcode.Fsync, -sent);
        }
    }

    private readonly record struct Caller(SyncRequest Request, ulong Unique, IRequestChannel Channel);
}
