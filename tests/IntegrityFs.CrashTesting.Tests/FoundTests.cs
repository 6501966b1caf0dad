namespace IntegrityFs.CrashTesting.Tests;

/// <summary>What campaigns found in the filesystem, kept with the line that showed it.</summary>
public sealed class FoundTests
{
    private static IReadOnlyList<Violation> Reproduce(string workload, string state, Volume.DataMode mode) =>
        new CrashCampaign(new IntegrityFsSubject(new SubjectOptions { DataMode = mode }), new CampaignOptions()).Reproduce(Workload.Parse("found", workload), state);

    /// <summary>Recovery brought home a transaction of which only the copy of the descriptor was whole, over blocks that the
    /// acknowledged transaction before had written in place, and was interrupted; the next recovery took those blocks for
    /// torn and dropped the acknowledged transaction.</summary>
    [Theory]
    [InlineData("creat foo; write foo 0 12000 1; sync; truncate foo 3000", "p2:all-0[0.1.2.3.4.5]/p0:none/p0:all")]
    [InlineData("creat foo; write foo 0 12000 1; sync; truncate foo 3000", "p2:all-0[0.1.2.3.4.5]/p0:all")]
    [InlineData("creat foo; write foo 0 16384 1; sync; falloc foo 4000 3000 punch", "p2:all-0[0.1.2.3.4.5]/p0:none/p0:all")]
    public void A_transaction_of_which_the_copy_proves_it_keeps_the_one_before(string workload, string state)
    {
        IReadOnlyList<Violation> violations = Reproduce(workload, state, Volume.DataMode.Auto);
        Assert.True(violations.Count == 0, string.Join('\n', violations));
    }
}
