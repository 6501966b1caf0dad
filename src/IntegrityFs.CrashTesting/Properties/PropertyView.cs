// Promise: says in one word what a recovered volume shows of a file, judged sector by sector against the two contents that
// it may have.
using System.Text;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>Questions to a recovered tree.</summary>
internal sealed class PropertyView(IFileSystem files)
{
    private const int Sector = 512;

    /// <summary>True where the name is there.</summary>
    public bool Exists(string path) => Find(path, out _);

    /// <summary>Size in bytes; −1 where the name is not there.</summary>
    public long Size(string path) => Find(path, out Attributes a) ? a.Size : -1;

    /// <summary>"present" or "absent".</summary>
    public string Presence(string path) => Exists(path) ? "present" : "absent";

    /// <summary>True where an extended attribute is there.</summary>
    public bool HasXattr(string path, string name) =>
        Find(path, out Attributes a) && files.GetXattr(a.Inode, Encoding.UTF8.GetBytes(name), new byte[4096], out _) == Errno.OK;

    /// <summary>What the bytes from <paramref name="start"/> on are: absent, empty, old, new, "new up to a block" (then
    /// old, or nothing), or MIXED.</summary>
    /// <param name="path">The file.</param>
    /// <param name="oldSeed">Seed of the content before; 0 where there was none.</param>
    /// <param name="newSeed">Seed of the content after.</param>
    /// <param name="start">First byte that the operation writes.</param>
    /// <param name="length">Bytes that it writes.</param>
    public string Content(string path, ulong oldSeed, ulong newSeed, long start, long length)
    {
        if (!Find(path, out Attributes a))
        {
            return "absent";
        }

        byte[] content = Read(a);
        if (content.Length == 0)
        {
            return "empty";
        }

        int fresh = 0;
        int former = 0;
        int sectors = 0;
        bool ordered = true;
        for (long at = start; at < Math.Min(start + length, content.Length); at += Sector - (at % Sector))
        {
            int count = (int)Math.Min(Math.Min(Sector - (at % Sector), start + length - at), content.Length - at);
            ReadOnlySpan<byte> seen = content.AsSpan((int)at, count);
            bool isNew = seen.SequenceEqual(ContentPattern.Create(newSeed, at, count));
            bool isOld = oldSeed != 0 && seen.SequenceEqual(ContentPattern.Create(oldSeed, at, count));
            ordered &= (isNew && former == 0) || isOld;
            fresh += isNew ? 1 : 0;
            former += isOld ? 1 : 0;
            sectors++;
        }

        long end = start + length;
        return !ordered ? "MIXED"
            : fresh == sectors && content.Length >= end ? "new"
            : fresh == 0 && (oldSeed != 0 || content.Length <= start) ? "old"
            : content.Length < end ? "new up to a block"
            : "new up to a block, then old";
    }

    private bool Find(string path, out Attributes attributes)
    {
        InodeNumber inode = InodeNumber.Root;
        attributes = default;
        foreach (string part in path.Split('/'))
        {
            if (files.Lookup(inode, Encoding.UTF8.GetBytes(part), out attributes) != Errno.OK)
            {
                return false;
            }

            inode = attributes.Inode;
        }

        return true;
    }

    private byte[] Read(in Attributes a)
    {
        byte[] content = new byte[a.Size];
        Errno error = files.Open(default, a.Inode, OpenMode.Read, out ulong handle);
        int done = 0;
        while (error == Errno.OK && done < content.Length)
        {
            error = files.Read(handle, a.Inode, done, content.AsSpan(done, Math.Min(65536, content.Length - done)), out int read);
            done += read;
        }

        files.Release(handle, a.Inode);
        return error == Errno.OK ? content : throw new InvalidDataException($"inode {a.Inode} cannot be read: {error}");
    }
}
