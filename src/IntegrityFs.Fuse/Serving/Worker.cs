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
    private const int Aborted = 103;

    private readonly RequestHandler _handler = new(session, slot, channel);
    private bool _owner;

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
        int length = session.Turn.Receive(channel, _handler.RequestBuffer, session.Options.ThreadCount - 1, ref _owner);
        if (length <= 0)
        {
            return Judge(-length);
        }

        int size = _handler.Handle(length);
        if (size > 0)
        {
            int sent = channel.Send(_handler.Message(size));
            if (sent < 0)
            {
                _handler.TakeBack(size);
            }

            // ENOENT: the requester is gone. ENODEV and ECONNABORTED show at the next read.
            if (sent < 0 && -sent is not ((int)Errno.ENOENT or (int)Errno.ENODEV or Aborted))
            {
                Log.SendFailed(session.Logger, _handler.LastOperation, -sent);
            }
        }

        return null;
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
            case Aborted:
                return WorkerExit.Aborted;
            default:
                Log.ReceiveFailed(session.Logger, error);
                return WorkerExit.Failed;
        }
    }
}
