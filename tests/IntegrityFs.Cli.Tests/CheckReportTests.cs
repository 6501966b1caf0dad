using System.Text.Json;
using IntegrityFs.Cli.Checking;
using IntegrityFs.Cli.Daemon;
using IntegrityFs.Cli.Logging;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse;
using IntegrityFs.Volume;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Cli.Tests;

public sealed class CheckReportTests
{
    private static CheckReport Report(params Problem[] problems)
    {
        var report = new CheckReport { Device = "/img", ReadOnly = true };
        foreach (Problem problem in problems)
        {
            report.Add(problem);
        }

        return report;
    }

    [Fact]
    public void The_exit_code_says_what_was_corrected_and_what_is_left()
    {
        var left = new Problem(ProblemCode.DataBlockBad, "x");
        Problem repaired = left with { Repaired = true };
        Assert.Equal(0, Report().ExitCode);
        Assert.Equal(4, Report(left).ExitCode);
        Assert.Equal(1, Report(repaired).ExitCode);
        Assert.Equal(5, Report(repaired, left).ExitCode);
    }

    [Fact]
    public void A_volume_that_cannot_be_opened_was_not_checked_either()
    {
        CheckReport report = Report(new Problem(ProblemCode.VolumeUnusable, "x"));
        Assert.Equal((12, true), (report.ExitCode, report.Unusable));
        Assert.EndsWith("1 problems, 0 repaired, 1 left; the volume cannot be opened", report.Summary(), StringComparison.Ordinal);
        Assert.Equal(4, Report(new Problem(ProblemCode.JournalGap, "x")).ExitCode);
    }

    [Fact]
    public void The_report_names_file_and_bytes_in_json()
    {
        var problem = new Problem(ProblemCode.DataBlockBad, "bad", Block: 7, Inode: 3, Path: "/a \"b\"", Offset: 4096, Length: 100);
        using JsonDocument json = JsonDocument.Parse(Report(problem).Json());
        JsonElement found = json.RootElement.GetProperty("problems")[0];
        Assert.Equal(701, found.GetProperty("id").GetInt32());
        Assert.Equal("data-block-bad", found.GetProperty("name").GetString());
        Assert.Equal("integrity", found.GetProperty("kind").GetString());
        Assert.Equal("/a \"b\"", found.GetProperty("path").GetString());
        Assert.Equal(4096, found.GetProperty("offset").GetInt64());
        Assert.Equal(100, found.GetProperty("length").GetInt64());
        Assert.Equal(7, found.GetProperty("block").GetInt64());
        Assert.False(found.GetProperty("repaired").GetBoolean());
        Assert.Equal(4, json.RootElement.GetProperty("exitCode").GetInt32());
    }

    [Fact]
    public void The_status_of_a_mount_is_json_with_counters_mode_and_freshness()
    {
        var errors = new RecentErrors(TimeProvider.System);
        errors.Write(new LogLine(LogLevel.Error, "x", "block 7 is bad", null));
        errors.Write(new LogLine(LogLevel.Information, "x", "not an error", null));
        var connection = new FuseConnection("fuseblk", 45, 1 << 20, 4, true, true, true, true);
        using JsonDocument json = JsonDocument.Parse(MountStatus.Describe(
            MountRequest.Parse(["/img", "/mnt", "-o", "errors=remount-ro"]), Status(), new RecoveryReport { WasInUse = true, Transactions = 3 }, connection, default, errors, readOnly: true, [new("lookup", 5)]));
        JsonElement root = json.RootElement;
        Assert.Equal("not anchored", root.GetProperty("freshness").GetString());
        Assert.True(root.GetProperty("readOnly").GetBoolean());
        Assert.Equal(5, root.GetProperty("requests").GetProperty("lookup").GetInt64());
        Assert.Equal("fuseblk", root.GetProperty("mode").GetString());
        Assert.True(root.GetProperty("syncfsDelivered").GetBoolean());
        Assert.Equal("remount-ro", root.GetProperty("errorPolicy").GetString());
        Assert.Equal(12, root.GetProperty("sinceMount").GetProperty("commits").GetInt64());
        Assert.Equal(3, root.GetProperty("recovery").GetProperty("transactions").GetInt32());
        Assert.EndsWith("block 7 is bad", Assert.Single(root.GetProperty("lastErrors").EnumerateArray()).GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("flags\t\t: fpu sse sha_ni avx\n", "SHA-256 instructions")]
    [InlineData("Features\t: fp asimd sha1 sha2 crc32\n", "SHA-256 instructions")]
    [InlineData("flags\t\t: fpu sse avx\n", "no SHA-256 instructions (a quarter to a tenth of the speed)")]
    [InlineData("nothing\n", "unknown")]
    public void The_hash_rate_class_comes_from_the_processor(string cpuInfo, string rateClass)
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, cpuInfo);
            Assert.Equal(rateClass, MountStatus.HashRateClass(file));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void Only_the_last_errors_are_remembered()
    {
        var errors = new RecentErrors(TimeProvider.System);
        for (int i = 0; i < 100; i++)
        {
            errors.Write(new LogLine(LogLevel.Warning, "x", $"line {i}", null));
        }

        Assert.Equal(16, errors.Snapshot().Length);
        Assert.Equal("line 99", errors.Snapshot()[^1].Message);
    }

    private static VolumeStatus Status() => new()
    {
        Uuid = Guid.NewGuid(),
        Label = "l",
        BlockSize = 4096,
        TotalBlocks = 100,
        FreeBlocks = 50,
        JournalBlocks = 32,
        JournalUsedBlocks = 2,
        ReadOnly = false,
        Fault = null,
        Generation = 1,
        Sequence = 2,
        MountCount = 3,
        RecoveryCount = 4,
        MismatchCount = 5,
        BlocksVerified = 10,
        Mismatches = 11,
        Commits = 12,
        Checkpoints = 13,
        TagNodeRepairs = 14,
        DirtyBlocks = 15,
        CachedBlocks = 16,
        DataMode = DataMode.Journal,
    };
}
