// Promise: says in words what each request did, with the paths that were valid then, and finds the request after which
// a tree was what it is.
namespace IntegrityFs.CrashTesting;

/// <summary>The requests of a recording in words, and the trees after them.</summary>
internal sealed class RequestHistory
{
    private readonly Dictionary<int, string> _texts = [];
    private readonly Dictionary<ulong, int> _requestByTree = [];
    private readonly List<int> _numbers = [];

    /// <summary>Replays the requests of a recording over its first tree.</summary>
    public RequestHistory(ProgramRecording recording, FileTree start, bool withTrees)
    {
        Dictionary<ulong, string> paths = start.Paths();
        FileTree tree = start;
        _requestByTree[withTrees ? tree.Hash() : 0] = 0;
        foreach (RecordingEvent item in recording.Events)
        {
            if (item.Request is not { } request)
            {
                continue;
            }

            Learn(paths, request);
            _texts[request.Number] = RequestText.Describe(request, inode => paths.GetValueOrDefault(inode));
            if (!request.IsSync && request.Kind != RequestKind.Close)
            {
                _numbers.Add(request.Number);
                if (withTrees)
                {
                    tree = Next(tree, request);
                    _requestByTree[tree.Hash()] = request.Number;
                }
            }

            if (request.Kind == RequestKind.Rename)
            {
                MoveBelow(paths, request);
            }
        }
    }

    /// <summary>The request in words.</summary>
    public string Text(RecordedRequest? request) => request is null ? "" : $"request {request.Number}: {_texts[request.Number]}";

    /// <summary>The request after which the tree was this; −1 where it never was (the middle of a large write).</summary>
    public int FindTree(ulong hash) => _requestByTree.GetValueOrDefault(hash, -1);

    /// <summary>Requests that changed something after one and up to another, in words.</summary>
    public List<string> Between(int after, int last) =>
        [.. _numbers.Where(number => number > after && number <= last).Select(number => $"request {number}: {_texts[number]}")];

    private static FileTree Next(FileTree tree, RecordedRequest request)
    {
        RequestEffects effects = RequestEffects.Of(tree, request);
        if (effects.NewNode is { } node)
        {
            tree = tree.With(request.Inode, node);
        }

        foreach (Effect effect in effects.All)
        {
            tree = effect.Apply(tree);
        }

        return tree;
    }

    private static void Learn(Dictionary<ulong, string> paths, RecordedRequest request)
    {
        if (request.Kind is RequestKind.Create or RequestKind.MakeNode or RequestKind.MakeDirectory or RequestKind.Symlink)
        {
            paths[request.Inode] = Join(paths, request.Parent, request.Name);
        }
        else if (request.Kind == RequestKind.Link)
        {
            paths.TryAdd(request.Inode, Join(paths, request.Parent, request.Name));
        }
    }

    private static void MoveBelow(Dictionary<ulong, string> paths, RecordedRequest request)
    {
        string old = Join(paths, request.Parent, request.Name);
        string moved = Join(paths, request.NewParent, request.NewName);
        foreach (ulong inode in paths.Where(p => p.Value.StartsWith(old + "/", StringComparison.Ordinal)).Select(p => p.Key).ToList())
        {
            paths[inode] = moved + paths[inode][old.Length..];
        }

        paths[request.Inode] = moved;
    }

    private static string Join(Dictionary<ulong, string> paths, ulong directory, string name)
    {
        string parent = paths.GetValueOrDefault(directory, "?");
        return parent.EndsWith('/') ? parent + name : $"{parent}/{name}";
    }
}
