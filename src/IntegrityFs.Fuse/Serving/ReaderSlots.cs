namespace IntegrityFs.Fuse.Serving;

/// <summary>
/// Keeps the same number of threads reading requests while one waits for flushes of the disk. The readers hold a slot
/// each; one more thread is parked. A thread that is about to wait and finds that nobody else listens gives its slot to
/// the parked one, and takes one again (or is parked itself) before it reads its next request.
/// <para>Cost: a wake-up, only where all readers would be waiting.</para>
/// </summary>
internal sealed class ReaderSlots
{
    private readonly object _lock = new();
    private int _free;

    /// <summary>A parked thread, or one that gave its slot away, waits for a slot.</summary>
    public void Enter()
    {
        lock (_lock)
        {
            while (_free == 0)
            {
                Monitor.Wait(_lock);
            }

            _free--;
        }
    }

    /// <summary>Gives a slot away: to who is parked.</summary>
    public void Leave()
    {
        lock (_lock)
        {
            _free++;
            Monitor.Pulse(_lock);
        }
    }
}
