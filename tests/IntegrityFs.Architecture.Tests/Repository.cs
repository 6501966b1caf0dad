using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace IntegrityFs.Architecture.Tests;

/// <summary>The source tree and the built assemblies that the rules are checked against.</summary>
internal static class Repository
{
    internal static readonly string Root = FindRoot();

    /// <summary>Our assemblies, as they lie beside this test.</summary>
    internal static IReadOnlyList<Assembly> Assemblies { get; } =
    [
        .. Directory.EnumerateFiles(AppContext.BaseDirectory, "*.dll")
            .Where(path => Path.GetFileName(path) is var name
                && (name.StartsWith("IntegrityFs.", StringComparison.Ordinal) || name == "integrityfs.dll")
                && !name.Contains(".Tests.", StringComparison.Ordinal))
            .Select(Assembly.LoadFrom),
    ];

    /// <summary>The types that somebody wrote, not the compiler or a generator.</summary>
    internal static IEnumerable<Type> Types() =>
        Assemblies.SelectMany(assembly => assembly.GetTypes())
            .Where(type => !IsGenerated(type) && type.Namespace?.StartsWith("IntegrityFs", StringComparison.Ordinal) == true);

    /// <summary>Files under version control, relative to the root.</summary>
    internal static IReadOnlyList<string> TrackedFiles { get; } = ListTrackedFiles();

    /// <summary>Tracked C# files below a folder.</summary>
    internal static IEnumerable<string> Sources(string folder) =>
        TrackedFiles.Where(path => path.StartsWith(folder + "/", StringComparison.Ordinal)
            && path.EndsWith(".cs", StringComparison.Ordinal));

    internal static string[] Lines(string path) => File.ReadAllLines(Path.Combine(Root, path));

    internal static string Text(string path) => File.ReadAllText(Path.Combine(Root, path));

    internal static bool IsGenerated(Type type) =>
        type.Name.Contains('<', StringComparison.Ordinal) || type.Name.Contains("__", StringComparison.Ordinal)
        || type.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false)
        || type.IsDefined(typeof(System.CodeDom.Compiler.GeneratedCodeAttribute), inherit: false)
        || (type.DeclaringType is not null && IsGenerated(type.DeclaringType));

    private static string FindRoot()
    {
        string? directory = AppContext.BaseDirectory;
        while (directory is not null && !File.Exists(Path.Combine(directory, "IntegrityFs.sln")))
        {
            directory = Path.GetDirectoryName(directory);
        }

        return directory ?? throw new InvalidOperationException("the tests must run inside the source tree");
    }

    private static string[] ListTrackedFiles()
    {
        var start = new ProcessStartInfo("git", ["-c", "safe.directory=*", "-C", Root, "ls-files", "-z"])
        {
            RedirectStandardOutput = true,
        };
        using Process git = Process.Start(start) ?? throw new InvalidOperationException("git does not start");
        string output = git.StandardOutput.ReadToEnd();
        git.WaitForExit();
        string[] files = output.Split('\0', StringSplitOptions.RemoveEmptyEntries);
        return git.ExitCode == 0 && files.Length > 0
            ? [.. files.Where(file => File.Exists(Path.Combine(Root, file)))]
            : throw new InvalidOperationException("git cannot list the files under version control");
    }
}
