// Promise: Run returns after every lane has returned, and throws what the first failing lane threw. Without threads of its
// own everything happens on the caller, in order. Cost: one wake-up for each thread and run; no allocation. Threads that
// have nothing to do sleep at once: spinning, as SemaphoreSlim does first, takes the processor from those who have.
using System.Runtime.ExceptionServices;

namespace IntegrityFs.Integrity;

/// <summary>Work that several lanes do together: each takes the next piece until none is left.</summary>
public interface ILaneWork
{
    /// <summary>Takes pieces until none is left. <paramref name="lane"/> has no other thread at the same time.</summary>
    void Run(int lane);
}

/// <summary>A few threads that do work together: tags on several processors, or writes of which the device has more than one
/// to do at a time.</summary>
public sealed class WorkLanes : IDisposable
{
    private readonly Thread[] _threads;
    private readonly object _start = new();
    private readonly object _done = new();
    private ILaneWork? _work;
    private Exception? _failure;

    // Under _start: threads that are still to begin. Under _done: those that have not ended.
    private int _wanted;
    private int _running;
    private bool _stop;

    /// <summary>Starts <paramref name="lanes"/> − 1 threads; the caller of <see cref="Run"/> is the first lane.</summary>
    public WorkLanes(int lanes, string name)
    {
        _threads = new Thread[Math.Max(lanes - 1, 0)];
        for (int i = 0; i < _threads.Length; i++)
        {
            int lane = i + 1;
            _threads[i] = new Thread(() => Serve(lane)) { IsBackground = true, Name = name };
            _threads[i].Start();
        }
    }

    /// <summary>Lanes, the caller's included.</summary>
    public int Count => _threads.Length + 1;

    /// <summary>Does the work on at most <paramref name="lanes"/> lanes. One caller at a time.</summary>
    public void Run(ILaneWork work, int lanes = int.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(work);
        int others = Math.Clamp(lanes - 1, 0, _threads.Length);
        _work = work;
        _failure = null;
        if (others > 0)
        {
            Begin(others);
        }

        RunLane(0);
        if (others > 0)
        {
            AwaitEnd();
        }

        if (_failure is { } failure)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_start)
        {
            _stop = true;
            Monitor.PulseAll(_start);
        }

        foreach (Thread thread in _threads)
        {
            thread.Join();
        }
    }

    private void Begin(int others)
    {
        // Nobody runs yet, so nobody else looks at it.
        _running = others;
        lock (_start)
        {
            _wanted = others;
            for (int i = 0; i < others; i++)
            {
                Monitor.Pulse(_start);
            }
        }
    }

    private void AwaitEnd()
    {
        lock (_done)
        {
            while (_running > 0)
            {
                Monitor.Wait(_done);
            }
        }
    }

    private void Serve(int lane)
    {
        while (AwaitStart())
        {
            RunLane(lane);
            lock (_done)
            {
                if (--_running == 0)
                {
                    Monitor.Pulse(_done);
                }
            }
        }
    }

    private bool AwaitStart()
    {
        lock (_start)
        {
            while (_wanted == 0 && !_stop)
            {
                Monitor.Wait(_start);
            }

            _wanted--;
            return !_stop;
        }
    }

    private void RunLane(int lane)
    {
        try
        {
            _work!.Run(lane);
        }
#pragma warning disable CA1031 // carried to the caller of Run
        catch (Exception e)
#pragma warning restore CA1031
        {
            Interlocked.CompareExchange(ref _failure, e, null);
        }
    }
}
