namespace IntegrityFs.Volume.Tests;

/// <summary>Few at a time, and in order.</summary>
public class TurnstileTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    [Fact]
    public void Who_came_first_goes_first_and_never_more_than_there_are_permits()
    {
        var turnstile = new Turnstile(2, s_limit);
        turnstile.Enter();
        turnstile.Enter();
        var order = new List<int>();
        var threads = new List<Thread>();
        for (int i = 0; i < 6; i++)
        {
            int number = i;
            var thread = new Thread(() =>
            {
                turnstile.Enter();
                lock (order)
                {
                    order.Add(number);
                }
            });
            thread.Start();
            threads.Add(thread);
            Assert.True(SpinWait.SpinUntil(() => thread.ThreadState == ThreadState.WaitSleepJoin, s_limit));
        }

        for (int left = 1; left <= 6; left++)
        {
            turnstile.Leave();
            Assert.True(threads[left - 1].Join(s_limit));
            Thread.Sleep(5);
            Assert.Equal(Enumerable.Range(0, left), order);
        }
    }

    [Fact]
    public void Nobody_waits_for_ever_for_those_inside()
    {
        var turnstile = new Turnstile(1, TimeSpan.FromMilliseconds(5));
        turnstile.Enter();
        turnstile.Enter();
        turnstile.Enter();
        turnstile.Leave();
        turnstile.Leave();
        turnstile.Leave();
        turnstile.Enter();
    }

    [Fact]
    public void Everybody_gets_through()
    {
        var turnstile = new Turnstile(3, s_limit);
        int inside = 0;
        int most = 0;
        Thread[] threads = [.. Enumerable.Range(0, 12).Select(_ => new Thread(() =>
        {
            for (int i = 0; i < 500; i++)
            {
                turnstile.Enter();
                int now = Interlocked.Increment(ref inside);
                int seen = Volatile.Read(ref most);
                while (now > seen)
                {
                    seen = Interlocked.CompareExchange(ref most, now, seen);
                }

                Thread.Yield();
                Interlocked.Decrement(ref inside);
                turnstile.Leave();
            }
        }))];
        Array.ForEach(threads, t => t.Start());
        Assert.All(threads, t => Assert.True(t.Join(s_limit)));
        Assert.InRange(most, 1, 3);
    }
}
