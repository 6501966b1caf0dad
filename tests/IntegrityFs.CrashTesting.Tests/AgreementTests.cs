namespace IntegrityFs.CrashTesting.Tests;

/// <summary>The filesystem and the model agree on every answer and every tree, without any crash: what the oracle's
/// judgement rests on.</summary>
public sealed class AgreementTests
{
    private static void Agree(IEnumerable<Workload> workloads, SubjectOptions options)
    {
        var subject = new IntegrityFsSubject(options);
        var formatted = new PageImage(subject.DeviceLength);
        subject.Format(new ImageDevice(formatted));
        var findings = new List<string>();
        foreach (Workload workload in workloads)
        {
            Recording recording = LockstepRun.Record(subject, formatted, workload, new RecordOptions());
            findings.AddRange(recording.Findings.Take(1).Select(finding => $"{workload.Id}: {finding}"));
        }

        Assert.True(findings.Count == 0, string.Join('\n', findings.Take(12)));
    }

    [Fact]
    public void Random_runs_of_several_actors_agree_with_the_model() =>
        Agree(Enumerable.Range(1, 60).Select(seed => RandomWorkloads.Create((ulong)seed, 150)), new SubjectOptions());

    [Fact]
    public void Random_runs_agree_with_data_in_place() =>
        Agree(Enumerable.Range(2000, 40).Select(seed => RandomWorkloads.Create((ulong)seed, 150)), new SubjectOptions { DataMode = Volume.DataMode.Auto });
}
