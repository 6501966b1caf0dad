using System.Text;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Conformance;

/// <summary>Short forms of the requests for tests: names as text, success expected unless the name says Try.</summary>
public sealed class Driver(IFileSystem fs)
{
    public static readonly InodeNumber Root = InodeNumber.Root;

    public Caller Caller { get; set; } = new(1000, 1000, 42, 0);

    public IFileSystem Fs => fs;

    public static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    public static byte[] Pattern(int length, int seed = 1)
    {
        byte[] data = new byte[length];
        new Random(seed).NextBytes(data);
        return data;
    }

    public Errno TryLookup(InodeNumber parent, string name, out Attributes attributes) => fs.Lookup(parent, Bytes(name), out attributes);

    public Attributes Lookup(InodeNumber parent, string name)
    {
        Assert.Equal(Errno.OK, TryLookup(parent, name, out Attributes attributes));
        return attributes;
    }

    public bool Exists(InodeNumber parent, string name)
    {
        Errno error = TryLookup(parent, name, out _);
        Assert.True(error is Errno.OK or Errno.ENOENT, $"{error}");
        return error == Errno.OK;
    }

    /// <summary>As the kernel does it when it drops an inode from its cache: takes back every lookup.</summary>
    public void Forget(InodeNumber inode) => fs.Forget(inode, ulong.MaxValue);

    public Attributes Stat(InodeNumber inode)
    {
        Assert.Equal(Errno.OK, fs.GetAttributes(inode, out Attributes attributes));
        return attributes;
    }

    public Errno TryMkdir(InodeNumber parent, string name, uint mode = 0x1ED) =>
        fs.MakeDirectory(Caller, parent, Bytes(name), mode, null, out _);

    public InodeNumber Mkdir(InodeNumber parent, string name, uint mode = 0x1ED)
    {
        Assert.Equal(Errno.OK, fs.MakeDirectory(Caller, parent, Bytes(name), mode, null, out Attributes attributes));
        return attributes.Inode;
    }

    public Errno TryMknod(InodeNumber parent, string name, uint mode, uint rdev = 0) =>
        fs.MakeNode(Caller, parent, Bytes(name), mode, rdev, null, out _);

    public InodeNumber Mknod(InodeNumber parent, string name, uint mode, uint rdev = 0)
    {
        Assert.Equal(Errno.OK, fs.MakeNode(Caller, parent, Bytes(name), mode, rdev, null, out Attributes attributes));
        return attributes.Inode;
    }

    /// <summary>An empty regular file that nobody has open.</summary>
    public InodeNumber Touch(InodeNumber parent, string name, uint mode = 0x1A4) => Mknod(parent, name, 0x8000 | mode);

    public Errno TrySymlink(InodeNumber parent, string name, string target) =>
        fs.Symlink(Caller, parent, Bytes(name), Bytes(target), null, out _);

    public InodeNumber Symlink(InodeNumber parent, string name, string target)
    {
        Assert.Equal(Errno.OK, fs.Symlink(Caller, parent, Bytes(name), Bytes(target), null, out Attributes attributes));
        return attributes.Inode;
    }

    public string ReadLink(InodeNumber inode)
    {
        byte[] buffer = new byte[4096];
        Assert.Equal(Errno.OK, fs.ReadLink(inode, buffer, out int length));
        return Encoding.Latin1.GetString(buffer, 0, length);
    }

    public Errno TryUnlink(InodeNumber parent, string name) => fs.Unlink(parent, Bytes(name));

    public void Unlink(InodeNumber parent, string name) => Assert.Equal(Errno.OK, TryUnlink(parent, name));

    public Errno TryRmdir(InodeNumber parent, string name) => fs.RemoveDirectory(parent, Bytes(name));

    public void Rmdir(InodeNumber parent, string name) => Assert.Equal(Errno.OK, TryRmdir(parent, name));

    public Errno TryLink(InodeNumber inode, InodeNumber parent, string name) => fs.Link(inode, parent, Bytes(name), out _);

    public void Link(InodeNumber inode, InodeNumber parent, string name) => Assert.Equal(Errno.OK, TryLink(inode, parent, name));

    public Errno TryRename(InodeNumber parent, string name, InodeNumber newParent, string newName, RenameMode mode = RenameMode.None) =>
        fs.Rename(Caller, parent, Bytes(name), newParent, Bytes(newName), mode);

    public void Rename(InodeNumber parent, string name, InodeNumber newParent, string newName, RenameMode mode = RenameMode.None) =>
        Assert.Equal(Errno.OK, TryRename(parent, name, newParent, newName, mode));

    public ulong Open(InodeNumber inode, OpenMode mode = OpenMode.Read | OpenMode.Write)
    {
        Assert.Equal(Errno.OK, fs.Open(Caller, inode, mode, out ulong handle));
        return handle;
    }

    public Errno TryOpen(InodeNumber inode, OpenMode mode = OpenMode.Read) => fs.Open(Caller, inode, mode, out _);

    public ulong Create(InodeNumber parent, string name, out InodeNumber inode, OpenMode mode = OpenMode.Read | OpenMode.Write, uint permissions = 0x1A4)
    {
        Assert.Equal(Errno.OK, fs.Create(Caller, parent, Bytes(name), permissions, mode, null, out Attributes attributes, out ulong handle));
        inode = attributes.Inode;
        return handle;
    }

