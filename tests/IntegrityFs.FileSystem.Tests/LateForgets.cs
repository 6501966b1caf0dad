using System.Collections.Concurrent;
using IntegrityFs.FileSystem.Conformance;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>Plays a kernel with many processes on few names: each looks up or makes a file, uses it as long as it holds its
/// lookup, and lets go; what is let go is forgotten by another thread, at any time later. Others remove and replace the
/// names meanwhile.</summary>
internal sealed class LateForgets(Harness h)
{
    private const int Names = 3;

    private readonly ConcurrentQueue<(InodeNumber Inode, int Count)> _forgets = new();
    private readonly ConcurrentBag<string> _problems = [];

    /// <summary>What went wrong.</summary>
    public string[] Run(int threads, int steps)
    {
        Thread[] all = [.. Enumerable.Range(0, threads).Select(seed => new Thread(() => Guard(() => Process(new Random(seed), steps))))];
        bool done = false;
        Thread forgetter = new(() => Guard(() => Forget(new Random(-1), () => Volatile.Read(ref done))));
        forgetter.Start();
        Array.ForEach(all, thread => thread.Start());
        Array.ForEach(all, thread => thread.Join());
        Volatile.Write(ref done, true);
        forgetter.Join();
        for (int i = 0; i < Names; i++)
        {
            h.T.TryUnlink(InodeNumber.Root, $"n{i}");
        }

        return [.. _problems];
    }

    private void Process(Random random, int steps)
    {
        for (int step = 0; step < steps && _problems.IsEmpty; step++)
        {
            string name = $"n{random.Next(Names)}";
            InodeNumber inode = Get(random, name, out int lookups);
            if (inode == InodeNumber.None)
            {
                continue;
            }

            if (random.Next(2) == 0)
            {
                h.T.TryUnlink(InodeNumber.Root, name);
            }
            else if (random.Next(4) == 0)
            {
                h.T.TryRename(InodeNumber.Root, name, InodeNumber.Root, $"n{random.Next(Names)}");
            }

            // A step on the way from LOOKUP to OPEN, with the name gone perhaps.
            if (h.Fs.Open(h.T.Caller, inode, OpenMode.Read | OpenMode.Write, out ulong handle) is var error && error != Errno.OK)
            {
                _problems.Add($"inode {inode} is held, but cannot be opened: {error}");
                return;
            }

            if (random.Next(2) == 0)
            {
                _forgets.Enqueue((inode, lookups));
                lookups = 0;
            }

            Expect(inode, h.Fs.Write(handle, inode, 0, "x"u8, false, out _));
            h.T.Close(handle, inode);
            if (lookups > 0)
            {
                Expect(inode, h.Fs.GetAttributes(inode, out _));
                _forgets.Enqueue((inode, lookups));
            }
        }
    }

    private InodeNumber Get(Random random, string name, out int lookups)
    {
        lookups = 1;
        switch (random.Next(3))
        {
            case 0 when h.Fs.Create(h.T.Caller, InodeNumber.Root, Driver.Bytes(name), 0x1A4, OpenMode.Read, null, out Attributes made, out ulong handle) == Errno.OK:
                h.T.Close(handle, made.Inode);
                return made.Inode;
            case 1 when h.T.TryLookup(InodeNumber.Root, name, out Attributes first) == Errno.OK:
                lookups += h.T.TryLookup(first.Inode, ".", out _) == Errno.OK ? 1 : 0;
                return first.Inode;
            default:
                return h.T.TryLookup(InodeNumber.Root, name, out Attributes found) == Errno.OK ? found.Inode : InodeNumber.None;
        }
    }

    private void Forget(Random random, Func<bool> done)
    {
        while (!done() || !_forgets.IsEmpty)
        {
            if ((_forgets.Count > 50 || done() || random.Next(8) == 0) && _forgets.TryDequeue(out (InodeNumber Inode, int Count) forget))
            {
                h.Fs.Forget(forget.Inode, (ulong)forget.Count);
            }
            else
            {
                Thread.Yield();
            }
        }
    }

    private void Expect(InodeNumber inode, Errno error)
    {
        if (error != Errno.OK)
        {
            _problems.Add($"inode {inode} is held, but gone: {error}");
        }
    }

    private void Guard(Action body)
    {
        try
        {
            body();
        }
        catch (Exception error)
        {
            _problems.Add(error.ToString());
        }
    }
}
