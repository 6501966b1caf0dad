namespace IntegrityFs.Fuse.Serving;

/// <summary>
/// Keeps the same number of threads reading requests while one waits for flushes of the disk. The readers hold a slot
/// each; one more thread is parked. A thread that is about to wait and finds that nobody else listens gives its slot to
/// the parked one, and takes one again (or is parked itself) before it reads its next request.
/// <para>Cost: two interlocked additions for each request; a wake-up only where all readers would be waiting.</para>
/// </summary>
internal sealed class ReaderSlots
{
    private readonly object _lock = new();
    private int _free;
    private int _listening;

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

    /// <summary>The thread is about to read a request.</summary>
    public void BeginListening() => Interlocked.Increment(ref _listening);

    /// <summary>The thread has read one.</summary>
    public void EndListening() => Interlocked.Decrement(ref _listening);

    /// <summary>The thread is about to wait for the disk: true where it gave its slot away and must
    /// <see cref="Enter"/> before it reads again.</summary>
    public bool TryYield()
    {
        if (Volatile.Read(ref _listening) > 0)
        {
            return false;
        }

        Leave();
        return true;
    }
}
