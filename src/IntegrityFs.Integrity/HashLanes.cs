// Promise: tags of many blocks in parallel; with one lane everything runs on the caller, in order, for determinism.
// Cost: one wake-up per lane and batch; blocks are handed out 16 at a time.
using IntegrityFs.Format;

namespace IntegrityFs.Integrity;

/// <summary>One block to tag: content, place, and the result.</summary>
public struct TagWork
{
    /// <summary>Address of the content, one block long.</summary>
    public nint Content;

    /// <summary>Purpose of the block.</summary>
    public BlockPurpose Purpose;

    /// <summary>Number of the block.</summary>
    public long Block;

    /// <summary>Set by <see cref="HashLanes.TagAll"/>.</summary>
    public Tag Tag;
}

/// <summary>A few threads that compute tags.</summary>
public sealed unsafe class HashLanes : IDisposable
{
    private const int Chunk = 16;
    private readonly AuthenticatorPool _authenticators;
    private readonly int _blockSize;
    private readonly Thread[] _threads;
    private readonly SemaphoreSlim _start = new(0);
    private readonly CountdownEvent _done = new(1);
    private TagWork[] _work = [];
    private int _count;
    private int _next;
    private ulong _version;
    private volatile bool _stop;

    /// <summary>Starts <paramref name="lanes"/> − 1 threads (the caller is the last lane).</summary>
    public HashLanes(AuthenticatorPool authenticators, int blockSize, int lanes)
    {
        _authenticators = authenticators;
        _blockSize = blockSize;
        _threads = new Thread[Math.Max(lanes - 1, 0)];
        for (int i = 0; i < _threads.Length; i++)
        {
            _threads[i] = new Thread(Serve) { IsBackground = true, Name = "integrityfs-hash" };
            _threads[i].Start();
        }
    }

    /// <summary>Computes the tags of the first <paramref name="count"/> items for <paramref name="version"/>.
    /// One caller at a time.</summary>
    public void TagAll(TagWork[] work, int count, ulong version)
    {
        _work = work;
        _count = count;
        _version = version;
        _next = 0;
        int helpers = Math.Min(_threads.Length, (count - 1) / Chunk);
        if (helpers > 0)
        {
            _done.Reset(helpers + 1);
            _start.Release(helpers);
        }

        Work();
        if (helpers > 0)
        {
            _done.Signal();
            _done.Wait();
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

    private void Serve()
    {
        while (true)
        {
            _start.Wait();
            if (_stop)
            {
                return;
            }

            Work();
            _done.Signal();
        }
    }

    private void Work()
    {
        Authenticator authenticator = _authenticators.Current;
        while (true)
        {
            int first = Interlocked.Add(ref _next, Chunk) - Chunk;
            if (first >= _count)
            {
                return;
            }

            int end = Math.Min(first + Chunk, _count);
            for (int i = first; i < end; i++)
            {
                ref TagWork item = ref _work[i];
                item.Tag = authenticator.TagOfBlock(item.Purpose, item.Block, _version, new ReadOnlySpan<byte>((void*)item.Content, _blockSize));
            }
        }
    }
}
