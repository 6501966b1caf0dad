namespace IntegrityFs.CrashTesting.Tests;

/// <summary>What a campaign promises of itself: the same again for the same seed, nothing lost by pruning, everything in
/// the list.</summary>
public sealed class PlanTests
{
    private static readonly Workload[] s_small =
    [
        Workload.Parse("replace", "creat foo; write foo 0 9000 1; sync; begin; creat tmp; write tmp 0 9000 2; fsync tmp; rename tmp foo; sync"),
        Workload.Parse("cut", "creat foo; write foo 0 16384 1; sync; begin; truncate foo 2500; fdatasync foo; append foo 5000 2; checkpoint; unlink foo; sync"),
    ];

    private static CampaignResult Run(int jobs, int items)
    {
        ICrashSubject[] subjects = [new IntegrityFsSubject(new SubjectOptions()), new IntegrityFsSubject(new SubjectOptions { DataMode = Volume.DataMode.Auto })];
        var plan = new CampaignPlan(7, CrashProfile.Quick, subjects.Length);
        return new CrashCampaign(subjects, new CampaignOptions { Seed = 7, Jobs = jobs, Profile = CrashProfile.Quick })
            .Run(plan.From(plan.AlwaysCount - 8).Take(items));
    }

    [Fact]
    public void The_same_seed_runs_the_same_with_any_number_of_threads()
    {
        CampaignResult one = Run(1, 20);
        CampaignResult two = Run(3, 20);
        Assert.Equal(one.Workloads, two.Workloads);
        Assert.Equal(one.Violations, two.Violations);
        Assert.Equal(one.Coverage, two.Coverage);
        Assert.True(one.Violations.Count == 0, string.Join('\n', one.Violations));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Pruning_finds_the_same_trees_as_mounting_every_state(int mode)
    {
        var subject = new IntegrityFsSubject(new SubjectOptions { DataMode = (Volume.DataMode)mode });
        PageImage formatted = new CrashCampaign(subject, new CampaignOptions()).Formatted;
        long pruned = 0;
        foreach (Workload workload in s_small)
        {
            var found = new List<IReadOnlySet<ulong>>();
            foreach (bool prune in new[] { false, true })
            {
                Recording recording = LockstepRun.Record(subject, formatted, workload, new RecordOptions());
                var explorer = new CrashExplorer(subject, CrashProfile.Quick with { Prune = prune, RecoveryDepth = 1, MaxStatesPerPoint = 300 }, 3);
                explorer.Explore(recording, violation => Assert.Fail(violation.ToString()), 1, CancellationToken.None);
                found.Add(explorer.TreeHashes);
                pruned += explorer.Counts.Pruned;
            }

            Assert.True(found[0].SetEquals(found[1]), workload.Id);
            Assert.True(found[0].Count > 2, workload.Id);
        }

        Assert.True(pruned > 0);
    }

    [Fact]
    public void A_plan_begins_with_every_pattern_and_every_single_operation_in_each_mode()
    {
        var plan = new CampaignPlan(1, CrashProfile.Quick, 2);
        var always = plan.From(0).Take((int)plan.AlwaysCount).Select(item => (item.Subject, item.Workload.Id)).ToHashSet();
        Assert.Equal(plan.AlwaysCount, always.Count);
        Assert.All(PatternTable.All.Concat(ProgramTraces.All), workload => Assert.True(always.Contains((0, workload.Id)) && always.Contains((1, workload.Id)), workload.Id));
        var later = plan.From(plan.AlwaysCount).Take(4000).Where(item => item.Workload.Id.StartsWith("seq2", StringComparison.Ordinal)).ToList();
        Assert.Equal(3000, later.Count);
        Assert.Equal(3000, later.Select(item => (item.Subject, item.Workload.Id)).Distinct().Count());
        Assert.Equal(plan[12345].Workload.ToString(), new CampaignPlan(1, CrashProfile.Quick, 2)[12345].Workload.ToString());
    }

    [Fact]
    public void Six_programs_were_recorded() =>
        Assert.Equal(["trace-git", "trace-policy", "trace-rsync", "trace-sqlite-wal", "trace-sqlite", "trace-tar"], ProgramTraces.All.Select(trace => trace.Id));

    [Fact]
    public void A_log_of_strace_becomes_a_workload()
    {
        string[] log =
        [
            "7 openat(AT_FDCWD</d>, \"f\", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 3</d/f>",
            "7 write(3</d/f>, \"\"..., 100) = 100",
            "7 write(3</d/f>, \"\"..., 50 <unfinished ...>",
            "8 fsync(4</elsewhere>) = 0",
            "7 <... write resumed>) = 50",
            "7 pwrite64(3</d/f>, \"\"..., 10, 4096) = 10",
            "7 fdatasync(3</d/f>) = 0",
            "7 rename(\"/d/f\", \"/d/a b\") = 0",
            "7 unlink(\"/d/missing\") = -1 ENOENT (No such file or directory)",
            "7 fsync(5</d>) = 0",
        ];
        Assert.Equal(
            "creat f; write f 0 100 1; write f 100 50 2; write f 4096 10 3; fdatasync f; rename f a%20b; fsync .",
            StraceReader.Read("log", log, "/d").ToString());
    }

    [Fact]
    public void Garbage_states_have_a_text_form_too()
    {
        var trace = new Trace();
        trace.Write(0, new byte[4096]);
        trace.Write(8192, new byte[1024]);
        List<CrashPoint> points = CrashPoint.Of(trace.Events);
        var state = new CrashState(0, [0x0f, 0], [0x30, 2]);
        CrashState again = CrashState.Parse(state.Describe(points[0]), points);
        Assert.Equal(state.Masks, again.Masks);
        Assert.Equal(state.Garbage, again.Garbage);
    }
}
