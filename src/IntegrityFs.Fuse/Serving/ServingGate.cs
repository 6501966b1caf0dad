namespace IntegrityFs.Fuse.Serving;

/// <summary>
/// Lets DESTROY wait until no other thread is inside the file system, and keeps everybody out afterwards: a FORGET
/// may be read together with, or after, the DESTROY that closes the volume.
/// </summary>
internal sealed class ServingGate(int slots)
{
    // A cache line for each thread: entering costs no shared write.
    private const int Stride = 16;
    private readonly long[] _inside = new long[(slots + 1) * Stride];
    private volatile bool _closed;

    /// <summary>True where the thread of <paramref name="slot"/> may use the file system, until it leaves.</summary>
    public bool TryEnter(int slot)
    {
        ref long inside = ref _inside[(slot + 1) * Stride];

        // A full fence between the announcement and the look at _closed: Close does the two in the other order.
        Interlocked.Exchange(ref inside, 1);
        if (!_closed)
        {
            return true;
        }

        Volatile.Write(ref inside, 0);
        return false;
    }

    /// <summary>Ends what <see cref="TryEnter"/> began.</summary>
    public void Leave(int slot) => Volatile.Write(ref _inside[(slot + 1) * Stride], 0);

    /// <summary>Closes the gate and waits until all threads but <paramref name="own"/> (−1: none) have left.</summary>
    public void Close(int own)
    {
        _closed = true;
        Interlocked.MemoryBarrier();
        var spin = new SpinWait();
        for (int slot = 0; slot < slots; slot++)
        {
            while (slot != own && Volatile.Read(ref _inside[(slot + 1) * Stride]) != 0)
            {
                spin.SpinOnce();
            }
        }
    }
}
