using IntegrityFs.Catalog;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli.Checking;

/// <summary>verify=full: nothing is mounted before everything has been verified.</summary>
internal static class FullVerification
{
    private const int NamedAtMost = 10;

    /// <summary>Throws where anything is wrong; the first findings are noted one by one.</summary>
    public static void Run(IVolume volume, ICatalog catalog, Action<string> note)
    {
        var findings = new Findings(note);
        new ContentScan(volume, catalog, findings, CancellationToken.None).Run();
        if (findings.Count > 0)
        {
            throw new IntegrityException(Zone.Data, findings.FirstBlock, $"verify=full found {findings.Count} problems; nothing is mounted");
        }
    }

    private sealed class Findings(Action<string> note) : IScanSink
    {
        public long Count { get; private set; }

        public long FirstBlock { get; private set; } = -1;

        public void Found(ScanProblem problem)
        {
            FirstBlock = Count == 0 ? problem.Block : FirstBlock;
            if (++Count <= NamedAtMost)
            {
                note(problem.Message);
            }
        }

        public void Progress(long blocks)
        {
        }
    }
}