    public ulong CreateTemporary(InodeNumber parent, out InodeNumber inode, OpenMode mode = OpenMode.Read | OpenMode.Write)
    {
        Assert.Equal(Errno.OK, fs.CreateTemporary(Caller, parent, 0x180, mode, null, out Attributes attributes, out ulong handle));
        inode = attributes.Inode;
        return handle;
    }

    public void Close(ulong handle, InodeNumber inode) => Assert.Equal(Errno.OK, fs.Release(handle, inode));

    public void Write(ulong handle, InodeNumber inode, long offset, ReadOnlySpan<byte> data)
    {
        Assert.Equal(Errno.OK, fs.Write(handle, inode, offset, data, false, out int written));
        Assert.Equal(data.Length, written);
    }

    public byte[] Read(ulong handle, InodeNumber inode, long offset, int length)
    {
        byte[] buffer = new byte[length];
        Assert.Equal(Errno.OK, fs.Read(handle, inode, offset, buffer, out int read));
        return buffer[..read];
    }

    /// <summary>A regular file with content, closed.</summary>
    public InodeNumber File(InodeNumber parent, string name, ReadOnlySpan<byte> content)
    {
        ulong handle = Create(parent, name, out InodeNumber inode);
        Write(handle, inode, 0, content);
        Close(handle, inode);
        return inode;
    }

    public byte[] Content(InodeNumber inode)
    {
        ulong handle = Open(inode, OpenMode.Read);
        byte[] content = Read(handle, inode, 0, checked((int)Stat(inode).Size) + 1);
        Close(handle, inode);
        return content;
    }

    public Errno TrySet(InodeNumber inode, AttributeChange change) => fs.SetAttributes(Caller, inode, change, out _);

    public Attributes Set(InodeNumber inode, AttributeChange change)
    {
        Assert.Equal(Errno.OK, fs.SetAttributes(Caller, inode, change, out Attributes attributes));
        return attributes;
    }

    public Attributes Chmod(InodeNumber inode, uint mode) => Set(inode, new AttributeChange { Mask = AttributeMask.Mode, Mode = mode });

    public Attributes Truncate(InodeNumber inode, long size) => Set(inode, new AttributeChange { Mask = AttributeMask.Size, Size = size });

    public Errno TrySetXattr(InodeNumber inode, string name, ReadOnlySpan<byte> value, XattrMode mode = XattrMode.Any) =>
        fs.SetXattr(inode, Bytes(name), value, mode, false);

    public void SetXattr(InodeNumber inode, string name, ReadOnlySpan<byte> value) =>
        Assert.Equal(Errno.OK, TrySetXattr(inode, name, value));

    public bool HasXattr(InodeNumber inode, string name)
    {
        Errno error = fs.GetXattr(inode, Bytes(name), default, out _);
        Assert.True(error is Errno.OK or Errno.ENODATA, $"{error}");
        return error == Errno.OK;
    }

    public byte[] GetXattr(InodeNumber inode, string name)
    {
        byte[] buffer = new byte[65536];
        Assert.Equal(Errno.OK, fs.GetXattr(inode, Bytes(name), buffer, out int length));
        return buffer[..length];
    }

    public string[] ListXattr(InodeNumber inode)
    {
        byte[] buffer = new byte[65536];
        Assert.Equal(Errno.OK, fs.ListXattr(inode, buffer, out int length));
        return [.. Encoding.Latin1.GetString(buffer, 0, length).Split('\0', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];
    }

    public Errno TryRemoveXattr(InodeNumber inode, string name) => fs.RemoveXattr(inode, Bytes(name));

    public List<Listed> List(InodeNumber directory, bool withAttributes = false, int portion = int.MaxValue)
    {
        List<Listed> all = [];
        ulong cookie = 0;
        while (true)
        {
            Collector collector = new(portion);
            Assert.Equal(Errno.OK, fs.ReadDirectory(directory, cookie, withAttributes, collector));
            all.AddRange(collector.Entries);
            if (!collector.Refused)
            {
                return all;
            }

            cookie = all[^1].NextCookie;
        }
    }

    public string[] Names(InodeNumber directory) =>
        [.. List(directory).Select(e => e.Name).Where(n => n is not ("." or "..")).Order(StringComparer.Ordinal)];

    private sealed class Collector(int portion) : IDirectorySink
    {
        public List<Listed> Entries { get; } = [];

        public bool Refused { get; private set; }

        public bool Add(ReadOnlySpan<byte> name, InodeNumber inode, byte type, ulong nextCookie, in Attributes attributes)
        {
            if (Entries.Count == portion)
            {
                Refused = true;
                return false;
            }

            Entries.Add(new Listed(Encoding.Latin1.GetString(name), inode, type, nextCookie, attributes));
            return true;
        }
    }
}

/// <summary>One entry as it was listed.</summary>
public sealed record Listed(string Name, InodeNumber Inode, byte Type, ulong NextCookie, Attributes Attributes);

/// <summary>Labels for a new inode.</summary>
public sealed class Labels(params (string Name, byte[] Value)[] all) : IInitialXattrs
{
    private readonly (byte[] Name, byte[] Value)[] _all = [.. all.Select(x => (Driver.Bytes(x.Name), x.Value))];

    public int Count => _all.Length;

    public ReadOnlySpan<byte> Name(int index) => _all[index].Name;

    public ReadOnlySpan<byte> Value(int index) => _all[index].Value;
}
