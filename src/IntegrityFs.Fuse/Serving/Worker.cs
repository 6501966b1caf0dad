using System.Diagnostics;
using IntegrityFs.Format;

namespace IntegrityFs.Fuse.Serving;

/// <summary>Why a thread stopped serving, in rising order of gravity.</summary>
internal enum WorkerExit
{
    Unmounted,
    Aborted,
    Failed,
}

/// <summary>One serving thread's loop: read a request, serve it here, send the reply.</summary>
internal sealed class Worker(SessionState session, IRequestChannel channel, int slot) : IDisposable
{
    private const int Nothing = int.MinValue;

    // Where all reads under way take longer than this, the thread sleeps until one has ended; if that takes long as well, the
    // deputy calls the others.
    private static readonly long s_patience = Stopwatch.Frequency / 4_000; // 250 µs

    private readonly RequestHandler _handler = new(session, slot, channel);
    private int _term;
    private long _answered;

    /// <summary>Requests so far by operation.</summary>
    public ReadOnlySpan<long> Counts => _handler.Counts;

    /// <summary>Serves until the mount is gone, or until <paramref name="initOnly"/> and INIT is answered (null). A
    /// <paramref name="parked"/> thread begins when another one has a slot to give.</summary>
    public WorkerExit? Run(bool initOnly, bool parked = false)
    {
        while (true)
        {
            if (parked || _handler.TakeYielded())
            {
                parked = false;
                session.Readers.Enter();
            }

            try
            {
                WorkerExit? exit = ServeOne();
                if (exit != null)
                {
                    _handler.FinishReads();

                    // Whoever is parked is to learn it as well.
                    session.Readers.Leave();
                    session.Turn.End();
                    return exit;
                }
            }
#pragma warning disable CA1031 // a thread that dies takes its requests' callers along for ever
            catch (Exception failure)
#pragma warning restore CA1031
            {
                Log.WorkerFailed(session.Logger, failure);
            }

            if (initOnly && (session.Agreement != Agreement.None || session.Incompatible))
            {
                return null;
            }
        }
    }

    /// <summary>Serves one request. Not null: no more will come.</summary>
    public WorkerExit? ServeOne()
    {
        int length = Listen();
        if (length == Nothing)
        {
            return null;
        }

        if (length <= 0)
        {
            return Judge(-length);
        }

        SoloTurn turn = session.Turn;
        bool queues = turn.TakesReads(_term);
        int before = _handler.UnansweredReads;
        int size = _handler.Handle(length, queues);
        if (_handler.UnansweredReads > before)
        {
            _answered = before == 0 ? Stopwatch.GetTimestamp() : _answered;
            turn.NoteBegun();
        }
        else if (!queues)
        {
            turn.NoteServed(_handler.LastWasSmallRead);
        }

        if (size > 0 && !Replies.Send(channel, _handler.Message(size), _handler.LastOperation, session.Logger))
        {
            _handler.TakeBack(size);
        }

        return null;
    }

    // Reads that are under way are answered as they end, in between the requests that arrive.
    private int Listen()
    {
        SoloTurn turn = session.Turn;
        if (_handler.UnansweredReads > 0 && turn.TakesReads(_term))
        {
            if (_handler.UnansweredReads < ReadsUnderWay.Capacity)
            {
                int length = turn.TryReceive(channel, _handler.RequestBuffer);
                if (length != SoloTurn.TryAgain)
                {
                    return length;
                }
            }

            return AnswerSome(turn);
        }

        _handler.FinishReads();
        return turn.Receive(channel, _handler.RequestBuffer, session.Options.ThreadCount - 1, ref _term);
    }

    private int AnswerSome(SoloTurn turn)
    {
        long now = Stopwatch.GetTimestamp();
        int count = _handler.AnswerReads(wait: now - _answered > s_patience);
        if (count > 0)
        {
            _answered = Stopwatch.GetTimestamp();
            turn.NoteAnswered(count);
        }
        else if (count < 0)
        {
            turn.End();
        }
        else
        {
            Thread.Yield();
        }

        return Nothing;
    }

    public void Dispose()
    {
        channel.Dispose();
        _handler.Dispose();
    }

    private WorkerExit? Judge(int error)
    {
        switch (error)
        {
            case (int)Errno.ENOENT or (int)Errno.EINTR or (int)Errno.EAGAIN:
                return null;
            case (int)Errno.ENODEV:
                return WorkerExit.Unmounted;
            case Replies.Aborted:
                return WorkerExit.Aborted;
            default:
                Log.ReceiveFailed(session.Logger, error);
                return WorkerExit.Failed;
        }
    }
}
