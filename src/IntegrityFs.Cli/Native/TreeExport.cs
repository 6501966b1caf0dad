using System.Runtime.InteropServices;
using System.Text;
using IntegrityFs.CrashTesting;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Native;

/// <summary>Writes a tree to a directory, byte for byte: names need not be text. Owners only where root does it; what the
/// target cannot hold (device nodes, attributes) is left out and counted.</summary>
internal sealed unsafe partial class TreeExport
{
    private const string LibC = "libc.so.6";
    private const uint TypeMask = 0xF000;
    private const int CreateNew = 0x40 | 0x80 | 0x1 | 0x80000; // O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC
    private const int NoFollow = 0x100;

    private readonly bool _root = (uint)geteuid() == 0;
    private readonly byte[] _directory;
    private readonly Dictionary<ulong, byte[]> _made = [];

    private TreeExport(string directory) => _directory = Encoding.UTF8.GetBytes(directory);

    /// <summary>Nodes and attributes that could not be made.</summary>
    public int LeftOut { get; private set; }

    /// <summary>Writes the tree below an existing, empty directory; returns how much was left out.</summary>
    public static int Write(FileTree tree, string directory)
    {
        var export = new TreeExport(directory);
        var directories = new List<(byte[] Path, FileNode Node)>();
        foreach ((string path, ulong inode, FileNode node) in tree.Walk())
        {
            export.Make(path, inode, node, directories);
        }

        // Modes and times of directories come last: making what is in them needs the one and changes the other.
        for (int i = directories.Count - 1; i >= 0; i--)
        {
            export.SetAttributes(directories[i].Path, directories[i].Node);
        }

        return export.LeftOut;
    }

    private void Make(string path, ulong inode, FileNode node, List<(byte[] Path, FileNode Node)> directories)
    {
        byte[] full = [.. _directory, .. Encoding.Latin1.GetBytes(path.Length == 1 ? "" : path), 0];
        fixed (byte* name = full)
        {
            if (node.IsDirectory)
            {
                Check(path.Length == 1 ? 0 : mkdir(name, 0x1C0), path);
                directories.Add((full, node));
                return;
            }

            if (_made.TryGetValue(inode, out byte[]? first))
            {
                fixed (byte* old = first)
                {
                    Check(link(old, name), path);
                }

                return;
            }

            _made.Add(inode, full);
            if (!MakeOne(name, path, node))
            {
                _made.Remove(inode);
                LeftOut++;
                return;
            }
        }

        SetAttributes(full, node);
    }

    private static bool MakeOne(byte* name, string path, FileNode node)
    {
        switch (node.Mode & TypeMask)
        {
            case 0x8000:
                WriteContent(name, path, node);
                return true;
            case 0xA000:
                byte[] target = [.. node.Target.Span, 0];
                fixed (byte* text = target)
                {
                    Check(symlink(text, name), path);
                }

                return true;
            default:
                return MakeNode(name, node.Mode, Device(node.Rdev)) == 0;
        }
    }

    private static void WriteContent(byte* name, string path, FileNode node)
    {
        int file = OpenNew(name, CreateNew, 0x180);
        Check(file, path);
        try
        {
            Check(ftruncate(file, node.Size), path);
            foreach ((long number, FilePage page) in node.Pages)
            {
                long offset = number * FilePage.Size;
                int length = (int)Math.Clamp(node.Size - offset, 0, FilePage.Size);
                fixed (byte* bytes = page.Bytes)
                {
                    if (length > 0 && (long)pwrite(file, bytes, length, offset) != length)
                    {
                        throw new CommandFailure(Cause.System, $"cannot write the copy of {path}");
                    }
                }
            }
        }
        finally
        {
            _ = close(file);
        }
    }

    private void SetAttributes(byte[] path, FileNode node)
    {
        fixed (byte* name = path)
        {
            if (_root)
            {
                _ = lchown(name, node.Uid, node.Gid);
            }

            foreach ((string attribute, byte[] value) in node.Xattrs)
            {
                byte[] attributeName = [.. Encoding.Latin1.GetBytes(attribute), 0];
                fixed (byte* key = attributeName, bytes = value)
                {
                    byte empty = 0;
                    LeftOut += SetXattr(name, key, value.Length == 0 ? &empty : bytes, (nuint)value.Length, 0) == 0 ? 0 : 1;
                }
            }

            if ((node.Mode & TypeMask) != 0xA000)
            {
                _ = chmod(name, (mode_t)(node.Mode & 0xFFF));
            }

            long* times = stackalloc long[4] { node.Time, 0, node.Time, 0 };
            _ = SetTimes(-100, name, times, NoFollow);
        }
    }

    /// <summary>new_encode_dev form as glibc's dev_t.</summary>
    private static ulong Device(uint encoded)
    {
        ulong major = (encoded & 0xFFF00) >> 8;
        ulong minor = (encoded & 0xFF) | ((encoded >> 12) & 0xFFF00);
        return ((major & 0xFFF) << 8) | (minor & 0xFF) | ((minor & ~0xFFUL) << 12);
    }

    private static void Check(int result, string path)
    {
        if (result < 0)
        {
            throw new CommandFailure(Cause.System, $"cannot make a copy of {path}: {Posix.Describe(Tmds.Linux.LibC.errno)}");
        }
    }

    [LibraryImport(LibC, EntryPoint = "open")]
    private static partial int OpenNew(byte* path, int flags, uint mode);

    [LibraryImport(LibC, EntryPoint = "mknod")]
    private static partial int MakeNode(byte* path, uint mode, ulong device);

    [LibraryImport(LibC, EntryPoint = "lsetxattr")]
    private static partial int SetXattr(byte* path, byte* name, byte* value, nuint size, int flags);

    [LibraryImport(LibC, EntryPoint = "utimensat")]
    private static partial int SetTimes(int directory, byte* path, long* times, int flags);
}
