// Promise: the n-th item of a plan is the same for ever, for the same seed. First what every run must do: every pattern and
// every sequence of one operation, in every data mode. Then, without end: sequences of two, each once in each mode, in an
// order that spreads over all of them; and between them traces, samples of sequences of three, and random runs.
namespace IntegrityFs.CrashTesting;

/// <summary>The order in which a campaign goes through its workloads.</summary>
public sealed class CampaignPlan
{
    private const int Cycle = 8;
    private const ulong Stride = 0x9E3779B97F4A7C15;

    private readonly ulong _seed;
    private readonly CrashProfile _profile;
    private readonly int _subjects;
    private readonly SequenceWorkloads _one = new(1);
    private readonly SequenceWorkloads _two = new(2);
    private readonly SequenceWorkloads _three = new(3);
    private readonly ulong _step;

    /// <summary>A plan.</summary>
    /// <param name="seed">Decides the order and all samples.</param>
    /// <param name="profile">How states are enumerated.</param>
    /// <param name="subjects">How many subjects (data modes) there are.</param>
    public CampaignPlan(ulong seed, CrashProfile profile, int subjects)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(subjects, 1);
        _seed = seed;
        _profile = profile;
        _subjects = subjects;
        ulong count = (ulong)_two.Count;
        _step = Stride % count;
        while (GreatestCommonDivisor(_step, count) != 1)
        {
            _step++;
        }
    }

    /// <summary>How many items every run does, whatever its budget.</summary>
    public long AlwaysCount => _subjects * (PatternTable.All.Count + ProgramTraces.All.Count + _one.Count);

    /// <summary>After so many items every sequence of two operations was explored in every mode.</summary>
    public long AllPairsCount => AlwaysCount + (_two.Count * _subjects * Cycle / (Cycle - 2));

    /// <summary>The n-th item.</summary>
    public CampaignItem this[long number]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(number);
            int subject = (int)(number % _subjects);
            long index = number / _subjects;
            if (index < PatternTable.All.Count)
            {
                return new CampaignItem(subject, PatternTable.All[(int)index], _profile);
            }

            index -= PatternTable.All.Count;
            if (index < ProgramTraces.All.Count)
            {
                return new CampaignItem(subject, ProgramTraces.All[(int)index], CrashProfile.Quick with { MaxStatesPerPoint = 24 });
            }

            index -= ProgramTraces.All.Count;
            return index < _one.Count
                ? new CampaignItem(subject, _one[index], _profile)
                : new CampaignItem(subject, Endless(index - _one.Count), Profile(index - _one.Count));
        }
    }

    /// <summary>Items from <paramref name="first"/> on, without end.</summary>
    public IEnumerable<CampaignItem> From(long first)
    {
        for (long number = first; ; number++)
        {
            yield return this[number];
        }
    }

    private CrashProfile Profile(long index) => index % Cycle == Cycle - 1 ? CrashProfile.Quick with { MaxStatesPerPoint = 24, RecoveryDepth = 3 } : _profile;

    private Workload Endless(long index)
    {
        long round = Math.DivRem(index, Cycle, out long place);
        var random = new SeededRandom(_seed + ((ulong)index * Stride));
        if (place == Cycle - 1)
        {
            return RandomWorkloads.Create(random.Next() % 1_000_000_000, 120);
        }

        long pair = (round * (Cycle - 2)) + place;
        if (place == Cycle - 2 || pair >= _two.Count)
        {
            return _three[(long)random.Below((ulong)_three.Count)];
        }

        ulong number = (ulong)(((UInt128)(ulong)pair * _step + _seed) % (ulong)_two.Count);
        return _two[(long)number];
    }

    private static ulong GreatestCommonDivisor(ulong a, ulong b)
    {
        while (b != 0)
        {
            (a, b) = (b, a % b);
        }

        return a;
    }
}
