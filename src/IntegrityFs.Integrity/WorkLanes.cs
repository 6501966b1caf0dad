// Promise: Run returns after every lane has returned, and throws what the first failing lane threw. Without threads of its
// own everything happens on the caller, in order. Cost: one wake-up for each thread and run; no allocation.
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
    private readonly SemaphoreSlim _start = new(0);
    private readonly CountdownEvent _done = new(1);
    private ILaneWork? _work;
    private Exception? _failure;
    private volatile bool _stop;

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
            _done.Reset(others);
            _start.Release(others);
        }

        RunLane(0);
        if (others > 0)
        {
            _done.Wait();
        }

        if (_failure is { } failure)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop = true;
        if (_threads.Length > 0)
        {
            _start.Release(_threads.Length);
        }

        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        _start.Dispose();
        _done.Dispose();
    }

    private void Serve(int lane)
    {
        while (true)
        {
            _start.Wait();
            if (_stop)
            {
                return;
            }

            RunLane(lane);
            _done.Signal();
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
