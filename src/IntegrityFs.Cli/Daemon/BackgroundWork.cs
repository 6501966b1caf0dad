using IntegrityFs.Cli.Native;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli.Daemon;

/// <summary>The threads that a deferred volume borrows: one commits by time and fill, one checkpoints.</summary>
internal sealed class BackgroundWork : IDisposable
{
    private readonly ProtectedVolume _volume;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Thread> _threads = [];

    public BackgroundWork(ProtectedVolume volume)
    {
        _volume = volume;
        Start(BackgroundRole.Committer, "committer");
        Start(BackgroundRole.Checkpointer, "checkpointer");
    }

    /// <summary>Returns after both have ended: then the volume may be closed.</summary>
    public void Stop()
    {
        _stop.Cancel();
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }
    }

    public void Dispose()
    {
        Stop();
        _stop.Dispose();
    }

    private void Start(BackgroundRole role, string name)
    {
        var thread = new Thread(() => Run(role)) { IsBackground = true, Name = name };
        _threads.Add(thread);
        thread.Start();
    }

    private void Run(BackgroundRole role)
    {
        // Write-back must not wait for memory that only this write-back can free.
        _ = Posix.ProcessControl(Posix.PrSetIoFlusher, 1, 0, 0, 0);
        _volume.RunBackground(role, _stop.Token);
    }
}
