using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.NullServer;

/// <summary>One inode in memory.</summary>
internal sealed class Node(InodeNumber number, uint mode)
{
    private byte[] _content = [];

    public InodeNumber Number { get; } = number;

    public uint Mode { get; set; } = mode;

    public uint Links { get; set; }

    public uint Uid { get; set; }

    public uint Gid { get; set; }

    public uint Rdev { get; init; }

    public long Size { get; set; }

    public Timestamp Atime { get; set; }

    public Timestamp Mtime { get; set; }

    public Timestamp Ctime { get; set; }

    public Timestamp Btime { get; init; }

    /// <summary>Target of a symbolic link.</summary>
    public byte[] Target { get; init; } = [];

    /// <summary>Entries, where this is a directory.</summary>
    public Directory? Entries { get; init; }

    public Dictionary<string, byte[]>? Xattrs { get; set; }

    public bool IsDirectory => (Mode & 0xf000) == 0x4000;

    public byte EntryType => (byte)(Mode >> 12);

    public void Describe(out Attributes attributes) => attributes = new Attributes
    {
        Inode = Number,
        Mode = Mode,
        Links = Links,
        Uid = Uid,
        Gid = Gid,
        Rdev = Rdev,
        Size = Size,
        Blocks = (Size + 511) / 512,
        BlockSize = 4096,
        Atime = Atime,
        Mtime = Mtime,
        Ctime = Ctime,
        Btime = Btime,
    };

    public void Load(long offset, Span<byte> buffer)
    {
        buffer.Clear();
        if (offset < _content.Length)
        {
            int length = (int)Math.Min(buffer.Length, _content.Length - offset);
            _content.AsSpan((int)offset, length).CopyTo(buffer);
        }
    }

    public void Store(long offset, ReadOnlySpan<byte> data)
    {
        long end = offset + data.Length;
        if (end > _content.Length)
        {
            Array.Resize(ref _content, (int)Math.Max(end, Math.Min(2L * _content.Length, Array.MaxLength)));
        }

        data.CopyTo(_content.AsSpan((int)offset));
    }

    public void Resize(long size)
    {
        if (size < _content.Length)
        {
            _content.AsSpan((int)size).Clear();
        }

        Size = size;
    }

    public void Punch(long offset, long length)
    {
        if (offset < _content.Length)
        {
            _content.AsSpan((int)offset, (int)Math.Min(length, _content.Length - offset)).Clear();
        }
    }
}

/// <summary>Names of a directory, found by name and listed in the order of their creation.</summary>
internal sealed class Directory(Node parent)
{
    private readonly Dictionary<byte[], int> _places = new(NameComparer.Instance);
    private readonly List<(byte[] Name, Node Node)?> _entries = [];

    /// <summary>What ".." names.</summary>
    public Node? Parent { get; set; } = parent;

    public int Count => _places.Count;

    /// <summary>Places in use or used once; a listing's cookies count them.</summary>
    public int Places => _entries.Count;

    public (byte[] Name, Node Node)? At(int place) => _entries[place];

    public Node? Find(ReadOnlySpan<byte> name) =>
        _places.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(name, out int place) ? _entries[place]!.Value.Node : null;

    public void Put(ReadOnlySpan<byte> name, Node node)
    {
        if (_places.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(name, out int place))
        {
            _entries[place] = (_entries[place]!.Value.Name, node);
            return;
        }

        byte[] key = name.ToArray();
        _places.Add(key, _entries.Count);
        _entries.Add((key, node));
    }

    public void Remove(ReadOnlySpan<byte> name)
    {
        if (_places.GetAlternateLookup<ReadOnlySpan<byte>>().Remove(name, out _, out int place))
        {
            _entries[place] = null;
        }
    }

    private sealed class NameComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public static readonly NameComparer Instance = new();

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] name) => GetHashCode((ReadOnlySpan<byte>)name);

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate)
        {
            var hash = default(HashCode);
            hash.AddBytes(alternate);
            return hash.ToHashCode();
        }

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}
