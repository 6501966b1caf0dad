// Promise: what real programs did on a filesystem, as workloads: recorded once with strace, converted once by
// StraceReader, kept as text beside this file and compiled in.
using System.Reflection;

namespace IntegrityFs.CrashTesting;

/// <summary>Recorded runs of real programs.</summary>
public static class ProgramTraces
{
    private const string Suffix = ".trace";

    /// <summary>All of them, by name.</summary>
    public static IReadOnlyList<Workload> All { get; } = Load();

    private static List<Workload> Load()
    {
        Assembly assembly = typeof(ProgramTraces).Assembly;
        var workloads = new List<Workload>();
        foreach (string name in assembly.GetManifestResourceNames().Where(name => name.EndsWith(Suffix, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using Stream stream = assembly.GetManifestResourceStream(name)!;
            using var reader = new StreamReader(stream);
            workloads.Add(Workload.Parse("trace-" + name[..^Suffix.Length], reader.ReadToEnd()));
        }

        return workloads;
    }
}
