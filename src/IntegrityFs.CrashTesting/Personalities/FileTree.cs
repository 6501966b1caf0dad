// Promise: one state of a whole file system, immutable. Two trees have the same hash if and only if (up to collisions) a
// user sees the same names, links, types, modes, owners, attributes and bytes; times and inode numbers do not count.
using System.Collections.Immutable;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>A file system as a value.</summary>
public sealed record FileTree(ImmutableDictionary<ulong, FileNode> Nodes)
{
    private const int MostDepth = 4096;

    /// <summary>The root's inode number.</summary>
    public const ulong Root = 1;

    /// <summary>A node that may be missing.</summary>
    public FileNode? Find(ulong inode) => Nodes.TryGetValue(inode, out FileNode? node) ? node : null;

    /// <summary>With another node.</summary>
    public FileTree With(ulong inode, FileNode node) => new(Nodes.SetItem(inode, node));

    /// <summary>With a node changed, where it is there.</summary>
    public FileTree Change(ulong inode, Func<FileNode, FileNode> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        return Nodes.TryGetValue(inode, out FileNode? node) ? With(inode, change(node)) : this;
    }

    /// <summary>The inode of a name; 0 where it is not there.</summary>
    public ulong Lookup(ulong directory, string name) =>
        Find(directory) is { } node && node.Entries.TryGetValue(name, out ulong inode) && Nodes.ContainsKey(inode) ? inode : 0;

    /// <summary>Hash of what a user sees.</summary>
    public ulong Hash()
    {
        var hash = new XxHash3();
        var numbers = new Dictionary<ulong, int>();
        foreach ((string path, ulong inode, FileNode node) in Walk())
        {
            hash.Append(Encoding.Latin1.GetBytes(path));
            bool again = numbers.TryGetValue(inode, out int number);
            if (!again)
            {
                numbers.Add(inode, number = numbers.Count);
            }

            ReadOnlySpan<ulong> fields = [(ulong)path.Length, (ulong)number, again ? 0 : node.Hash()];
            hash.Append(MemoryMarshal.AsBytes(fields));
        }

        return hash.GetCurrentHashAsUInt64();
    }

    /// <summary>Every name, parents first, in the order of names; an inode with several names comes several times.</summary>
    public IEnumerable<(string Path, ulong Inode, FileNode Node)> Walk()
    {
        if (!Nodes.TryGetValue(Root, out FileNode? root))
        {
            yield break;
        }

        yield return ("/", Root, root);
        var open = new Stack<(string Path, IEnumerator<KeyValuePair<string, ulong>> Names)>();
        var visited = new HashSet<ulong> { Root };
        open.Push(("/", root.Entries.GetEnumerator()));
        while (open.TryPeek(out (string Path, IEnumerator<KeyValuePair<string, ulong>> Names) at))
        {
            if (!at.Names.MoveNext())
            {
                open.Pop();
                continue;
            }

            // An entry whose inode never reached the disk is none; a directory has one place.
            (string name, ulong inode) = at.Names.Current;
            if (!Nodes.TryGetValue(inode, out FileNode? node) || (node.IsDirectory && !visited.Add(inode)))
            {
                continue;
            }

            string path = at.Path + name;
            yield return (path, inode, node);
            if (node.IsDirectory && open.Count < MostDepth)
            {
                open.Push((path + "/", node.Entries.GetEnumerator()));
            }
        }
    }

    /// <summary>A path of every inode.</summary>
    public Dictionary<ulong, string> Paths()
    {
        var paths = new Dictionary<ulong, string>();
        foreach ((string path, ulong inode, FileNode _) in Walk())
        {
            paths.TryAdd(inode, path);
        }

        return paths;
    }

    /// <summary>Reads everything from a file system.</summary>
    /// <exception cref="CorruptFormatException">Something cannot be read.</exception>
    public static FileTree Take(IFileSystem files) => Take(files, new PagePool());

    /// <summary>The same, with pages shared with other trees.</summary>
    internal static FileTree Take(IFileSystem files, PagePool pool)
    {
        ArgumentNullException.ThrowIfNull(files);
        return new TreeReader(files, pool).Read();
    }
}
