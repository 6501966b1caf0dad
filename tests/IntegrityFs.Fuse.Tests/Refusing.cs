using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.Fuse.Tests;

/// <summary>Answers everything with one error, or throws where it is null; remembers what it was asked.</summary>
internal sealed class Refusing(Errno? answer) : IFileSystem
{
    public OpenMode LastOpen { get; private set; }

    public Caller LastCaller { get; private set; }

    public AttributeChange LastChange { get; private set; }

    /// <summary>Listings give this many entries before the answer.</summary>
    public int Entries { get; init; }

    public Errno Lookup(InodeNumber parent, ReadOnlySpan<byte> name, out Attributes attributes) => Answer(out attributes);

    public void Forget(InodeNumber inode, ulong count)
    {
    }

    public Errno GetAttributes(InodeNumber inode, out Attributes attributes) => Answer(out attributes);

    public Errno SetAttributes(in Caller caller, InodeNumber inode, in AttributeChange change, out Attributes attributes)
    {
        LastChange = change;
        return Answer(out attributes);
    }

    public Errno ReadLink(InodeNumber inode, Span<byte> target, out int length) => Answer(out length);

    public Errno Symlink(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, IInitialXattrs? xattrs, out Attributes attributes) => Answer(caller, out attributes);

    public Errno MakeNode(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, uint rdev, IInitialXattrs? xattrs, out Attributes attributes) => Answer(caller, out attributes);

    public Errno MakeDirectory(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint mode, IInitialXattrs? xattrs, out Attributes attributes) => Answer(caller, out attributes);

    public Errno Unlink(InodeNumber parent, ReadOnlySpan<byte> name) => Answer();

    public Errno RemoveDirectory(InodeNumber parent, ReadOnlySpan<byte> name) => Answer();

    public Errno Rename(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, InodeNumber newParent, ReadOnlySpan<byte> newName, RenameMode mode) => Answer();

    public Errno Link(InodeNumber inode, InodeNumber newParent, ReadOnlySpan<byte> newName, out Attributes attributes) => Answer(out attributes);

    public Errno Open(in Caller caller, InodeNumber inode, OpenMode mode, out ulong handle)
    {
        LastOpen = mode;
        return Answer(out handle);
    }

    public Errno Create(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle)
    {
        handle = 0;
        return Answer(caller, out attributes);
    }

    public Errno CreateTemporary(in Caller caller, InodeNumber parent, uint permissions, OpenMode open, IInitialXattrs? xattrs, out Attributes attributes, out ulong handle)
    {
        handle = 0;
        return Answer(caller, out attributes);
    }

    public Errno Read(ulong handle, InodeNumber inode, long offset, Span<byte> buffer, out int read) => Answer(out read);

    public Errno Write(ulong handle, InodeNumber inode, long offset, ReadOnlySpan<byte> data, bool killPrivileges, out int written) => Answer(out written);

    public Errno Flush(ulong handle, InodeNumber inode) => Answer();

    public Errno Release(ulong handle, InodeNumber inode) => Answer();

    public Errno Sync(InodeNumber inode, bool dataOnly) => Answer();

    public Errno SyncDirectory(InodeNumber inode, bool dataOnly) => Answer();

    public Errno SyncFileSystem() => Answer();

    public Errno ReadDirectory(InodeNumber directory, ulong cookie, bool withAttributes, IDirectorySink sink)
    {
        for (ulong i = cookie; i < (ulong)Entries; i++)
        {
            var attributes = new Attributes { Inode = new InodeNumber(10 + i), Mode = 0x81a4 };
            sink.Add([(byte)('a' + i)], attributes.Inode, 8, i + 1, attributes);
        }

        return Answer();
    }

    public Errno GetStatistics(out FileSystemStatistics statistics) => Answer(out statistics);

    public Errno GetXattr(InodeNumber inode, ReadOnlySpan<byte> name, Span<byte> value, out int length) => Answer(out length);

    public Errno SetXattr(InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrMode mode, bool killSetGid) => Answer();

    public Errno ListXattr(InodeNumber inode, Span<byte> names, out int length) => Answer(out length);

    public Errno RemoveXattr(InodeNumber inode, ReadOnlySpan<byte> name) => Answer();

    public Errno Fallocate(ulong handle, InodeNumber inode, long offset, long length, FallocateMode mode) => Answer();

    public Errno Seek(InodeNumber inode, long offset, bool hole, out long result) => Answer(out result);

    public Errno CopyRange(InodeNumber source, long sourceOffset, InodeNumber target, long targetOffset, long length, out long copied) => Answer(out copied);

    public void Destroy()
    {
    }

    private Errno Answer() => answer ?? throw new InvalidOperationException("a planted defect");

    private Errno Answer<T>(out T value)
        where T : struct
    {
        value = default;
        return Answer();
    }

    private Errno Answer(in Caller caller, out Attributes attributes)
    {
        LastCaller = caller;
        return Answer(out attributes);
    }
}
