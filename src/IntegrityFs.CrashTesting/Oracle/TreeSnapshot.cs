// Promise: everything that a user can see of a file system, in an order that does not depend on the store, with a hash.
// Whatever cannot be read or contradicts itself is a problem, never an exception.
using System.Globalization;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>One name of a snapshot.</summary>
/// <param name="Path">From the root; the root is "/".</param>
/// <param name="Attributes">As stat shows them.</param>
/// <param name="Content">Sum of the hashes of the chunks that are not zero, or of a symlink's target.</param>
/// <param name="Xattrs">Names and value hashes.</param>
internal readonly record struct SnapshotEntry(string Path, Attributes Attributes, ulong Content, string Xattrs)
{
    public string Describe(bool withBlocks)
    {
        Attributes a = Attributes;
        string blocks = withBlocks ? string.Create(CultureInfo.InvariantCulture, $" blocks={a.Blocks}") : "";
        return string.Create(CultureInfo.InvariantCulture,
            $"{Path} ino={a.Inode} mode={Convert.ToString(a.Mode, 8)} nlink={a.Links} own={a.Uid}:{a.Gid} rdev={a.Rdev} size={a.Size}{blocks} a={Time(a.Atime)} m={Time(a.Mtime)} c={Time(a.Ctime)} b={Time(a.Btime)} content={Content:x} x=[{Xattrs}]");
    }

    private static string Time(Timestamp time) => string.Create(CultureInfo.InvariantCulture, $"{time.Seconds}.{time.Nanoseconds / 100:0000000}");
}

/// <summary>A whole tree as seen through <see cref="IFileSystem"/>.</summary>
internal sealed class TreeSnapshot
{
    private const int ChunkSize = 4096;

    private readonly List<SnapshotEntry> _entries = [];
    private readonly List<string> _problems = [];

    private TreeSnapshot()
    {
    }

    public IReadOnlyList<SnapshotEntry> Entries => _entries;

    public IReadOnlyList<string> Problems => _problems;

    /// <summary>Hash of everything, allocated blocks included.</summary>
    public ulong Hash { get; private set; }

    /// <summary>Hash of what the model predicts: everything but allocated blocks.</summary>
    public ulong ModelHash { get; private set; }

    public static TreeSnapshot Take(IFileSystem files)
    {
        var snapshot = new TreeSnapshot();
        Errno error = files.GetAttributes(InodeNumber.Root, out Attributes root);
        if (error != Errno.OK)
        {
            snapshot._problems.Add($"stat of the root: {error}");
        }
        else
        {
            snapshot.Visit(files, "/", root, InodeNumber.Root, 0);
        }

        snapshot.Hash = snapshot.ComputeHash(withBlocks: true);
        snapshot.ModelHash = snapshot.ComputeHash(withBlocks: false);
        return snapshot;
    }

    /// <summary>The lines in which two snapshots differ, at most <paramref name="limit"/>.</summary>
    public string Difference(TreeSnapshot other, bool withBlocks, int limit = 6)
    {
        var mine = _entries.ToDictionary(entry => entry.Path, entry => entry.Describe(withBlocks), StringComparer.Ordinal);
        var theirs = other._entries.ToDictionary(entry => entry.Path, entry => entry.Describe(withBlocks), StringComparer.Ordinal);
        var lines = new List<string>();
        foreach (string path in mine.Keys.Union(theirs.Keys).Order(StringComparer.Ordinal))
        {
            string? left = mine.GetValueOrDefault(path);
            string? right = theirs.GetValueOrDefault(path);
            if (left != right && lines.Count < limit)
            {
                lines.Add($"  - {left ?? path + " (absent)"}\n  + {right ?? path + " (absent)"}");
            }
        }

        return string.Join('\n', lines);
    }

    private void Visit(IFileSystem files, string path, in Attributes attributes, InodeNumber parent, int depth)
    {
        string xattrs = Xattrs(files, path, attributes.Inode);
        switch (attributes.Mode & 0xF000)
        {
            case FileTypes.Directory:
                _entries.Add(new SnapshotEntry(path, attributes, 0, xattrs));
                VisitDirectory(files, path, attributes, parent, depth);
                break;
            case FileTypes.Regular:
                _entries.Add(new SnapshotEntry(path, attributes, Content(files, path, attributes), xattrs));
                break;
            case FileTypes.Symlink:
                byte[] target = new byte[4096];
                Errno error = files.ReadLink(attributes.Inode, target, out int length);
                Problem(error, "readlink", path);
                _entries.Add(new SnapshotEntry(path, attributes, XxHash3.HashToUInt64(target.AsSpan(0, length)), xattrs));
                break;
            default:
                _entries.Add(new SnapshotEntry(path, attributes, 0, xattrs));
                break;
        }
    }

    private void VisitDirectory(IFileSystem files, string path, in Attributes attributes, InodeNumber parent, int depth)
    {
        if (depth > 64)
        {
            _problems.Add($"{path}: deeper than any workload makes a tree");
            return;
        }

        var sink = new NameSink();
        Problem(files.ReadDirectory(attributes.Inode, 0, false, sink), "readdir", path);
        sink.Names.Sort((a, b) => a.Name.AsSpan().SequenceCompareTo(b.Name));
        if (sink.Self != attributes.Inode || sink.Parent != parent)
        {
            _problems.Add($"{path}: '.' is {sink.Self}, '..' is {sink.Parent}, not {attributes.Inode} and {parent}");
        }

        foreach ((byte[] name, InodeNumber inode, byte type) in sink.Names)
        {
            string child = (path == "/" ? "/" : path + "/") + Encoding.Latin1.GetString(name);
            Errno error = files.Lookup(attributes.Inode, name, out Attributes found);
            Problem(error, "lookup", child);
            if (error == Errno.OK)
            {
                if (found.Inode != inode || (found.Mode >> 12) != type)
                {
                    _problems.Add($"{child}: readdir says inode {inode} type {type}, lookup inode {found.Inode} mode {Convert.ToString(found.Mode, 8)}");
                }

                Visit(files, child, found, attributes.Inode, depth + 1);
            }
        }
    }

