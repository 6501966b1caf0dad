// A disk shares its rate among all reads that it has: four reads of 1 MiB at once are all done late, and together, and meanwhile
// no processor has anything to verify. A few at a time, first come first served, the first is done early: it is verified while
// the others are read, and the reader, who waits for it, asks for more.
namespace IntegrityFs.Volume;

/// <summary>Lets so many threads in at a time, in the order in which they came; who has waited for as long as
/// <paramref name="patience"/> goes in as well, because those inside may wait for a bad sector.</summary>
internal sealed class Turnstile(int permits, TimeSpan patience)
{
    private readonly object _lock = new();
    private long _came;
    private long _left;

    /// <summary>Waits for its turn; <see cref="Leave"/> ends it.</summary>
    public void Enter()
    {
        lock (_lock)
        {
            long number = _came++;
            while (number >= _left + permits && Monitor.Wait(_lock, patience))
            {
            }
        }
    }

    /// <summary>Lets the next one in.</summary>
    public void Leave()
    {
        lock (_lock)
        {
            _left++;
            Monitor.PulseAll(_lock);
        }
    }
}
