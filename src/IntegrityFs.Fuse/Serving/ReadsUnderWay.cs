// The small reads that one serving thread has left to the device while it serves on. Each has a reply buffer of its own, into
// which the device reads.
// Promise: every read that began is answered, by Answer or by an ordinary read that says what is wrong, unless the file system
// is closed before. Cost of a read: io_submit(2) instead of pread(2), write(2), a tag in a batch of two where two have ended;
// nobody is woken but the caller; no allocation. Submitting what has arrived together at once was no faster: the disk then
// waits for the processor, and the processor for the disk.
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;

namespace IntegrityFs.Fuse.Serving;

/// <summary>Reads of one thread that are not answered yet.</summary>
internal sealed class ReadsUnderWay : IDisposable
{
    /// <summary>Longest read in bytes.</summary>
    public const int Longest = 64 << 10;

    // Two blocks are verified in the time of one and a half, and the device is not without work for long.
    private const int AtOnce = 2;

    /// <summary>Reads at once.</summary>
    public const int Capacity = 16;

    private readonly SessionState _session;
    private readonly IReadQueue _queue;
    private readonly ReplyBuffer[] _replies = new ReplyBuffer[Capacity];
    private readonly Question[] _questions = new Question[Capacity];
    private readonly Stack<int> _free = new(Capacity);

    private ReadsUnderWay(SessionState session, IReadQueue queue)
    {
        _session = session;
        _queue = queue;
        for (int i = 0; i < Capacity; i++)
        {
            _replies[i] = new ReplyBuffer(Longest);
            _free.Push(i);
        }
    }

    /// <summary>Reads that are not answered yet.</summary>
    public int Count => Capacity - _free.Count;

    /// <summary>Null where the file system has no queue.</summary>
    public static ReadsUnderWay? TryCreate(SessionState session) =>
        session.FileSystem.TryOpenReadQueue(Capacity) is { } queue ? new ReadsUnderWay(session, queue) : null;

    /// <summary>Begins a read, and leaves it to the device. False where it is to be served at once.</summary>
    public bool TryBegin(in RequestHeader header, in ReadIn request)
    {
        if (request.Size > Longest || !_free.TryPeek(out int number))
        {
            return false;
        }

        var inode = new InodeNumber(header.Node);
        long offset = (long)request.Offset;
        if (!_queue.TryBegin(number, request.Handle, inode, offset, _replies[number].PayloadAddress, (int)request.Size))
        {
            return false;
        }

        _queue.Submit();
        _free.Pop();
        _questions[number] = new Question(header.Unique, request.Handle, inode, offset, (int)request.Size);
        return true;
    }

    /// <summary>Answers reads that have ended.</summary>
    /// <param name="channel">Where they came from.</param>
    /// <param name="wait">Sleep until there is one, where one is under way.</param>
    /// <returns>How many.</returns>
    public int Answer(IRequestChannel channel, bool wait)
    {
        Span<EndedRead> ended = stackalloc EndedRead[AtOnce];
        ended = ended[.._queue.Take(ended, wait)];
        foreach (EndedRead end in ended)
        {
            if (end.Bytes >= 0)
            {
                Send(channel, end.Number, end.Bytes);
            }
        }

        // These may take a while.
        foreach (EndedRead end in ended)
        {
            if (end.Bytes < 0)
            {
                Send(channel, end.Number, ReadAgain(_questions[end.Number], _replies[end.Number].Payload));
            }
        }

        return ended.Length;
    }

    /// <summary>Waits for what is under way; it stays without an answer.</summary>
    public void Dispose()
    {
        _queue.Dispose();
        foreach (ReplyBuffer reply in _replies)
        {
            reply.Dispose();
        }
    }

    private void Send(IRequestChannel channel, int number, int outcome)
    {
        ReplyBuffer reply = _replies[number];
        ulong unique = _questions[number].Unique;
        int size = outcome < 0 ? reply.Fail(unique, -outcome) : reply.Succeed(unique, outcome);
        _free.Push(number);
        _ = Replies.Send(channel, reply.Message(size), Opcode.Read, _session.Logger);
    }

    private int ReadAgain(in Question question, Span<byte> payload)
    {
        Span<byte> buffer = payload[..question.Size];
        try
        {
            Errno error = _session.FileSystem.Read(question.Handle, question.Inode, question.Offset, buffer, out int read);
            return error != Errno.OK ? -(int)error : (uint)read > (uint)buffer.Length ? -(int)Errno.EIO : read;
        }
#pragma warning disable CA1031 // as in RequestHandler.Serve
        catch (Exception failure)
#pragma warning restore CA1031
        {
            Log.HandlerFailed(_session.Logger, failure, Opcode.Read, question.Inode.Value);
            return -(int)Errno.EIO;
        }
    }

    private readonly record struct Question(ulong Unique, ulong Handle, InodeNumber Inode, long Offset, int Size);
}
