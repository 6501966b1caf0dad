using System.Text;
using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Images.Tests;

/// <summary>A healthy volume with one of everything, from which broken ones are made. Built once; each user has a copy.</summary>
internal static class SampleVolume
{
    public const int Size = 8 << 20;
    public const int BlockSize = 4096;
    public const ulong HashSeed = 0x5EED;

    /// <summary>Files in /many: so many that the catalog has levels.</summary>
    public const int ManyFiles = 240;

    private static readonly Lazy<MemoryDevice> s_image = new(Build);

    public static byte[] Key { get; } = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];

    public static MemoryDevice Copy()
    {
        lock (s_image)
        {
            return s_image.Value.Clone();
        }
    }

    public static VolumeOptions Options { get; } = new() { CacheBytes = 1 << 20 };

    public static ProtectedVolume Open(IDevice device, bool readOnly = false) => ProtectedVolume.Open(device, Key, Options with { ReadOnly = readOnly });

    private static MemoryDevice Build()
    {
        var device = new MemoryDevice(Size);
        VolumeFormatter.Format(device, Key, new VolumeFormatOptions { JournalBytes = 256 * BlockSize, Uuid = new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) });
        using ProtectedVolume volume = Open(device);
        CatalogStore.Format(volume, new Timestamp(1000, 0), HashSeed);
        var files = new PosixFileSystem(CatalogStore.Open(volume), TimeProvider.System);
        InodeNumber directory = MakeDirectory(files, InodeNumber.Root, "dir");
        InodeNumber inner = MakeDirectory(files, directory, "inner");
        MakeDirectory(files, inner, "innermost");
        InodeNumber many = MakeDirectory(files, InodeNumber.Root, "many");
        for (int i = 0; i < ManyFiles; i++)
        {
            Write(files, many, $"file-number-{i}", 20 + i);
        }

        InodeNumber big = Write(files, directory, "big", (40 * BlockSize) + 100);
        Write(files, directory, "other", 20 * BlockSize);
        Write(files, directory, "small", 100);
        Expect(files.Link(big, directory, "second"u8, out _));
        Expect(files.Symlink(Caller, directory, "link"u8, Encoding.ASCII.GetBytes(new string('t', 2500)), null, out _));
        Expect(files.MakeNode(Caller, directory, "fifo"u8, 0x1000 | 0x1A4, 0, null, out _));
        Expect(files.SetXattr(big, "user.long"u8, new byte[5000], XattrMode.Any, false));
        Expect(files.SetXattr(big, "user.short"u8, "value"u8, XattrMode.Any, false));
        volume.Close();
        return device;
    }

    public static Caller Caller { get; } = new(0, 0, 1, 0);

    public static void Expect(Errno error)
    {
        if (error != Errno.OK)
        {
            throw new InvalidOperationException($"the sample volume cannot be made: {error}");
        }
    }

    private static InodeNumber MakeDirectory(PosixFileSystem files, InodeNumber parent, string name)
    {
        Expect(files.MakeDirectory(Caller, parent, Encoding.ASCII.GetBytes(name), 0x1ED, null, out Attributes made));
        return made.Inode;
    }

    private static InodeNumber Write(PosixFileSystem files, InodeNumber parent, string name, int length)
    {
        Expect(files.Create(Caller, parent, Encoding.ASCII.GetBytes(name), 0x1A4, OpenMode.Write, null, out Attributes made, out ulong handle));
        byte[] content = new byte[length];
        Array.Fill(content, (byte)(name.Length + length));
        Expect(files.Write(handle, made.Inode, 0, content, false, out _));
        Expect(files.Release(handle, made.Inode));
        return made.Inode;
    }
}
