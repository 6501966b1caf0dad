using System.Text;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>Makes a tree through the door of an empty file system.</summary>
public sealed class TreeWriter
{
    private readonly IFileSystem _files;
    private readonly Dictionary<ulong, InodeNumber> _made = [];

    private TreeWriter(IFileSystem files) => _files = files;

    /// <summary>Writes everything; the caller synchronises.</summary>
    /// <exception cref="CorruptFormatException">Something cannot be made.</exception>
    public static void Write(FileTree tree, IFileSystem files)
    {
        ArgumentNullException.ThrowIfNull(tree);
        var writer = new TreeWriter(files);
        foreach ((string path, ulong inode, FileNode node) in tree.Walk())
        {
            writer.Make(path, inode, node, tree);
        }

        // Directories last: making what is in them changes their times.
        foreach ((string path, ulong inode, FileNode node) in tree.Walk().Reverse())
        {
            if (node.IsDirectory)
            {
                writer.SetAttributes(path, writer._made[inode], node);
            }
        }
    }

    private void Make(string path, ulong inode, FileNode node, FileTree tree)
    {
        if (inode == FileTree.Root)
        {
            _made.Add(inode, InodeNumber.Root);
            return;
        }

        int slash = path.LastIndexOf('/');
        InodeNumber parent = slash == 0 ? InodeNumber.Root : _made[Resolve(tree, path[..slash])];
        byte[] name = Encoding.Latin1.GetBytes(path[(slash + 1)..]);
        if (_made.TryGetValue(inode, out InodeNumber known))
        {
            Check(_files.Link(known, parent, name, out _), path);
            return;
        }

        var caller = new Caller(node.Uid, node.Gid, 1, 0);
        Attributes made;
        switch (node.Mode & FileNode.TypeMask)
        {
            case FileTypes.Directory:
                Check(_files.MakeDirectory(caller, parent, name, node.Mode & 0xFFF, null, out made), path);
                _made.Add(inode, made.Inode);
                return;
            case FileTypes.Symlink:
                Check(_files.Symlink(caller, parent, name, node.Target.Span, null, out made), path);
                break;
            case FileTypes.Regular:
                Check(_files.Create(caller, parent, name, node.Mode & 0xFFF, OpenMode.Write, null, out made, out ulong handle), path);
                WriteContent(path, handle, made.Inode, node);
                Check(_files.Release(handle, made.Inode), path);
                break;
            default:
                Check(_files.MakeNode(caller, parent, name, node.Mode, node.Rdev, null, out made), path);
                break;
        }

        _made.Add(inode, made.Inode);
        SetAttributes(path, made.Inode, node);
    }

    private static ulong Resolve(FileTree tree, string path)
    {
        ulong inode = FileTree.Root;
        foreach (string name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            inode = tree.Lookup(inode, name);
        }

        return inode;
    }

    private void WriteContent(string path, ulong handle, InodeNumber inode, FileNode node)
    {
        foreach ((long number, FilePage page) in node.Pages)
        {
            long offset = number * FilePage.Size;
            int length = (int)Math.Clamp(node.Size - offset, 0, FilePage.Size);
            if (length > 0)
            {
                Check(_files.Write(handle, inode, offset, page.Bytes[..length], false, out int written), path);
                Check(written == length ? Errno.OK : Errno.ENOSPC, path);
            }
        }

        var size = new AttributeChange { Mask = AttributeMask.Size, Size = node.Size };
        Check(_files.SetAttributes(default, inode, size, out _), path);
    }

    private void SetAttributes(string path, InodeNumber inode, FileNode node)
    {
        foreach ((string name, byte[] value) in node.Xattrs)
        {
            Check(_files.SetXattr(inode, Encoding.Latin1.GetBytes(name), value, XattrMode.Any, false), path);
        }

        // A symlink has no mode to change.
        bool symlink = (node.Mode & FileNode.TypeMask) == FileTypes.Symlink;
        var change = new AttributeChange
        {
            Mask = (symlink ? 0 : AttributeMask.Mode) | AttributeMask.Uid | AttributeMask.Gid | AttributeMask.Atime | AttributeMask.Mtime,
            Mode = node.Mode & 0xFFF,
            Uid = node.Uid,
            Gid = node.Gid,
            Atime = new Timestamp(node.Time, 0),
            Mtime = new Timestamp(node.Time, 0),
        };
        Check(_files.SetAttributes(default, inode, change, out _), path);
    }

    private static void Check(Errno error, string path)
    {
        if (error != Errno.OK)
        {
            throw new CorruptFormatException($"cannot make {path} again: {error}");
        }
    }
}
