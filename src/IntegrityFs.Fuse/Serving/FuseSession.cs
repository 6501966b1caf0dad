using IntegrityFs.Fuse.Protocol;

namespace IntegrityFs.Fuse.Serving;

/// <summary>
/// The serving threads of one connection. The first waits until the descriptor is attached to a mount and serves INIT
/// alone; then it starts the others. The last one to stop closes the file system (unless DESTROY did).
/// </summary>
internal sealed class FuseSession : IDisposable
{
    // Stacks are touched lazily; the deepest walk is one of the catalog's tree.
    private const int StackSize = 1 << 20;

    private readonly SessionState _state;
    private readonly FuseDevice _device;
    private readonly ManualResetEventSlim _ready = new();
    private readonly ManualResetEventSlim _completed = new();
    private readonly Worker?[] _workers;
    private volatile bool _cancelled;
    private int _running;
    private int _worst;

    public FuseSession(SessionState state, FuseDevice device)
    {
        _state = state;
        _device = device;
        _workers = new Worker?[state.Options.ThreadCount + FuseServerOptions.ParkedThreads];
    }

    /// <summary>Threads that serve.</summary>
    public int Threads { get; private set; }

    /// <summary>Set when INIT is answered, or when serving ended before.</summary>
    public ManualResetEventSlim Ready => _ready;

    /// <summary>Set when all threads have stopped and the file system is closed.</summary>
    public ManualResetEventSlim Completed => _completed;

    /// <summary>Why serving ended. Valid once completed.</summary>
    public WorkerExit Exit => (WorkerExit)Volatile.Read(ref _worst);

    /// <summary>Starts the first thread. Where the device is not <paramref name="attached"/> to a mount yet, it waits
    /// for that.</summary>
    public void Start(bool attached)
    {
        _running = 1;
        StartThread(0, () => RunFirst(attached));
    }

    /// <summary>The mount failed: the thread that waits for it gives up. Where INIT was to be synchronous, the kernel
    /// keeps that thread asleep on the descriptor until the process ends; then it is left behind (false), and this
    /// session must not be disposed.</summary>
    public bool Cancel(bool synchronousInit)
    {
        _cancelled = true;
        _state.Forsake();
        if (!synchronousInit)
        {
            _completed.Wait();
        }

        return !synchronousInit;
    }

    /// <summary>Nobody waits any longer for threads that cannot be reached. Not to be disposed afterwards.</summary>
    public void Abandon() => _completed.Set();

    /// <summary>Requests of one operation so far.</summary>
    public long Count(Opcode operation)
    {
        long sum = 0;
        foreach (Worker? worker in _workers)
        {
            sum += worker == null ? 0 : worker.Counts[(int)operation];
        }

        return sum;
    }

    public void Dispose()
    {
        _device.Dispose();
        _ready.Dispose();
        _completed.Dispose();
    }

    private static void StartThread(int slot, Action body) => new Thread(() => body(), StackSize)
    {
        IsBackground = true,
        Name = $"fuse-{slot}",
    }.Start();

    private void RunFirst(bool attached)
    {
        Native.MarkThreadAsIoFlusher();
        WorkerExit exit = WorkerExit.Failed;
        try
        {
            exit = ServeFirst(attached);
        }
        finally
        {
            LeaveThread(exit);
        }
    }

    private WorkerExit ServeFirst(bool attached)
    {
        FuseDevice? spare = attached ? null : WaitUntilAttached();
        if (_cancelled)
        {
            spare?.Dispose();
            return WorkerExit.Unmounted;
        }

        var first = new Worker(_state, new DeviceChannel(_device), 0);
        _workers[0] = first;
        WorkerExit? exit = first.Run(initOnly: true);
        if (exit != null || _state.Incompatible)
        {
            spare?.Dispose();
            _state.Forsake();
            return exit ?? WorkerExit.Failed;
        }

        Threads = _state.Options.ThreadCount;
        _running = _workers.Length;
        StartWorkers(1, Threads, spare);
        Log.Serving(_state.Logger, _state.Agreement.Minor, Threads, _state.Agreement.MaxTransfer);
        _ready.Set();

        // Nobody who mounts waits for these.
        StartWorkers(Threads, _workers.Length, null);
        return first.Run(initOnly: false) ?? WorkerExit.Failed;
    }

    // Reading an unattached descriptor fails with EPERM; a clone says whether the mount is there. (Where INIT is
    // synchronous either call sleeps until then.)
    private FuseDevice? WaitUntilAttached()
    {
        while (!_cancelled)
        {
            FuseDevice? clone = _device.TryClone(out bool attached);
            if (attached)
            {
                return clone;
            }

            Thread.Sleep(1);
        }

        return null;
    }

    private void StartWorkers(int from, int to, FuseDevice? spare)
    {
        bool cloning = _state.Options.CloneDescriptors;
        if (!cloning)
        {
            spare?.Dispose();
            spare = null;
        }

        for (int slot = from; slot < to; slot++)
        {
            FuseDevice? clone = cloning ? spare ?? _device.TryClone(out _) : null;
            spare = null;
            if (clone == null)
            {
                _state.Turn.Forbid();
            }

            FuseDevice device = clone ?? _device;
            var worker = new Worker(_state, new DeviceChannel(device), slot);
            _workers[slot] = worker;
            bool parked = slot >= Threads;
            StartThread(slot, () => RunOther(worker, parked));
        }
    }

    private void RunOther(Worker worker, bool parked)
    {
        Native.MarkThreadAsIoFlusher();
        WorkerExit exit = WorkerExit.Failed;
        try
        {
            exit = worker.Run(initOnly: false, parked) ?? WorkerExit.Failed;
        }
        finally
        {
            LeaveThread(exit);
        }
    }

    private void LeaveThread(WorkerExit exit)
    {
        int worst = Volatile.Read(ref _worst);
        while ((int)exit > worst)
        {
            int seen = Interlocked.CompareExchange(ref _worst, (int)exit, worst);
            if (seen == worst)
            {
                break;
            }

            worst = seen;
        }

        if (Interlocked.Decrement(ref _running) > 0)
        {
            return;
        }

        // The last one out: nobody uses the buffers and descriptors any more.
        _state.Finish(-1);
        foreach (Worker? worker in _workers)
        {
            worker?.Dispose();
        }

        _device.Dispose();
        Report();
        _ready.Set();
        _completed.Set();
    }

    private void Report()
    {
        switch (Exit)
        {
            case WorkerExit.Unmounted when !_cancelled:
                Log.Unmounted(_state.Logger);
                break;
            case WorkerExit.Aborted:
                Log.Aborted(_state.Logger);
                break;
        }
    }
}
