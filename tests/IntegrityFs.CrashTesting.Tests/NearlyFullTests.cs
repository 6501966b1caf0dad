using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.CrashTesting.Tests;

/// <summary>A volume so full that new content must take the blocks that were just freed, with a checkpoint in the middle of
/// each commit that writes in place.</summary>
public sealed class NearlyFullTests
{
    private static readonly CrashProfile s_profile = CrashProfile.Quick with { MaxStatesPerPoint = 40, RecoveryEvery = 8 };

    [Theory]
    [InlineData(MutantCampaign.ReuseWorkload, 0)]
    [InlineData(MutantCampaign.RevokeWorkload, 1)]
    public void Blocks_that_were_just_freed_are_used_again_without_harm(string text, int checkpoints)
    {
        List<Violation> violations = Explore(Mutation.None, text, out Recording recording, out LockstepRun run);
        Assert.Empty(recording.Findings);
        Assert.Empty(violations);
        Assert.All(recording.Results, result => Assert.Equal(Errno.OK, result.Error));
        Assert.Equal(checkpoints, run.CheckpointsInCommits);
    }

    [Theory]
    [InlineData(MutantCampaign.ReuseWorkload, nameof(Mutation.ReuseFreedEarly))]
    [InlineData(MutantCampaign.RevokeWorkload, nameof(Mutation.SkipRevoke))]
    public void Crash_states_alone_show_blocks_that_were_used_again_in_a_wrong_way(string text, string mutation)
    {
        List<Violation> violations = Explore(Enum.Parse<Mutation>(mutation), text, out _, out LockstepRun run);
        Assert.Equal(1, run.CheckpointsInCommits);
        Assert.NotEmpty(violations);
        Assert.All(violations, violation => Assert.NotEmpty(violation.State));
    }

    private static List<Violation> Explore(Mutation mutation, string text, out Recording recording, out LockstepRun run)
    {
        var subject = new IntegrityFsSubject(MutantCampaign.RoomyJournal with { Mutations = mutation });
        var formatted = new PageImage(subject.DeviceLength);
        subject.Format(new ImageDevice(formatted));
        recording = LockstepRun.Record(subject, formatted, Workload.Parse("nearly-full", text), MutantCampaign.NearlyFull, out run);
        var violations = new List<Violation>();
        new CrashExplorer(subject, s_profile, 1).Explore(recording, violations.Add, 1, CancellationToken.None);
        return violations;
    }
}
