// Promise: everything that a user can read of a tree, fact by fact, so that where some cannot be read the others still
// count. A fact is one inode's attributes, one directory's names, 4096 bytes of content, one extended attribute, one
// symlink's target. What fails is a gap: it covers the facts that could not be read because of it, and nothing else.
using System.Globalization;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>A tree as a set of independent facts.</summary>
internal sealed class TreeFacts
{
    private const int ChunkSize = 4096;
    private const int DeepestPath = 64;

    private readonly Dictionary<string, ulong> _facts = new(StringComparer.Ordinal);
    private readonly List<(string Covers, string Text, Errno Error)> _gaps = [];

    private TreeFacts()
    {
    }

    /// <summary>What could not be read, one line each.</summary>
    public IEnumerable<string> Gaps => _gaps.Select(gap => gap.Text);

    /// <summary>True where something could not be read.</summary>
    public bool HasGaps => _gaps.Count > 0;

    /// <summary>Number of facts.</summary>
    public int Count => _facts.Count;

    /// <summary>A sum over all facts: equal trees have equal sums.</summary>
    public ulong Hash { get; private set; }

    /// <summary>Reads a tree.</summary>
    public static TreeFacts Read(IFileSystem files)
    {
        var facts = new TreeFacts();
        Errno error = files.GetAttributes(InodeNumber.Root, out Attributes root);
        if (error != Errno.OK)
        {
            facts.Gap("/", "stat /", error);
        }
        else
        {
            facts.Visit(files, "/", root, 0);
        }

        foreach ((string key, ulong value) in facts._facts)
        {
            facts.Hash += SeededRandom.Mix(XxHash3.HashToUInt64(MemoryMarshal.AsBytes(key.AsSpan()), (long)value));
        }

        return facts;
    }

    /// <summary>Null where every fact here is the expected one and whatever is missing is covered by a gap that says EIO;
    /// else the first contradiction.</summary>
    public string? Contradiction(TreeFacts expected)
    {
        if (!HasGaps && Hash == expected.Hash && Count == expected.Count)
        {
            return null;
        }

        foreach ((string covers, string text, Errno error) in _gaps)
        {
            if (error != Errno.EIO)
            {
                return $"{text} failed with {error}, not EIO";
            }
        }

        foreach ((string key, ulong value) in _facts)
        {
            if (!expected._facts.TryGetValue(key, out ulong right))
            {
                return $"{key} is there and should not be";
            }

            if (right != value)
            {
                return $"{key} is not what was written";
            }
        }

        foreach (string key in expected._facts.Keys)
        {
            if (!_facts.ContainsKey(key) && !_gaps.Exists(gap => key.StartsWith(gap.Covers, StringComparison.Ordinal)))
            {
                return $"{key} is missing without an error";
            }
        }

        return null;
    }

    private void Visit(IFileSystem files, string path, in Attributes a, int depth)
    {
        Add(path + "|attributes", AttributeHash(a));
        Xattrs(files, path, a.Inode);
        switch (a.Mode & 0xF000)
        {
            case FileTypes.Directory when depth < DeepestPath:
                Directory(files, path, a.Inode, depth);
                break;
            case FileTypes.Directory:
                Gap(path + "/", "deeper than any workload makes a tree: " + path, Errno.EOVERFLOW);
                break;
            case FileTypes.Regular:
                Content(files, path, a);
                break;
            case FileTypes.Symlink:
                byte[] target = new byte[4096];
                Errno error = files.ReadLink(a.Inode, target, out int length);
                Note(path + "|target", error, () => XxHash3.HashToUInt64(target.AsSpan(0, length)));
                break;
            default:
                break;
        }
    }

    private void Directory(IFileSystem files, string path, InodeNumber inode, int depth)
    {
        var sink = new Names();
        string prefix = path == "/" ? "/" : path + "/";
        Errno error = files.ReadDirectory(inode, 0, false, sink);
        sink.List.Sort(StringComparer.Ordinal);
        if (error != Errno.OK)
        {
            Gap(path + "|names", "readdir " + path, error);
            Gap(prefix, "readdir " + path, error);
        }
        else
        {
            Add(path + "|names", XxHash3.HashToUInt64(MemoryMarshal.AsBytes(string.Join('\0', sink.List).AsSpan())));
        }

        foreach (string name in sink.List)
        {
            string child = prefix + name;
            error = files.Lookup(inode, Encoding.Latin1.GetBytes(name), out Attributes found);
            if (error != Errno.OK)
            {
                Gap(child + "|", "lookup " + child, error);
                Gap(child + "/", "lookup " + child, error);
                continue;
            }

            Visit(files, child, found, depth + 1);
        }
    }

