using System.Reflection;

namespace IntegrityFs.Architecture.Tests;

public sealed class TypeTests
{
    // Per-thread scratch state, with the reason. Nothing in it outlives a call.
    private static readonly string[] AllowedThreadStatics = [];

    private static readonly string[] ForbiddenEndings =
        ["Manager", "Helper", "Helpers", "Util", "Utils", "Impl", "Info"];

    private static readonly Type[] MutableCollections =
    [
        typeof(List<>), typeof(Dictionary<,>), typeof(HashSet<>), typeof(Queue<>), typeof(Stack<>),
        typeof(System.Collections.Concurrent.ConcurrentDictionary<,>),
        typeof(System.Collections.Concurrent.ConcurrentBag<>),
        typeof(System.Collections.Concurrent.ConcurrentQueue<>),
    ];

    [Fact]
    public void Classes_are_sealed_abstract_or_static()
    {
        Assert.NotEmpty(Repository.Types());
        Assert.Empty(Repository.Types()
            .Where(type => type.IsClass && !type.IsSealed && !type.IsAbstract)
            .Select(type => type.FullName));
    }

    [Fact]
    public void No_state_is_static()
    {
        const BindingFlags all =
            BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        Assert.Empty(Repository.Types()
            .SelectMany(type => type.GetFields(all))
            .Where(field => !field.IsLiteral && !field.Name.Contains("__", StringComparison.Ordinal) && IsState(field))
            .Select(field => $"{field.DeclaringType!.FullName}.{field.Name}")
            .Except(AllowedThreadStatics));
    }

    [Fact]
    public void No_name_ends_in_a_word_that_says_nothing()
    {
        Assert.Empty(Repository.Types()
            .Where(type => ForbiddenEndings.Any(
                ending => type.Name.Split('`')[0].EndsWith(ending, StringComparison.Ordinal)))
            .Select(type => type.FullName));
    }

    private static bool IsState(FieldInfo field)
    {
        Type type = field.FieldType;
        bool collection = type.IsGenericType && MutableCollections.Contains(type.GetGenericTypeDefinition());
        return !field.IsInitOnly || collection;
    }
}
