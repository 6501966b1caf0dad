using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Images.Tests;

/// <summary>Runs the checker on an image.</summary>
internal static class Inspection
{
    public static List<Problem> Check(MemoryDevice device, RepairLevel level)
    {
        var findings = new Findings();
        using ProtectedVolume? volume = CheckedOpening.Open(device, SampleVolume.Key, SampleVolume.Options, ref level, findings);
        if (volume is null)
        {
            return findings.Problems;
        }

        new VolumeChecker(new CatalogCheck(volume, 77, null), new CheckOptions { Repair = level }, findings, TimeProvider.System, null, CancellationToken.None).Run();
        volume.Close();
        return findings.Problems;
    }

    public static string Text(IEnumerable<Problem> problems) =>
        string.Join('\n', problems.Take(20).Select(p => $"  {(p.Repaired ? "repaired " : "")}{(int)p.Code} {p.Rule.Name}: {p.Message}"));

    private sealed class Findings : ICheckSink
    {
        public List<Problem> Problems { get; } = [];

        public void Found(Problem problem) => Problems.Add(problem);

        public void Progress(string phase, long done) => Assert.NotEmpty(phase);
    }
}
