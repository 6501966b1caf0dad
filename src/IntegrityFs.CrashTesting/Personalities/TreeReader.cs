using System.Collections.Immutable;
using System.Text;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>Reads a whole tree through the file system's door.</summary>
internal sealed class TreeReader(IFileSystem files, PagePool pool)
{
    private const int Piece = 256 << 10;

    private readonly ImmutableDictionary<ulong, FileNode>.Builder _nodes = ImmutableDictionary.CreateBuilder<ulong, FileNode>();
    private readonly byte[] _buffer = new byte[Piece];

    public FileTree Read()
    {
        Check(files.GetAttributes(InodeNumber.Root, out Attributes root), "stat", "/");
        var pending = new Queue<(string Path, Attributes Attributes)>();
        pending.Enqueue(("/", root));
        while (pending.TryDequeue(out (string Path, Attributes Attributes) at))
        {
            if (!_nodes.ContainsKey(at.Attributes.Inode.Value))
            {
                _nodes.Add(at.Attributes.Inode.Value, ReadNode(at.Path, at.Attributes, pending));
            }
        }

        return new FileTree(_nodes.ToImmutable());
    }

    private FileNode ReadNode(string path, in Attributes attributes, Queue<(string, Attributes)> pending)
    {
        var node = new FileNode
        {
            Mode = attributes.Mode,
            Uid = attributes.Uid,
            Gid = attributes.Gid,
            Rdev = attributes.Rdev,
            Time = attributes.Mtime.Seconds,
            Xattrs = ReadXattrs(path, attributes.Inode),
        };
        switch (attributes.Mode & FileNode.TypeMask)
        {
            case FileTypes.Directory:
                return node with { Entries = ReadEntries(path, attributes.Inode, pending) };
            case FileTypes.Regular:
                return ReadContent(path, attributes, node with { Size = attributes.Size });
            case FileTypes.Symlink:
                Check(files.ReadLink(attributes.Inode, _buffer.AsSpan(0, 4096), out int length), "readlink", path);
                return node with { Target = _buffer.AsSpan(0, length).ToArray(), Size = length };
            default:
                return node;
        }
    }

    private ImmutableSortedDictionary<string, ulong> ReadEntries(string path, InodeNumber directory, Queue<(string, Attributes)> pending)
    {
        var sink = new Collector();
        Check(files.ReadDirectory(directory, 0, false, sink), "readdir", path);
        var entries = ImmutableSortedDictionary.CreateBuilder<string, ulong>(StringComparer.Ordinal);
        foreach ((byte[] name, InodeNumber inode) in sink.Entries)
        {
            string text = Encoding.Latin1.GetString(name);
            string child = path.EndsWith('/') ? path + text : $"{path}/{text}";
            Check(files.GetAttributes(inode, out Attributes found), "stat", child);
            entries[text] = inode.Value;
            pending.Enqueue((child, found));
        }

        return entries.ToImmutable();
    }

    private FileNode ReadContent(string path, in Attributes attributes, FileNode node)
    {
        Check(files.Open(default, attributes.Inode, OpenMode.Read, out ulong handle), "open", path);
        var pages = ImmutableDictionary.CreateBuilder<long, FilePage>();
        long offset = 0;
        while (offset < attributes.Size)
        {
            Errno error = files.Seek(attributes.Inode, offset, false, out long data);
            if (error == Errno.ENXIO)
            {
                break;
            }

            Check(error, "lseek", path);
            offset = data / FilePage.Size * FilePage.Size;
            Check(files.Read(handle, attributes.Inode, offset, _buffer, out int read), "read", path);
            if (read == 0)
            {
                throw new CorruptFormatException($"{path}: nothing to read at {offset}, size {attributes.Size}");
            }

            for (int at = 0; at < read; at += FilePage.Size)
            {
                ReadOnlySpan<byte> piece = _buffer.AsSpan(at, Math.Min(FilePage.Size, read - at));
                if (piece.IndexOfAnyExcept((byte)0) >= 0)
                {
                    pages[(offset + at) / FilePage.Size] = pool.Get(piece);
                }
            }

            offset += read;
        }

        files.Release(handle, attributes.Inode);
        return node with { Pages = pages.ToImmutable() };
    }

    private ImmutableSortedDictionary<string, byte[]> ReadXattrs(string path, InodeNumber inode)
    {
        var xattrs = ImmutableSortedDictionary.CreateBuilder<string, byte[]>(StringComparer.Ordinal);
        Check(files.ListXattr(inode, default, out int length), "listxattr", path);
        if (length > 0)
        {
            byte[] names = new byte[length];
            Check(files.ListXattr(inode, names, out length), "listxattr", path);
            foreach (string name in Encoding.Latin1.GetString(names, 0, length).Split('\0', StringSplitOptions.RemoveEmptyEntries))
            {
                Check(files.GetXattr(inode, Encoding.Latin1.GetBytes(name), _buffer.AsSpan(0, 65536), out int size), "getxattr", path);
                xattrs[name] = _buffer.AsSpan(0, size).ToArray();
            }
        }

        return xattrs.ToImmutable();
    }

    private static void Check(Errno error, string call, string path)
    {
        if (error != Errno.OK)
        {
            throw new CorruptFormatException($"{call} {path}: {error}");
        }
    }

    private sealed class Collector : IDirectorySink
    {
        public List<(byte[] Name, InodeNumber Inode)> Entries { get; } = [];

        public bool Add(ReadOnlySpan<byte> name, InodeNumber inode, byte type, ulong nextCookie, in Attributes attributes)
        {
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
            {
                Entries.Add((name.ToArray(), inode));
            }

            return true;
        }
    }
}
