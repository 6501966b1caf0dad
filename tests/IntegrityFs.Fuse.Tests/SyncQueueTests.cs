using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;
using IntegrityFs.Fuse.Serving;
using Microsoft.Extensions.Logging.Abstractions;

namespace IntegrityFs.Fuse.Tests;

public sealed class SyncQueueTests
{
    private static SyncRequest File(ulong inode) => new(SyncKind.File, new InodeNumber(inode), false);

    private static ReplyHeader HeaderOf(byte[] reply)
    {
        Assert.Equal(16, reply.Length);
        return MemoryMarshal.Read<ReplyHeader>(reply);
    }

    [Fact]
    public void Syncs_that_arrive_during_one_are_served_by_the_next_together()
    {
        using var replies = new SentReplies();
        SyncQueue? queue = null;
        var batches = new List<int>();
        var disk = Disk(requests =>
        {
            batches.Add(requests);
            if (batches.Count == 1)
            {
                for (ulong i = 0; i < 40; i++)
                {
                    Assert.False(queue!.Add(File(i), 100 + i, replies), "somebody is at it already");
                }
            }

            return Errno.OK;
        });
        queue = new SyncQueue(disk, NullLogger.Instance);
        Assert.True(queue.Add(File(1), 7, replies));
        queue.Serve();
        Assert.Equal([1, 40], batches);
        var answered = new List<ulong>();
        while (replies.Take() is { } reply)
        {
            ReplyHeader header = HeaderOf(reply);
            Assert.Equal(0, header.Error);
            answered.Add(header.Unique);
        }

        Assert.Equal([7, .. Enumerable.Range(100, 40).Select(i => (ulong)i)], answered);
        Assert.True(queue.Add(File(1), 8, replies), "nobody is at it any more");
    }

    [Theory]
    [InlineData(SyncKind.File, Errno.EIO, Errno.EIO)]
    [InlineData(SyncKind.File, Errno.ENOSYS, Errno.EIO)]
    [InlineData(SyncKind.Directory, Errno.ENOSYS, Errno.EIO)]
    [InlineData(SyncKind.FileSystem, Errno.ENOSYS, Errno.ENOSYS)]
    [InlineData(SyncKind.File, Errno.ENOSPC, Errno.ENOSPC)]
    public void Each_caller_gets_the_error(SyncKind kind, Errno error, Errno answer)
    {
        using var replies = new SentReplies();
        var queue = new SyncQueue(Disk(_ => error), NullLogger.Instance);
        Assert.True(queue.Add(new SyncRequest(kind, InodeNumber.Root, true), 7, replies));
        Assert.False(queue.Add(new SyncRequest(kind, InodeNumber.Root, true), 8, replies));
        queue.Serve();
        Assert.Equal(-(int)answer, HeaderOf(replies.Take()!).Error);
        Assert.Equal(-(int)answer, HeaderOf(replies.Take()!).Error);
        Assert.Null(replies.Take());
    }

    [Fact]
    public void A_defect_below_costs_an_error_and_the_next_sync_is_served()
    {
        using var replies = new SentReplies();
        int calls = 0;
        var queue = new SyncQueue(Disk(_ => ++calls == 1 ? throw new InvalidOperationException("defect") : Errno.OK), NullLogger.Instance);
        Assert.True(queue.Add(File(1), 7, replies));
        queue.Serve();
        Assert.Equal(-(int)Errno.EIO, HeaderOf(replies.Take()!).Error);
        Assert.True(queue.Add(File(1), 9, replies));
        queue.Serve();
        Assert.Equal(0, HeaderOf(replies.Take()!).Error);
    }

    /// <summary>Callers on many threads, each with a counter of what it has done: an answer may only come from a commit
    /// that began after the sync was asked for.</summary>
    [Fact]
    public void Whatever_the_order_of_threads_each_sync_is_answered_once_and_not_too_early()
    {
        const int Threads = 8;
        const int Rounds = 400;
        long written = 0;
        long durable = 0;
        int inside = 0;
        var disk = Disk(_ =>
        {
            Assert.Equal(1, Interlocked.Increment(ref inside));
            long snapshot = Interlocked.Read(ref written);
            Thread.Yield();
            Interlocked.Exchange(ref durable, snapshot);
            Interlocked.Decrement(ref inside);
            return Errno.OK;
        });
        var queue = new SyncQueue(disk, NullLogger.Instance);
        var failures = new ConcurrentQueue<string>();
        var channels = new Channel[Threads];
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(n => new Thread(() =>
        {
            Channel channel = channels[n] = new Channel(() => Interlocked.Read(ref durable));
            for (int round = 0; round < Rounds; round++)
            {
                long mine = Interlocked.Increment(ref written);
                if (queue.Add(File((ulong)n), (ulong)round, channel))
                {
                    queue.Serve();
                }

                if (!channel.Wait((ulong)round, out long seen))
                {
                    failures.Enqueue($"thread {n} round {round}: no answer, or not its own");
                    return;
                }

                if (seen < mine)
                {
                    failures.Enqueue($"thread {n} round {round}: answered at {seen}, before {mine} was durable");
                }
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.Empty(failures);
        Assert.All(channels, channel => Assert.Equal(Rounds, channel.Sent));
    }

    /// <summary>Remembers what was durable when each reply was sent.</summary>
    private sealed class Channel(Func<long> durable) : IRequestChannel
    {
        private readonly BlockingCollection<(ulong Unique, long Durable)> _replies = [];

        public int Sent { get; private set; }

        public bool Wait(ulong unique, out long seen)
        {
            bool there = _replies.TryTake(out (ulong Unique, long Durable) reply, TimeSpan.FromSeconds(30));
            seen = reply.Durable;
            return there && reply.Unique == unique;
        }

        public int Receive(Span<byte> buffer) => throw new NotSupportedException("requests do not come this way");

        public int TryReceive(Span<byte> buffer) => Receive(buffer);

        public int Send(ReadOnlySpan<byte> reply)
        {
            Sent++;
            _replies.Add((MemoryMarshal.Read<ReplyHeader>(reply).Unique, durable()));
            return 0;
        }

        public void Dispose() => _replies.Dispose();
    }

    /// <summary>All callers of a batch get what <paramref name="sync"/> says of it.</summary>
    private static SyncTogether Disk(Func<int, Errno> sync) => (requests, answers) => answers.Fill(sync(requests.Length));
}
