namespace IntegrityFs.CrashTesting.Tests;

public sealed class WorkloadTests
{
    [Theory]
    [InlineData("creat A/foo; write A/foo 0 4096 7; fsync A/foo; rename A/foo foo exchange")]
    [InlineData("mkdir A 755; mknod A/p fifo; mknod A/c char 259; symlink ../x/y A/l; begin; link A/p q; sync")]
    [InlineData("creat foo 644; setxattr foo user.a 100 3; rmxattr foo user.a; chmod foo 600; chown foo 1 2; utime foo 5 6")]
    [InlineData("creath h foo; writeh h 5 9 1; fsynch h; falloch h 0 8192 keep; truncateh h 3; linkh h bar; close h; fsync .")]
    [InlineData("falloc foo 4096 8192 punch; copy foo 0 bar 100 200; append foo 10 3; checkpoint; remount")]
    public void A_workload_survives_its_text_form(string text)
    {
        Workload workload = Workload.Parse("w", text);
        Assert.Equal(text, workload.ToString());
        Workload again = Workload.Parse("w", workload.ToString());
        Assert.Equal(workload.Operations, again.Operations);
        Assert.Equal(workload.Setup, again.Setup);
    }

    [Theory]
    [InlineData("creat")]
    [InlineData("frobnicate foo")]
    [InlineData("unlink a b c")]
    [InlineData("write foo x y z")]
    public void Nonsense_is_refused(string text) => Assert.Throws<FormatException>(() => Workload.Parse("w", text));

    [Fact]
    public void Repetition_counts_up()
    {
        Workload workload = Workload.Parse("w", "creat foo; for 3 : link foo l%");
        Assert.Equal("creat foo; link foo l0; link foo l1; link foo l2", workload.ToString());
    }

    [Fact]
    public void Content_is_a_function_of_seed_and_position()
    {
        byte[] whole = ContentPattern.Create(5, 0, 10000);
        Assert.Equal(whole[1234..5678], ContentPattern.Create(5, 1234, 4444));
        Assert.DoesNotContain((byte)0, whole);
        Assert.NotEqual(whole, ContentPattern.Create(6, 0, 10000));
    }

    [Fact]
    public void Every_pattern_has_an_id_of_its_own_and_a_text_form()
    {
        Assert.Equal(PatternTable.All.Count, PatternTable.All.Select(workload => workload.Id).Distinct().Count());
        Assert.All(PatternTable.All, workload => Assert.Equal(workload.Operations, Workload.Parse("w", workload.ToString()).Operations));
        for (int number = 1; number <= 75; number++)
        {
            Assert.Contains(PatternTable.All, workload => workload.Id[1..].StartsWith($"{number:00}", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Sequences_are_numbered()
    {
        var sequences = new SequenceWorkloads(2);
        Assert.True(sequences.Count > 200_000);
        Assert.Equal(sequences[12345].ToString(), sequences[12345].ToString());
        Assert.Equal(100, sequences.Sample(100, 3).Count());
        Assert.Equal(new SequenceWorkloads(1).Count, new SequenceWorkloads(1).Sample(int.MaxValue, 1).Select(workload => workload.Id).Distinct().Count());
    }

    [Fact]
    public void Random_runs_do_something_and_the_model_takes_them()
    {
        for (ulong seed = 1; seed < 20; seed++)
        {
            Workload workload = RandomWorkloads.Create(seed, 400);
            Assert.Equal(workload.ToString(), RandomWorkloads.Create(seed, 400).ToString());
            var model = new ModelFileSystem(new ManualClock());
            var executor = new OperationExecutor(model);
            int done = workload.Setup.Concat(workload.Operations).Count(operation => executor.Execute(operation).Error == Format.Errno.OK);
            Assert.True(done > 100, $"seed {seed}: only {done} of 400 operations succeeded");
            TreeSnapshot tree = TreeSnapshot.Take(model);
            Assert.True(tree.Problems.Count == 0, $"seed {seed}: {string.Join(", ", tree.Problems)}");
            AssertLinkCounts(tree, seed);
        }
    }

    /// <summary>The model's own invariant: link counts are the numbers of names.</summary>
    private static void AssertLinkCounts(TreeSnapshot tree, ulong seed)
    {
        foreach (IGrouping<ulong, SnapshotEntry> names in tree.Entries.GroupBy(entry => entry.Attributes.Inode.Value))
        {
            SnapshotEntry first = names.First();
            bool isDirectory = (first.Attributes.Mode & 0xF000) == FileTypes.Directory;
            string prefix = first.Path == "/" ? "/" : first.Path + "/";
            int expected = isDirectory
                ? 2 + tree.Entries.Count(entry => entry.Path != "/" && entry.Path.StartsWith(prefix, StringComparison.Ordinal)
                    && !entry.Path[prefix.Length..].Contains('/') && (entry.Attributes.Mode & 0xF000) == FileTypes.Directory)
                : names.Count();
            Assert.True(first.Attributes.Links == expected, $"seed {seed}: {first.Path} has {first.Attributes.Links} links, {expected} names");
        }
    }
}
