using System.Globalization;

namespace IntegrityFs.CrashTesting;

/// <summary>Finds a workload by the id that a report names.</summary>
public static class WorkloadSource
{
    /// <summary>The workload of an id: a pattern ("A01-g034"), a sequence ("seq2-1234") or a random run
    /// ("random-SEED-LENGTH-ACTORS") or a program's trace ("trace-git"); null where there is none.</summary>
    public static Workload? Find(string id)
    {
        ArgumentNullException.ThrowIfNull(id);
        string[] parts = id.Split('-');
        if (parts.Length == 4 && parts[0] == "random" && ulong.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed)
            && int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out int length)
            && int.TryParse(parts[3], NumberStyles.None, CultureInfo.InvariantCulture, out int actors) && length > 0 && actors > 0)
        {
            return RandomWorkloads.Create(seed, length, actors);
        }

        if (parts.Length == 2 && parts[0] is "seq1" or "seq2" or "seq3"
            && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long index))
        {
            var sequences = new SequenceWorkloads(parts[0][3] - '0');
            return index < sequences.Count ? sequences[index] : null;
        }

        return PatternTable.All.FirstOrDefault(pattern => pattern.Id == id) ?? ProgramTraces.All.FirstOrDefault(trace => trace.Id == id);
    }
}
