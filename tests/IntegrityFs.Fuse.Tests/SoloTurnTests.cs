using System.Collections.Concurrent;
using IntegrityFs.Fuse.Serving;

namespace IntegrityFs.Fuse.Tests;

/// <summary>Who listens: all threads, or one for a single caller, and how soon the others come back to help.</summary>
public class SoloTurnTests
{
    private const int Threads = 4;
    private const int Gone = -19;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    [Fact]
    public void A_single_caller_is_served_by_one_thread()
    {
        using var mount = new Mount(wanted: true);
        mount.BecomeSolo();
        int most = 0;
        for (int i = 0; i < 50 && most < 100; i++)
        {
            int[] servers = mount.AskOneByOne(100);
            most = servers.GroupBy(s => s).Max(g => g.Count());
        }

        Assert.Equal(100, most);
        Assert.True(mount.Turn.Requests > 0);
    }

    [Fact]
    public void Overlapping_requests_bring_all_threads_back()
    {
        using var mount = new Mount(wanted: true);
        mount.BecomeSolo();
        for (int i = 0; i < 100 && mount.Turn.IsSolo; i++)
        {
            mount.AskTogether(40, () => Thread.SpinWait(1000));
        }

        Assert.False(mount.Turn.IsSolo);
    }

    [Fact]
    public void A_slow_request_does_not_hold_up_the_next()
    {
        using var mount = new Mount(wanted: true);
        using var gate = new ManualResetEventSlim();
        mount.BecomeSolo();
        Task<int> slow = mount.Ask(gate.Wait);
        for (int i = 0; i < 10; i++)
        {
            _ = mount.AskOneByOne(1);
        }

        Assert.False(slow.IsCompleted);
        gate.Set();
        _ = Mount.Answer(slow);
    }

    [Fact]
    public void Slow_requests_at_any_moment_do_not_hold_up_the_next()
    {
        for (int before = SoloTurn.SolitaryRequests - 4; before < SoloTurn.SolitaryRequests + (3 * Threads); before++)
        {
            using var mount = new Mount(wanted: true);
            using var gate = new ManualResetEventSlim();
            _ = mount.AskOneByOne(before);
            Task<int>[] slow = new Task<int>[Threads - 1];
            for (int i = 0; i < slow.Length; i++)
            {
                slow[i] = mount.Ask(gate.Wait);
                _ = mount.AskOneByOne(1);
            }

            gate.Set();
            Array.ForEach(slow, request => Mount.Answer(request));
        }
    }

    [Fact]
    public void An_idle_mount_is_listened_to_by_all_without_a_watch()
    {
        using var mount = new Mount(wanted: true);
        mount.BecomeSolo();
        Assert.True(SpinWait.SpinUntil(() => !mount.Turn.IsSolo, s_limit));
        _ = mount.AskOneByOne(10);
    }

    [Fact]
    public void Not_wanted_or_forbidden_it_never_begins()
    {
        using var unwanted = new Mount(wanted: false);
        using var forbidden = new Mount(wanted: true);
        forbidden.Turn.Forbid();
        foreach (Mount mount in new[] { unwanted, forbidden })
        {
            _ = mount.AskOneByOne(1000);
            Assert.False(mount.Turn.IsSolo);
            Assert.Equal(0, mount.Turn.Requests);
        }
    }

    [Fact]
    public void Every_request_is_served_once_whatever_callers_do()
    {
        using var mount = new Mount(wanted: true);
        var random = new Random(7);
        long until = Environment.TickCount64 + 1500;
        while (Environment.TickCount64 < until)
        {
            switch (random.Next(4))
            {
                case 0:
                    _ = mount.AskOneByOne(random.Next(200));
                    break;
                case 1:
                    mount.AskTogether(random.Next(60));
                    break;
                case 2:
                    mount.AskTogether(random.Next(4), () => Thread.Sleep(2));
                    break;
                default:
                    Thread.Sleep(random.Next(4));
                    break;
            }
        }

        Assert.Equal(mount.Asked, mount.Served);
    }

    /// <summary>Threads that serve requests of one queue, as those of a session do.</summary>
    private sealed class Mount : IDisposable
    {
        private readonly BlockingCollection<(Action Work, TaskCompletionSource<int> Reply)> _queue = [];
        private readonly Thread[] _threads;
        private int _served;

        public Mount(bool wanted)
        {
            Turn = new SoloTurn(wanted);
            _threads = [.. Enumerable.Range(0, Threads).Select(slot => new Thread(() => Serve(slot)))];
            Array.ForEach(_threads, thread => thread.Start());
        }

        public SoloTurn Turn { get; }

        public int Asked { get; private set; }

        public int Served => Volatile.Read(ref _served);

        public Task<int> Ask(Action work)
        {
            var reply = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
            Asked++;
            _queue.Add((work, reply));
            return reply.Task;
        }

        public int[] AskOneByOne(int count) => [.. Enumerable.Range(0, count).Select(_ => Answer(Ask(() => { })))];

        public void AskTogether(int count, Action? work = null)
        {
            Task<int>[] replies = [.. Enumerable.Range(0, count).Select(_ => Ask(work ?? (() => { })))];
            Array.ForEach(replies, reply => Answer(reply));
        }

        /// <summary>Asks one by one until one thread does everything. Other load may get in between: patiently.</summary>
        public void BecomeSolo()
        {
            long until = Environment.TickCount64 + (long)s_limit.TotalMilliseconds;
            while (!Turn.IsSolo)
            {
                Assert.True(Environment.TickCount64 < until, "a single caller is never served by one thread");
                _ = AskOneByOne(SoloTurn.SolitaryRequests + Threads);
            }
        }

        public void Dispose()
        {
            _queue.CompleteAdding();
            Assert.All(_threads, thread => Assert.True(thread.Join(s_limit), "a thread does not learn of the end"));
            _queue.Dispose();
        }

        public static int Answer(Task<int> reply)
        {
            Assert.True(reply.Wait(s_limit), "a request is not served");
            return reply.Result;
        }

        private void Serve(int slot)
        {
            using var channel = new Channel(_queue);
            int term = 0;
            while (Turn.Receive(channel, new byte[8], Threads - 1, ref term) > 0)
            {
                channel.Last.Work();
                Interlocked.Increment(ref _served);
                channel.Last.Reply.SetResult(slot);
            }

            Turn.End();
        }
    }

    private sealed class Channel(BlockingCollection<(Action Work, TaskCompletionSource<int> Reply)> queue) : IRequestChannel
    {
        public (Action Work, TaskCompletionSource<int> Reply) Last { get; private set; }

        public int Receive(Span<byte> buffer) => Take(Timeout.Infinite);

        public int TryReceive(Span<byte> buffer) => Take(0);

        public int Send(ReadOnlySpan<byte> reply) => 0;

        public void Dispose()
        {
        }

        private int Take(int wait)
        {
            if (queue.TryTake(out (Action, TaskCompletionSource<int>) request, wait))
            {
                Last = request;
                return 1;
            }

            return queue.IsCompleted ? Gone : -11;
        }
    }
}
