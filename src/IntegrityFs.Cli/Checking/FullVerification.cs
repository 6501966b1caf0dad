using IntegrityFs.Catalog;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Volume;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Cli.Checking;

/// <summary>verify=full: nothing is mounted before everything has been verified, by the same check as fsck's.</summary>
internal static class FullVerification
{
    private const int NamedAtMost = 10;

    /// <summary>Throws where anything is wrong; the first findings are noted one by one.</summary>
    public static void Run(ProtectedVolume volume, ILogger logger, Action<string> note)
    {
        var findings = new Findings(note);
        new VolumeChecker(new CatalogCheck(volume, 0, logger), new CheckOptions(), findings, TimeProvider.System, logger, CancellationToken.None).Run();
        if (findings.Count > 0)
        {
            throw new IntegrityException(Zone.Data, findings.FirstBlock, $"verify=full found {findings.Count} problems; nothing is mounted");
        }
    }

    private sealed class Findings(Action<string> note) : ICheckSink
    {
        public long Count { get; private set; }

        public long FirstBlock { get; private set; } = -1;

        public void Found(Problem problem)
        {
            FirstBlock = Count == 0 ? problem.Block : FirstBlock;
            if (++Count <= NamedAtMost)
            {
                note(problem.Message);
            }
        }

        public void Progress(string phase, long done)
        {
        }
    }
}
