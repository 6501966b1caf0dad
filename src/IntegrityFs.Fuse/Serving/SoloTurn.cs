// One caller that waits for each answer before it asks again (tar, rm, find, a database's commits) is served fastest by one
// thread that does not sleep in between: waking a thread for each request costs more than most requests. So there are two
// ways of listening:
//   shared  every serving thread sleeps in read(2); the kernel wakes one for each request. Best where requests overlap.
//   solo    one thread, the owner, listens and serves; for the next request it looks again and again for a while
//           (net.core.busy_poll and haltpoll do the same) before it sleeps. The others are parked.
// Promises:
// 1. Solo begins only after SolitaryRequests requests in a row found nobody else serving. The threads still asleep in
//    read(2) take one request each before they park; only the last one becomes the owner.
// 2. Solo ends when requests overlap: when the owner has found the next one waiting, time after time, for half a
//    millisecond; when one request takes longer than a watch of the deputy, one of the parked threads; and when nothing
//    comes for some watches. So a slow request delays others by at most two watches, and an idle mount wakes nobody.
// 3. Looking pays for itself or stops: a look that found nothing lowers the credit, a request that came soon after the
//    owner fell asleep raises it, and without credit the owner sleeps at once.
// 4. Many callers that read small pieces are served solo as well, where that is faster: the owner leaves each read to the
//    device and serves on (ReadsUnderWay), so that nobody sleeps and wakes for the disk. ReadTrial says whether it is.
// Cost: in solo one read(2) of /dev/fuse that finds nothing, and one sched_yield, for each half microsecond of waiting; the
// deputy wakes up once in a millisecond. In shared one comparison for each request, and one increment for each small read.
using System.Diagnostics;

namespace IntegrityFs.Fuse.Serving;

/// <summary>Decides whether all threads listen for requests or one does, and keeps the others parked.</summary>
internal sealed class SoloTurn(bool wanted)
{
    internal const int SolitaryRequests = 64;
    internal const int IdleWatches = 20;

    /// <summary>EAGAIN as a result: there is no request.</summary>
    internal const int TryAgain = -11;

    private const int MostCredit = 8;

    private static readonly TimeSpan s_watch = TimeSpan.FromMilliseconds(1);
    private static readonly long s_patience = Stopwatch.Frequency / 20_000; // 50 µs
    private static readonly long s_mostOverlap = Stopwatch.Frequency / 2_000; // 500 µs

    private readonly object _lock = new();
    private readonly ReadTrial _trial = new();
    private volatile bool _wanted = wanted;
    private volatile bool _solo;
    private volatile int _term;
    private int _lastTerm;
    private bool _watched;
    private int _listening;
    private int _solitary;
    private long _received;
    private long _overlap;
    private int _credit = MostCredit;
    private long _requests;
    private volatile int _progress;
    private volatile bool _asleep;
    private volatile bool _takesReads;
    private volatile bool _readsForbidden;
    private bool _begun;
    private long _queuedReads;

    /// <summary>Requests that owners have received.</summary>
    public long Requests => Interlocked.Read(ref _requests);

    /// <summary>Reads that owners have left to the device and answered.</summary>
    public long QueuedReads => Interlocked.Read(ref _queuedReads);

    /// <summary>True while one thread does everything.</summary>
    public bool IsSolo => _solo;

    /// <summary>True where the owner of this term may leave small reads to the device.</summary>
    public bool TakesReads(int term) => _takesReads && IsTerm(term);

    /// <summary>True where some thread sleeps in read(2) and will take the next request.</summary>
    public bool SomebodyListens => Volatile.Read(ref _listening) > 0;

    /// <summary>Receives the next request for a thread that has finished its last one; parks it meanwhile where another
    /// thread's turn it is. Returns as <see cref="IRequestChannel.Receive"/>.</summary>
    /// <param name="channel">The thread's own.</param>
    /// <param name="buffer">Where the request is to go.</param>
    /// <param name="others">How many further threads listen or serve.</param>
    /// <param name="term">Not zero where the thread owns the turn, or did: as the last call said.</param>
    public int Receive(IRequestChannel channel, Span<byte> buffer, int others, ref int term)
    {
        while (true)
        {
            if (IsTerm(term))
            {
                _progress++;
                int length = Look(channel, buffer, term);
                _progress++;
                if (length != TryAgain)
                {
                    Volatile.Write(ref _requests, _requests + 1);
                    return length;
                }
            }

            term = 0;

            if (!_solo)
            {
                return Share(channel, buffer, others);
            }

            term = TakeOrPark();
        }
    }

    /// <summary>As <see cref="Receive"/>, for the owner while reads are under way: <see cref="TryAgain"/> where there is no
    /// request.</summary>
    public int TryReceive(IRequestChannel channel, Span<byte> buffer)
    {
        _progress++;
        int length = channel.TryReceive(buffer);
        if (length == TryAgain)
        {
            _overlap = 0;
            _begun = true;
            return length;
        }

        Volatile.Write(ref _requests, _requests + 1);
        NoteOverlap();
        return length;
    }

