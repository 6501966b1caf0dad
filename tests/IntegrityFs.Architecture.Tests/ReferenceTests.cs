using System.Xml.Linq;

namespace IntegrityFs.Architecture.Tests;

public sealed class ReferenceTests
{
    // The floors and what each may reference, at most. A floor that is not listed here does not exist.
    private static readonly IReadOnlyDictionary<string, string[]> Allowed = new Dictionary<string, string[]>
    {
        ["Format"] = [],
        ["Device"] = ["Format"],
        ["Integrity"] = ["Format", "Device"],
        ["Keys"] = ["Format", "Device"],
        ["Journal"] = ["Format", "Device", "Integrity"],
        ["Volume"] = ["Format", "Device", "Integrity", "Keys", "Journal"],
        ["Catalog"] = ["Format", "Volume"],
        ["FileSystem"] = ["Format", "Catalog"],
        ["Fuse"] = ["Format", "FileSystem"],
        ["CrashTesting"] = ["Format", "Device", "Integrity", "Keys", "Journal", "Volume", "Catalog", "FileSystem"],
        ["Cli"] =
        [
            "Format", "Device", "Integrity", "Keys", "Journal", "Volume", "Catalog", "FileSystem", "Fuse",
            "CrashTesting",
        ],
    };

    private static IEnumerable<string> Projects(string folder) =>
        Repository.TrackedFiles.Where(path => path.StartsWith(folder + "/", StringComparison.Ordinal)
            && path.EndsWith(".csproj", StringComparison.Ordinal));

    private static string FloorOf(string project) =>
        Path.GetFileNameWithoutExtension(project)["IntegrityFs.".Length..];

    [Fact]
    public void References_point_down_and_skip_no_wall()
    {
        var found = new List<string>();
        foreach (string project in Projects("src"))
        {
            string floor = FloorOf(project);
            if (!Allowed.TryGetValue(floor, out string[]? allowed))
            {
                found.Add($"{floor} is not a floor of the house");
                continue;
            }

            found.AddRange(XDocument.Load(Path.Combine(Repository.Root, project)).Descendants("ProjectReference")
                .Select(reference => FloorOf(reference.Attribute("Include")!.Value))
                .Where(target => !allowed.Contains(target))
                .Select(target => $"{floor} must not know {target}"));
        }

        Assert.Empty(found);
        Assert.Equal(Allowed.Count, Projects("src").Count());
    }

    [Fact]
    public void Built_assemblies_use_only_the_floors_that_they_may_know()
    {
        var found = new List<string>();
        foreach (var assembly in Repository.Assemblies)
        {
            string name = assembly.GetName().Name!;
            string floor = name == "integrityfs" ? "Cli" : name["IntegrityFs.".Length..];
            found.AddRange(assembly.GetReferencedAssemblies()
                .Where(reference => reference.Name!.StartsWith("IntegrityFs.", StringComparison.Ordinal))
                .Select(reference => reference.Name!["IntegrityFs.".Length..])
                .Where(target => !Allowed[floor].Contains(target))
                .Select(target => $"{floor} uses {target}"));
        }

        Assert.Empty(found);
        Assert.Equal(Allowed.Count, Repository.Assemblies.Count);
    }

    [Fact]
    public void Transitive_references_stay_switched_off()
    {
        Assert.Contains("<DisableTransitiveProjectReferences>true<", Repository.Text("Directory.Build.props"),
            StringComparison.Ordinal);
        Assert.DoesNotContain(Projects("src").Select(Repository.Text),
            text => text.Contains("DisableTransitiveProjectReferences", StringComparison.Ordinal));
    }

    [Fact]
    public void Every_project_is_in_the_solution()
    {
        string solution = Repository.Text("IntegrityFs.sln").Replace('\\', '/');
        Assert.DoesNotContain(Projects("src").Concat(Projects("tests")),
            project => !solution.Contains(project, StringComparison.Ordinal));
    }
}
