// Promise: every sequence of one, two or three operations over a small name space, with every choice of persistence
// after each, numbered: the same index is the same workload for ever. Nothing is built until it is asked for.
using System.Globalization;

namespace IntegrityFs.CrashTesting;

/// <summary>Bounded sequences of operations (in the manner of ACE).</summary>
public sealed class SequenceWorkloads
{
    // Each operation, and what must exist for it to do something. "=" stands for the operation's own text.
    private static readonly (string Op, string Needs)[] s_operations =
    [
        ("creat foo", ""), ("creat A/foo", "mkdir A"), ("creat A/C/foo", "mkdir A; mkdir A/C"),
        ("mkdir A", ""), ("mkdir A/C", "mkdir A"), ("mknod foo fifo", ""), ("symlink foo bar", ""), ("symlink ../foo A/bar", "mkdir A"),
        ("write foo 0 4096 2", "creat foo; write foo 0 16384 1"), ("write foo 1000 5000 2", "creat foo; write foo 0 16384 1"),
        ("write A/foo 16384 8192 2", "mkdir A; creat A/foo; write A/foo 0 16384 1"), ("write foo 40000 100 2", "creat foo; write foo 0 16384 1"),
        ("append foo 100 2", "creat foo; write foo 0 3000 1"), ("append A/foo 8192 2", "mkdir A; creat A/foo; write A/foo 0 3000 1"),
        ("truncate foo 0", "creat foo; write foo 0 16384 1"), ("truncate foo 2500", "creat foo; write foo 0 16384 1"),
        ("truncate A/foo 30000", "mkdir A; creat A/foo; write A/foo 0 16384 1"),
        ("falloc foo 16384 8192", "creat foo; write foo 0 16384 1"), ("falloc foo 16384 8192 keep", "creat foo; write foo 0 16384 1"),
        ("falloc foo 4096 4096 punch", "creat foo; write foo 0 16384 1"), ("falloc foo 1000 6000 zero", "creat foo; write foo 0 16384 1"),
        ("falloc A/foo 14000 8192 zerokeep", "mkdir A; creat A/foo; write A/foo 0 16384 1"),
        ("link foo bar", "creat foo"), ("link foo A/bar", "creat foo; mkdir A"), ("link A/foo B/foo", "mkdir A; mkdir B; creat A/foo"),
        ("link A/foo A/bar", "mkdir A; creat A/foo"),
        ("unlink foo", "creat foo; write foo 0 5000 1"), ("unlink A/foo", "mkdir A; creat A/foo"), ("unlink bar", "creat foo; link foo bar"),
        ("rmdir A", "mkdir A"), ("rmdir A/C", "mkdir A; mkdir A/C"),
        ("rename foo bar", "creat foo; write foo 0 100 1"), ("rename foo bar", "creat foo; creat bar; write bar 0 5000 1"),
        ("rename foo A/foo", "creat foo; mkdir A"), ("rename A/foo B/foo", "mkdir A; mkdir B; creat A/foo; creat B/foo"),
        ("rename A B", "mkdir A; creat A/foo"), ("rename A B", "mkdir A; mkdir B; creat A/foo"), ("rename A/C B", "mkdir A; mkdir A/C; creat A/C/foo"),
        ("rename A B/A", "mkdir A; mkdir B; creat A/foo"), ("rename foo A/foo exchange", "creat foo; mkdir A; creat A/foo"),
        ("rename A foo exchange", "mkdir A; creat foo; creat A/bar"), ("rename foo bar whiteout", "creat foo"), ("rename foo bar noreplace", "creat foo"),
        ("setxattr foo user.k 100 1", "creat foo"), ("setxattr A user.k 2000 1", "mkdir A"), ("setxattr foo user.k 900 2", "creat foo; setxattr foo user.k 100 1"),
        ("rmxattr foo user.k", "creat foo; setxattr foo user.k 100 1"),
        ("chmod foo 600", "creat foo"), ("chown A 5 6", "mkdir A"), ("utime foo 11 12", "creat foo"),
        ("copy foo 0 bar 4096 9000", "creat foo; write foo 0 16384 1; creat bar"),
    ];

    private static readonly string[] s_persistence =
        ["", "sync", "fsync foo", "fdatasync foo", "fsync A/foo", "fsync A", "fsync .", "fsync bar"];

    private readonly int _length;

    /// <summary>All sequences of <paramref name="length"/> operations (1 to 3).</summary>
    public SequenceWorkloads(int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, 3);
        _length = length;
        Count = 2;
        for (int i = 0; i < length; i++)
        {
            Count *= s_operations.Length * s_persistence.Length;
        }
    }

    /// <summary>How many there are.</summary>
    public long Count { get; }

    /// <summary>The workload of an index.</summary>
    public Workload this[long index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            string id = string.Create(CultureInfo.InvariantCulture, $"seq{_length}-{index}");
            bool checkpointed = index % 2 != 0;
            index /= 2;
            var needs = new List<string>();
            var text = new List<string>();
            for (int i = 0; i < _length; i++)
            {
                index = Math.DivRem(index, s_operations.Length, out long op);
                index = Math.DivRem(index, s_persistence.Length, out long persist);
                foreach (string need in s_operations[op].Needs.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
                {
                    if (!needs.Contains(need))
                    {
                        needs.Add(need);
                    }
                }

                text.Add(s_operations[op].Op);
                if (persist > 0 || i == _length - 1)
                {
                    text.Add(s_persistence[persist == 0 ? 1 : persist]);
                }
            }

            if (checkpointed)
            {
                needs.Add("checkpoint");
            }

            return Workload.Parse(id, string.Join("; ", [.. needs, "begin", .. text]));
        }
    }

    /// <summary>A seeded choice of <paramref name="count"/> of them; all where there are fewer.</summary>
    public IEnumerable<Workload> Sample(int count, ulong seed)
    {
        if (count >= Count)
        {
            for (long i = 0; i < Count; i++)
            {
                yield return this[i];
            }

            yield break;
        }

        var random = new SeededRandom(seed);
        for (int i = 0; i < count; i++)
        {
            yield return this[(long)random.Below((ulong)Count)];
        }
    }
}