    /// <summary>The owner has begun a read and is free again.</summary>
    public void NoteBegun() => _begun = true;

    /// <summary>A request was served to its end.</summary>
    public void NoteServed(bool smallRead)
    {
        if (!_solo && _trial.Served(smallRead))
        {
            BeginReads();
        }
    }

    /// <summary>The owner has answered reads that were under way.</summary>
    public void NoteAnswered(int count)
    {
        _begun = true;
        Volatile.Write(ref _queuedReads, _queuedReads + count);
        if (!_trial.Answered(count))
        {
            End();
        }
    }

    /// <summary>Never solo: threads share a descriptor, and with it whether reading waits.</summary>
    public void Forbid()
    {
        _wanted = false;
        End();
    }

    /// <summary>Never for many callers of small reads: they cannot be left to the device.</summary>
    public void ForbidReads()
    {
        _readsForbidden = true;
        End();
    }

    /// <summary>Lets every thread listen again.</summary>
    public void End()
    {
        lock (_lock)
        {
            if (_takesReads)
            {
                _takesReads = false;
                _trial.End();
            }

            _solo = false;
            _term = 0;
            Monitor.PulseAll(_lock);
        }
    }

    private int Share(IRequestChannel channel, Span<byte> buffer, int others)
    {
        Interlocked.Increment(ref _listening);
        int length = channel.Receive(buffer);
        if (Interlocked.Decrement(ref _listening) < others)
        {
            _solitary = 0;
        }
        else if (++_solitary >= SolitaryRequests && _wanted && length > 0)
        {
            _solitary = 0;
            _solo = true;
        }

        return length;
    }

    private bool IsTerm(int term) => term != 0 && _term == term;

    private int Look(IRequestChannel channel, Span<byte> buffer, int term)
    {
        int length = channel.TryReceive(buffer);
        if (length != TryAgain)
        {
            NoteOverlap();
            return length;
        }

        _overlap = 0;
        long start = Stopwatch.GetTimestamp();
        if (_credit > 0)
        {
            do
            {
                Thread.Yield();
                length = channel.TryReceive(buffer);
                _received = Stopwatch.GetTimestamp();
                if (length != TryAgain)
                {
                    _credit = Math.Min(_credit + 1, MostCredit);
                    return length;
                }
            }
            while (IsTerm(term) && _received - start < s_patience);
            _credit--;
        }

        return Sleep(channel, buffer, start);
    }

    private int Sleep(IRequestChannel channel, Span<byte> buffer, long start)
    {
        Interlocked.Increment(ref _listening);
        _asleep = true;
        int length = channel.Receive(buffer);
        _asleep = false;
        Interlocked.Decrement(ref _listening);
        _received = Stopwatch.GetTimestamp();
        if (_credit < MostCredit && _received - start < s_patience)
        {
            _credit++;
        }

        return length;
    }

    // The request that was waiting may have waited for as long as the last one took.
    private void NoteOverlap()
    {
        long now = Stopwatch.GetTimestamp();
        _overlap += _begun ? 0 : now - _received;
        _begun = false;
        _received = now;
        if (_overlap > s_mostOverlap)
        {
            End();
        }
    }

    private void BeginReads()
    {
        lock (_lock)
        {
            if (!_solo && _wanted && !_readsForbidden)
            {
                _trial.Begin();
                _takesReads = true;
                _solo = true;
            }
        }
    }

    // The turn is free when nobody owns it and nobody sleeps in read(2) any more: who sleeps there would be woken by the
    // kernel for every request that the owner takes.
    private int TakeOrPark()
    {
        lock (_lock)
        {
            while (_solo)
            {
                if (_term == 0 && !SomebodyListens)
                {
                    _lastTerm++;
                    _term = _lastTerm;
                    _overlap = 0;
                    _received = Stopwatch.GetTimestamp();
                    return _term;
                }

                if (_watched)
                {
                    Monitor.Wait(_lock);
                }
                else
                {
                    Watch();
                }
            }

            return 0;
        }
    }

    // Returns when the turn may be free, or solo has ended.
    private void Watch()
    {
        _watched = true;
        int seen = _progress;
        int idle = 0;
        while (_solo && !Monitor.Wait(_lock, s_watch) && (_term != 0 || SomebodyListens))
        {
            bool moved = _progress != seen;
            bool stuck = _term != 0 && !moved && !_asleep;
            idle = moved ? 0 : idle + 1;
            seen = _progress;
            if (stuck || idle >= IdleWatches)
            {
                End();
            }
        }

        // Another parked thread is to watch the one that leaves.
        _watched = false;
        Monitor.Pulse(_lock);
    }
}
