using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting.Tests;

public sealed class PersonalityTests
{
    public static TheoryData<string> Weak => [.. PersonalityTable.All.Where(item => !item.FailsSyncs && item.Name != PersonalityTable.Own).Select(item => item.Name)];

    private static ProgramFixture Replace(bool sync, bool syncDirectory)
    {
        var program = new ProgramFixture();
        program.Create("config", "old");
        program.Settle();
        program.Create("config.new", "NEW", sync);
        program.Rename("config.new", "config");
        if (syncDirectory)
        {
            program.SyncDirectory();
        }

        return program;
    }

    [Theory]
    [MemberData(nameof(Weak))]
    public void A_file_replaced_with_fsync_is_old_or_new_everywhere(string personality)
    {
        HashSet<string> states = Replace(sync: true, syncDirectory: false).States(personality);
        string[] wrong = [.. states.Where(state => !state.Contains("config=old", StringComparison.Ordinal) && !state.Contains("config=NEW", StringComparison.Ordinal))];
        if (personality == "alice-default")
        {
            Assert.NotEmpty(wrong);
        }
        else
        {
            Assert.Empty(wrong);
        }

        Assert.Contains("config=NEW", states);
    }

    [Theory]
    [InlineData("ext4-noauto-da-alloc", "config=", true)]
    [InlineData("posix-minimal", "config=", true)]
    [InlineData("posix-minimal", "config=...", true)]
    [InlineData("ext4-ordered", "config=", false)]
    [InlineData("ext4-ordered", "config=...", false)]
    [InlineData("ext4-noauto-da-alloc", "config=...", false)]
    [InlineData("lose-dir-ops", "config=", false)]
    public void A_file_replaced_without_fsync_may_be_empty_where_nothing_orders_bytes_before_names(string personality, string state, bool possible) =>
        Assert.Equal(possible, Replace(sync: false, syncDirectory: false).States(personality).Contains(state));

    [Theory]
    [InlineData("ext4-ordered", false)]
    [InlineData("ext4-noauto-da-alloc", false)]
    [InlineData("posix-minimal", true)]
    [InlineData("lose-dir-ops", true)]
    public void The_name_of_a_synchronised_new_file_may_be_lost_where_fsync_does_not_cover_it(string personality, bool possible)
    {
        var program = new ProgramFixture();
        program.Create("a", "data", sync: true);
        program.Print("done\n");
        var cases = new RequestCases(program.Recording(), program.Start, personality, ExploreProfile.Bounded, 1, 1000);
        bool lost = cases.Cases(0, 1, CancellationToken.None).Any(state => state.OutputLength > 0 && ProgramFixture.Show(state.Tree!).Length == 0);
        Assert.Equal(possible, lost);
    }

    [Theory]
    [MemberData(nameof(Weak))]
    public void What_file_and_directory_synchronisation_acknowledged_is_never_lost(string personality)
    {
        ProgramFixture program = Replace(sync: true, syncDirectory: true);
        program.Print("done\n");
        program.Create("later", "x");
        var cases = new RequestCases(program.Recording(), program.Start, personality, ExploreProfile.Exhaustive, 1, 100_000);
        Assert.All(
            cases.Cases(0, 1, CancellationToken.None).Where(state => state.OutputLength > 0),
            state => Assert.StartsWith("config=NEW", ProgramFixture.Show(state.Tree!), StringComparison.Ordinal));
    }

    [Fact]
    public void Names_persist_in_order_on_ext4_and_in_any_order_on_posix()
    {
        var program = new ProgramFixture();
        program.Create("a", "");
        program.Create("b", "");
        Assert.DoesNotContain("b=", program.States("ext4-ordered"));
        Assert.Contains("b=", program.States("posix-minimal"));
        Assert.DoesNotContain("b=", program.States("lose-dir-ops"));
    }

    [Fact]
    public void On_ext4_a_size_never_shows_without_its_bytes_in_new_blocks_but_bytes_in_old_blocks_have_no_order()
    {
        var appended = new ProgramFixture();
        appended.Create("log", "");
        appended.Settle();
        appended.Write("log", 0, "record");
        Assert.Equal(["log=", "log=record"], appended.States("ext4-ordered", ExploreProfile.Prefix).Order(StringComparer.Ordinal));

        var overwritten = new ProgramFixture();
        overwritten.Create("x", "11");
        overwritten.Create("y", "22");
        overwritten.Settle();
        overwritten.Write("x", 0, "AA");
        overwritten.Write("y", 0, "BB");
        Assert.Contains("x=11 y=BB", overwritten.States("ext4-ordered"));
    }

    [Fact]
    public void Replacing_by_truncation_is_ordered_by_the_close_only_with_auto_da_alloc()
    {
        var program = new ProgramFixture();
        program.Create("config", "old");
        program.Settle();
        program.Write("config", 0, "NEW", truncate: true);
        program.Create("marker", "");
        Assert.DoesNotContain("config= marker=", program.States("ext4-ordered"));
        Assert.Contains("config= marker=", program.States("ext4-noauto-da-alloc"));
    }

