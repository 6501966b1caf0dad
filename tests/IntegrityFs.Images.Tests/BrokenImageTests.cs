using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Images.Tests;

/// <summary>Every broken image: what the checker reports, that using it harms nobody, and that a repair leaves a volume
/// that is whole.</summary>
public sealed class BrokenImageTests
{
    private static readonly IReadOnlyDictionary<string, BrokenImage> s_images =
        BrokenTrees.All.Concat(BrokenItems.All).ToDictionary(image => image.Name);

    public static TheoryData<string> Names => [.. s_images.Keys];

    private static MemoryDevice Make(string name)
    {
        MemoryDevice device = SampleVolume.Copy();
        using var breaker = new Breaker(device);
        s_images[name].Break(breaker);
        breaker.Close();
        return device;
    }

    [Fact]
    public void The_sample_volume_is_whole()
    {
        MemoryDevice device = SampleVolume.Copy();
        List<Problem> problems = Inspection.Check(device, RepairLevel.None);
        Assert.True(problems.Count == 0, Inspection.Text(problems));
        Assert.Empty(Walk.Use(device)!.Errors);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_checker_reports_it_and_writes_nothing(string name)
    {
        MemoryDevice device = Make(name);
        byte[] before = device.Bytes.ToArray();
        List<Problem> problems = Inspection.Check(device, RepairLevel.None);
        foreach (ProblemCode expected in s_images[name].Expected)
        {
            Assert.True(problems.Exists(p => p.Code == expected && !p.Repaired), $"{name}: {expected} is not reported, but\n{Inspection.Text(problems)}");
        }

        Assert.True(device.Bytes.SequenceEqual(before), "a check without repair has written");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Using_it_gives_errors_at_most(string name)
    {
        Walk? walk = Walk.Use(Make(name));
        Assert.True(walk is null || walk.Errors.TrueForAll(e => IsExpected(e)), $"{name}:\n{(walk is null ? "" : string.Join('\n', walk.Errors.Where(e => !IsExpected(e)).Take(20)))}");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_repair_leaves_a_whole_volume(string name)
    {
        MemoryDevice device = Make(name);
        List<Problem> repairs = Inspection.Check(device, RepairLevel.All);
        Assert.True(repairs.TrueForAll(p => p.Repaired), $"{name}: the repair has left\n{Inspection.Text(repairs.Where(p => !p.Repaired))}");
        List<Problem> again = Inspection.Check(device, RepairLevel.All);
        Assert.True(again.Count == 0, $"{name}: a second repair finds\n{Inspection.Text(again)}\nafter\n{Inspection.Text(repairs)}");
        Walk? walk = Walk.Use(device);
        Assert.NotNull(walk);
        Assert.True(walk.Errors.TrueForAll(e => e.EndsWith(": ENOENT", StringComparison.Ordinal)), $"{name}: after the repair\n{string.Join('\n', walk.Errors.Take(20))}");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_careful_repair_makes_nothing_worse(string name)
    {
        MemoryDevice device = Make(name);
        List<Problem> repairs = Inspection.Check(device, RepairLevel.Safe);
        Assert.DoesNotContain(repairs, p => p.Repaired && p.Rule.Repair != RepairLevel.Safe);
        bool safe = s_images[name].Expected.All(code => ProblemTable.Of(code).Repair == RepairLevel.Safe);
        Assert.True(!safe || repairs.TrueForAll(p => p.Repaired), $"{name}: loses nothing, but is left\n{Inspection.Text(repairs.Where(p => !p.Repaired))}");
        List<Problem> all = Inspection.Check(device, RepairLevel.All);
        Assert.True(all.TrueForAll(p => p.Repaired), $"{name}: a repair after a careful one has left\n{Inspection.Text(all.Where(p => !p.Repaired))}");
    }

    private static bool IsExpected(string error) =>
        error.EndsWith(": EIO", StringComparison.Ordinal) || error.EndsWith(": ENOENT", StringComparison.Ordinal)
        || error.EndsWith(": ENOSPC", StringComparison.Ordinal) || error.EndsWith(": EROFS", StringComparison.Ordinal)
        || error.EndsWith(": ENOTDIR", StringComparison.Ordinal) || error.EndsWith(": EISDIR", StringComparison.Ordinal)
        || error.EndsWith(": EINVAL", StringComparison.Ordinal) || error.EndsWith(": EFBIG", StringComparison.Ordinal)
        || error.EndsWith(": ESTALE", StringComparison.Ordinal) || error.EndsWith(": EBUSY", StringComparison.Ordinal)
        || error.EndsWith(": EPERM", StringComparison.Ordinal) || error.EndsWith(": ERANGE", StringComparison.Ordinal);
}
