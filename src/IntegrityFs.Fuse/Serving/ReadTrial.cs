// Whether small reads are answered faster by one thread that leaves them to the device (see ReadsUnderWay) or by all threads,
// each of which sleeps for its own, depends on processors, disk and callers. So it is tried, and timed.
// Promises:
// 1. A trial begins after Sample small reads in a row that all threads have served, with nothing else in between.
// 2. It goes on as long as a sample takes the one thread less time than it took all of them; once that has proved true, a
//    sample may take an eighth more, because times vary.
// 3. After a trial that was lost the next waits for four samples of small reads, then for twice as many each time, up to a
//    million reads; one that was won is begun anew after LongestRun reads, to learn whether all threads would be faster now.
// Cost: one increment for each small read; the clock is asked twice in a sample.
using System.Diagnostics;

namespace IntegrityFs.Fuse.Serving;

/// <summary>Decides by time who serves small reads. Its clock is for tests.</summary>
internal sealed class ReadTrial(Func<long>? clock = null)
{
    /// <summary>Reads whose time is taken.</summary>
    internal const int Sample = 256;

    /// <summary>Reads after which a trial that is won ends.</summary>
    internal const int LongestRun = 256 * Sample;

    /// <summary>Reads that are not counted after the first trial that is lost.</summary>
    internal const int LeastPause = 4 * Sample;

    private const int MostPause = 4096 * Sample;

    private readonly Func<long> _clock = clock ?? Stopwatch.GetTimestamp;

    // Small reads in a row that were served; below zero in a pause.
    private int _served;
    private long _servedSince;
    private long _servedTime;
    private int _answered;
    private long _answeredSince;
    private int _run;
    private int _pause = LeastPause;

    /// <summary>All threads listen, and one has served a request. True where a trial is to begin; any thread.</summary>
    public bool Served(bool smallRead)
    {
        if (!smallRead)
        {
            if (Volatile.Read(ref _served) > 0)
            {
                Volatile.Write(ref _served, 0);
            }

            return false;
        }

        int served = Interlocked.Increment(ref _served);
        if (served == 1)
        {
            _servedSince = _clock();
        }
        else if (served == Sample)
        {
            _servedTime = _clock() - _servedSince;
            Volatile.Write(ref _served, 0);
            return true;
        }

        return false;
    }

    /// <summary>A trial begins.</summary>
    public void Begin() => _run = _answered = 0;

    /// <summary>The one thread has answered reads. False where the trial is to end.</summary>
    public bool Answered(int count)
    {
        if (_answered == 0)
        {
            _answeredSince = _clock();
            count = 1;
        }

        _answered += count;
        if (_answered <= Sample)
        {
            return true;
        }

        long most = _run > 0 ? _servedTime * 9 / 8 : _servedTime;
        bool faster = (_clock() - _answeredSince) * Sample < most * (_answered - 1);
        _run += _answered;
        _answered = 0;
        _pause = faster ? LeastPause : _pause;
        return faster && _run < LongestRun;
    }

    /// <summary>The trial has ended, for whatever reason.</summary>
    public void End()
    {
        bool won = _run >= LongestRun;
        Volatile.Write(ref _served, won ? 0 : -_pause);
        _pause = won ? LeastPause : Math.Min(2 * _pause, MostPause);
    }
}