    [Theory]
    [InlineData("fsync-eio-ext4", "log=....", "log=....more")]
    [InlineData("fsync-eio-xfs", "log=", "")]
    [InlineData("fsync-eio-btrfs", "log=", "")]
    public void After_a_failed_fsync_the_next_one_succeeds_and_the_bytes_are_lost(string personality, string after, string unused)
    {
        var program = new ProgramFixture(new NthSyncFails(1));
        program.Create("log", "");
        program.Settle();
        program.Write("log", 0, "data");
        Assert.Equal(Errno.EIO, program.Sync("log"));
        Assert.Equal(Errno.OK, program.Sync("log"));
        program.Print("acknowledged\n");
        var cases = new RequestCases(program.Recording(), program.Start, personality, ExploreProfile.Exhaustive, 1, 1000);
        string[] shown = [.. cases.Cases(0, 1, CancellationToken.None).Where(state => state.OutputLength > 0).Select(state => ProgramFixture.Show(state.Tree!)).Distinct()];
        Assert.Equal([after], shown);
        Assert.DoesNotContain(unused.Length == 0 ? "log=data" : unused, shown);
    }

    [Fact]
    public void A_page_that_is_written_again_takes_along_what_a_failed_fsync_had_lost_but_not_on_btrfs()
    {
        foreach ((string personality, string expected) in new[] { ("fsync-eio-ext4", "log=datamore"), ("fsync-eio-btrfs", "log=....more") })
        {
            var program = new ProgramFixture(new NthSyncFails(1));
            program.Create("log", "");
            program.Settle();
            program.Write("log", 0, "data");
            Assert.Equal(Errno.EIO, program.Sync("log"));
            program.Write("log", 4, "more");
            Assert.Equal(Errno.OK, program.Sync("log"));
            program.Print("acknowledged\n");
            var cases = new RequestCases(program.Recording(), program.Start, personality, ExploreProfile.Exhaustive, 1, 1000);
            Assert.All(cases.Cases(0, 1, CancellationToken.None).Where(state => state.OutputLength > 0), state => Assert.Equal(expected, ProgramFixture.Show(state.Tree!)));
        }
    }

    [Theory]
    [MemberData(nameof(Weak))]
    public void Every_state_has_a_name_that_leads_back_to_it(string personality)
    {
        var program = new ProgramFixture();
        program.Create("a", new string('x', 9000));
        program.Create("b", "y", sync: true);
        program.Rename("a", "c");
        program.Write("b", 1, new string('z', 600));
        var cases = new RequestCases(program.Recording(), program.Start, personality, ExploreProfile.Bounded, 3, 100_000);
        CrashCase[] all = [.. cases.Cases(0, 1, CancellationToken.None)];
        Assert.True(all.Length > 20, $"only {all.Length} states");
        Assert.All(all, state => Assert.Equal(state.Hash, cases.Find(state.Id).Hash));
        Assert.Equal(all.Select(state => state.Id), cases.Cases(0, 1, CancellationToken.None).Select(state => state.Id));
    }

    [Fact]
    public void What_was_answered_while_a_synchronisation_ran_is_not_covered_by_it()
    {
        foreach (string personality in Weak)
        {
            PersistenceModel model = PersonalityTable.Create(personality);
            model.Begin(new ProgramFixture().Start);
            model.Take(new RecordedRequest { Number = 1, Kind = RequestKind.Create, Inode = 2, Parent = 1, Name = "a", Mode = 0x81A4 });
            model.Take(new RecordedRequest { Number = 2, Kind = RequestKind.Create, Inode = 3, Parent = 1, Name = "b", Mode = 0x81A4 });
            model.Take(new RecordedRequest { Number = 3, Kind = RequestKind.SyncDirectory, Inode = 1, Offset = 1 });
            Assert.Equal("a=", ProgramFixture.Show(model.Durable));
        }
    }

    [Fact]
    public void A_failing_state_is_shrunk_to_the_missing_piece_and_named()
    {
        ProgramFixture program = Replace(sync: false, syncDirectory: false);
        program.Create("noise1", "n");
        program.Create("noise2", "n");
        ProgramRecording recording = program.Recording();
        var cases = new RequestCases(recording, program.Start, "posix-minimal", ExploreProfile.Bounded, 1, 100_000);
        ExploreResult result = new Exploration(recording, cases, new ConfigIsWhole()) { Jobs = 2, MostStates = 5000 }.Run("posix-minimal", CancellationToken.None);
        FailureGroup group = Assert.Single(result.Groups);
        Assert.True(result.Failed > 10);
        string lost = Assert.Single(group.Lost);
        Assert.StartsWith("request 2: write /config.new 3 bytes at 0", lost, StringComparison.Ordinal);
        Assert.True(result.Distinct <= result.Built);
    }

    private sealed class ConfigIsWhole : ICaseJudge
    {
        public Verdict Judge(CrashCase state)
        {
            string shown = ProgramFixture.Show(state.Tree!);
            bool good = shown.Contains("config=old", StringComparison.Ordinal) || shown.Contains("config=NEW", StringComparison.Ordinal);
            return new Verdict(good, good ? 0 : 1, good ? "" : "config is neither old nor new\n");
        }
    }
}
