using IntegrityFs.Fuse.Serving;

namespace IntegrityFs.Fuse.Tests;

/// <summary>Who serves small reads is decided by time.</summary>
public class ReadTrialTests
{
    private long _now;

    [Fact]
    public void It_begins_after_small_reads_and_nothing_else()
    {
        ReadTrial trial = New();
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(0, Serve(trial, ReadTrial.Sample - 1, 10));
            Assert.False(trial.Served(smallRead: false));
        }

        Assert.Equal(1, Serve(trial, ReadTrial.Sample, 10));
    }

    [Fact]
    public void It_lasts_while_it_is_faster_and_is_begun_anew()
    {
        ReadTrial trial = New();
        Assert.Equal(1, Serve(trial, ReadTrial.Sample, 100));
        trial.Begin();
        Assert.InRange(Answer(trial, 10 * ReadTrial.LongestRun, 90), ReadTrial.LongestRun, ReadTrial.LongestRun + (2 * ReadTrial.Sample));
        trial.End();
        Assert.Equal(1, Serve(trial, ReadTrial.Sample, 100));
    }

    [Fact]
    public void What_proved_faster_may_be_a_little_slower_for_a_while()
    {
        ReadTrial trial = New();
        Assert.Equal(1, Serve(trial, ReadTrial.Sample, 100));
        trial.Begin();
        Assert.Equal(2 * ReadTrial.Sample, Answer(trial, 2 * ReadTrial.Sample, 90));
        Assert.Equal(4 * ReadTrial.Sample, Answer(trial, 4 * ReadTrial.Sample, 110));
        Assert.InRange(Answer(trial, 4 * ReadTrial.Sample, 120), 1, 2 * ReadTrial.Sample);
    }

    [Fact]
    public void Lost_it_waits_longer_each_time_until_it_is_won()
    {
        ReadTrial trial = New();
        int pause = ReadTrial.LeastPause;
        for (int i = 0; i < 14; i++)
        {
            Assert.Equal(1, Serve(trial, ReadTrial.Sample, 100));
            trial.Begin();
            Assert.InRange(Answer(trial, 10 * ReadTrial.Sample, 110), 1, 2 * ReadTrial.Sample);
            trial.End();
            Assert.Equal(0, Serve(trial, pause, 100));
            Assert.False(trial.Served(smallRead: false));
            pause = Math.Min(2 * pause, 4096 * ReadTrial.Sample);
        }

        Assert.Equal(4096 * ReadTrial.Sample, pause);
        Assert.Equal(1, Serve(trial, ReadTrial.Sample, 100));
        trial.Begin();
        Assert.Equal(2 * ReadTrial.Sample, Answer(trial, 2 * ReadTrial.Sample, 50));
        trial.End();
        Assert.Equal(1, Serve(trial, ReadTrial.LeastPause + ReadTrial.Sample, 100));
    }

    private ReadTrial New() => new(() => _now);

    /// <summary>Serves reads that take so long each; how many trials are to begin.</summary>
    private int Serve(ReadTrial trial, int reads, int time)
    {
        int begun = 0;
        for (int i = 0; i < reads; i++)
        {
            begun += trial.Served(smallRead: true) ? 1 : 0;
            _now += time;
        }

        return begun;
    }

    /// <summary>Answers reads that take so long each, one or two at a time; how many until the trial is to end.</summary>
    private int Answer(ReadTrial trial, int reads, int time)
    {
        int answered = 0;
        while (answered < reads)
        {
            int count = Math.Min(1 + (answered % 2), reads - answered);
            _now += time * count;
            answered += count;
            if (!trial.Answered(count))
            {
                break;
            }
        }

        return answered;
    }
}