    private ulong Content(IFileSystem files, string path, in Attributes attributes)
    {
        Errno error = files.Open(default, attributes.Inode, OpenMode.Read, out ulong handle);
        Problem(error, "open", path);
        if (error != Errno.OK)
        {
            return 0;
        }

        ulong sum = 0;
        byte[] buffer = new byte[(int)Math.Clamp((attributes.Size + ChunkSize - 1) / ChunkSize * ChunkSize, ChunkSize, 1 << 17)];
        long offset = 0;
        while (offset < attributes.Size)
        {
            if (attributes.Size > buffer.Length)
            {
                error = files.Seek(attributes.Inode, offset, false, out long data);
                if (error == Errno.ENXIO)
                {
                    break;
                }

                Problem(error, "seek", path);
                offset = data / ChunkSize * ChunkSize;
            }

            error = files.Read(handle, attributes.Inode, offset, buffer, out int read);
            Problem(error, "read", path);
            int expected = (int)Math.Min(buffer.Length, attributes.Size - offset);
            if (error != Errno.OK || read != expected)
            {
                _problems.Add($"{path}: read {read} of {expected} bytes at {offset}");
                break;
            }

            sum += HashChunks(buffer.AsSpan(0, read), offset);
            offset += read;
        }

        files.Release(handle, attributes.Inode);
        return sum;
    }

    private static ulong HashChunks(ReadOnlySpan<byte> data, long offset)
    {
        ulong sum = 0;
        for (int start = 0; start < data.Length; start += ChunkSize)
        {
            ReadOnlySpan<byte> chunk = data.Slice(start, Math.Min(ChunkSize, data.Length - start)).TrimEnd((byte)0);
            if (!chunk.IsEmpty)
            {
                sum += SeededRandom.Mix(XxHash3.HashToUInt64(chunk, offset + start));
            }
        }

        return sum;
    }

    private string Xattrs(IFileSystem files, string path, InodeNumber inode)
    {
        Errno error = files.ListXattr(inode, default, out int length);
        Problem(error, "listxattr", path);
        if (error != Errno.OK || length == 0)
        {
            return "";
        }

        byte[] names = new byte[length];
        Problem(files.ListXattr(inode, names, out length), "listxattr", path);
        var list = new List<string>();
        byte[] value = new byte[65536];
        foreach (string name in Encoding.Latin1.GetString(names, 0, length).Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            Problem(files.GetXattr(inode, Encoding.Latin1.GetBytes(name), value, out int size), "getxattr " + name, path);
            list.Add(string.Create(CultureInfo.InvariantCulture, $"{name}:{size}:{XxHash3.HashToUInt64(value.AsSpan(0, size)):x}"));
        }

        list.Sort(StringComparer.Ordinal);
        return string.Join(' ', list);
    }

    private void Problem(Errno error, string call, string path)
    {
        if (error != Errno.OK && _problems.Count < 20)
        {
            _problems.Add($"{call} {path}: {error}");
        }
    }

    private ulong ComputeHash(bool withBlocks)
    {
        var hash = new XxHash3();
        Span<ulong> fields = stackalloc ulong[16];
        foreach (SnapshotEntry entry in _entries)
        {
            Attributes a = entry.Attributes;
            hash.Append(MemoryMarshal.AsBytes(entry.Path.AsSpan()));
            hash.Append(MemoryMarshal.AsBytes(entry.Xattrs.AsSpan()));
            fields[0] = a.Inode.Value;
            fields[1] = a.Mode;
            fields[2] = a.Links;
            fields[3] = ((ulong)a.Uid << 32) | a.Gid;
            fields[4] = a.Rdev;
            fields[5] = (ulong)a.Size;
            fields[6] = withBlocks ? (ulong)a.Blocks : 0;
            fields[7] = entry.Content;
            fields[8] = (ulong)a.Atime.Seconds;
            fields[9] = (ulong)a.Mtime.Seconds;
            fields[10] = (ulong)a.Ctime.Seconds;
            fields[11] = (ulong)a.Btime.Seconds;
            fields[12] = a.Atime.Nanoseconds | ((ulong)a.Mtime.Nanoseconds << 32);
            fields[13] = a.Ctime.Nanoseconds | ((ulong)a.Btime.Nanoseconds << 32);
            fields[14] = (ulong)entry.Path.Length;
            fields[15] = a.Flags;
            hash.Append(MemoryMarshal.AsBytes(fields));
        }

        return hash.GetCurrentHashAsUInt64();
    }

    private sealed class NameSink : IDirectorySink
    {
        public List<(byte[] Name, InodeNumber Inode, byte Type)> Names { get; } = [];

        public InodeNumber Self { get; private set; }

        public InodeNumber Parent { get; private set; }

        public bool Add(ReadOnlySpan<byte> name, InodeNumber inode, byte type, ulong nextCookie, in Attributes attributes)
        {
            if (name.SequenceEqual("."u8))
            {
                Self = inode;
            }
            else if (name.SequenceEqual(".."u8))
            {
                Parent = inode;
            }
            else
            {
                Names.Add((name.ToArray(), inode, type));
            }

            return true;
        }
    }
}