    private void Content(IFileSystem files, string path, in Attributes a)
    {
        Errno error = files.Open(default, a.Inode, OpenMode.Read, out ulong handle);
        if (error != Errno.OK)
        {
            Gap(path + "|data", "open " + path, error);
            return;
        }

        byte[] buffer = new byte[ChunkSize];
        long offset = 0;
        while (offset < a.Size)
        {
            if (a.Size > 64 * ChunkSize)
            {
                error = files.Seek(a.Inode, offset, false, out long data);
                if (error == Errno.ENXIO)
                {
                    break;
                }

                if (error != Errno.OK)
                {
                    Gap(path + "|data", "seek " + path, error);
                    break;
                }

                offset = data / ChunkSize * ChunkSize;
            }

            Chunk(files, path, a, handle, offset, buffer);
            offset += ChunkSize;
        }

        files.Release(handle, a.Inode);
    }

    private void Chunk(IFileSystem files, string path, in Attributes a, ulong handle, long offset, byte[] buffer)
    {
        string key = string.Create(CultureInfo.InvariantCulture, $"{path}|data {offset}");
        Errno error = files.Read(handle, a.Inode, offset, buffer, out int read);
        if (error == Errno.OK && read != Math.Min(ChunkSize, a.Size - offset))
        {
            Add(key, (ulong)read);
            return;
        }

        ReadOnlySpan<byte> content = buffer.AsSpan(0, error == Errno.OK ? read : 0).TrimEnd((byte)0);
        if (error != Errno.OK)
        {
            Gap(key, "read " + key, error);
        }
        else if (!content.IsEmpty)
        {
            Add(key, XxHash3.HashToUInt64(content, offset));
        }
    }

    private void Xattrs(IFileSystem files, string path, InodeNumber inode)
    {
        byte[] names = new byte[65536];
        Errno error = files.ListXattr(inode, names, out int length);
        if (error != Errno.OK)
        {
            Gap(path + "|xattr", "listxattr " + path, error);
            return;
        }

        byte[] value = new byte[length == 0 ? 0 : 65536];
        foreach (string name in Encoding.Latin1.GetString(names, 0, length).Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            error = files.GetXattr(inode, Encoding.Latin1.GetBytes(name), value, out int size);
            Note($"{path}|xattr {name}", error, () => XxHash3.HashToUInt64(value.AsSpan(0, size), size));
        }
    }

    private void Note(string key, Errno error, Func<ulong> value)
    {
        if (error == Errno.OK)
        {
            Add(key, value());
        }
        else
        {
            Gap(key, key, error);
        }
    }

    private void Add(string key, ulong value) => _facts[key] = value;

    private void Gap(string covers, string text, Errno error) => _gaps.Add((covers, text, error));

    private static ulong AttributeHash(in Attributes a)
    {
        Span<ulong> fields =
        [
            a.Inode.Value, a.Mode, a.Links, ((ulong)a.Uid << 32) | a.Gid, a.Rdev, (ulong)a.Size, a.Flags,
            (ulong)a.Atime.Seconds, a.Atime.Nanoseconds, (ulong)a.Mtime.Seconds, a.Mtime.Nanoseconds,
            (ulong)a.Ctime.Seconds, a.Ctime.Nanoseconds, (ulong)a.Btime.Seconds, a.Btime.Nanoseconds,
        ];
        return XxHash3.HashToUInt64(MemoryMarshal.AsBytes(fields));
    }

    private sealed class Names : IDirectorySink
    {
        public List<string> List { get; } = [];

        public bool Add(ReadOnlySpan<byte> name, InodeNumber inode, byte type, ulong nextCookie, in Attributes attributes)
        {
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
            {
                List.Add(Encoding.Latin1.GetString(name));
            }

            return true;
        }
    }
}
