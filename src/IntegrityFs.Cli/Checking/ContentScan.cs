using System.Text;
using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli.Checking;

/// <summary>Reads everything that a volume holds, through the same doors as a mount, so that every block in use is
/// verified and every bad one is told with the file and bytes that it costs: bitmaps, directories, inodes, attributes,
/// symlinks, content, orphans. Changes nothing. Memory: a megabyte of content, one batch of names, the directories still
/// to visit, and the numbers of files with several names.</summary>
internal sealed class ContentScan(IVolume volume, ICatalog catalog, IScanSink sink, CancellationToken cancellation)
{
    private const int ChunkBytes = 1 << 20;
    private const int BatchNames = 1024;
    private const int TypeMask = 0xf000;
    private const int DirectoryType = 0x4000;
    private const int FileType = 0x8000;
    private const int SymlinkType = 0xa000;
    private const int LongestTarget = 4096;
    private const int LongestValue = 65536;

    private readonly Stack<(InodeNumber Inode, string Path)> _directories = new();
    private readonly HashSet<ulong> _seen = [];
    private readonly byte[] _names = new byte[LongestValue];
    private readonly byte[] _value = new byte[LongestValue];
    private long _blocks;

    public long Files { get; private set; }

    public long Directories { get; private set; }

    public void Run()
    {
        ScanBitmaps();
        Guard(InodeNumber.Root, "/", () => ScanInode(InodeNumber.Root, "/"));
        while (_directories.TryPop(out (InodeNumber Inode, string Path) directory))
        {
            ScanDirectory(directory.Inode, directory.Path);
        }

        ScanOrphans();
    }

    private void ScanBitmaps()
    {
        long group = 8L * volume.BlockSize;
        for (long block = 0; block < volume.TotalBlocks; block += group)
        {
            long first = block;
            Guard(InodeNumber.None, null, () =>
            {
                using ReadScope scope = volume.EnterRead();
                _ = volume.IsAllocated(new BlockNumber(Math.Min(first + 2, volume.TotalBlocks - 1)));
            });
        }
    }

    private void ScanDirectory(InodeNumber directory, string path)
    {
        Directories++;
        ulong cookie = 0;
        bool more = true;
        while (more)
        {
            var batch = new NameBatch(BatchNames);
            more = Guard(directory, path, () =>
            {
                using CatalogReadScope scope = catalog.EnterRead();
                catalog.ReadDirectory(directory, cookie, batch);
            }) && batch.IsFull;
            cookie = batch.LastCookie;
            foreach ((InodeNumber inode, string name) in batch.Names)
            {
                string child = path.Length == 1 ? path + name : $"{path}/{name}";
                Guard(inode, child, () => ScanInode(inode, child));
            }
        }
    }

    private void ScanInode(InodeNumber inode, string path)
    {
        cancellation.ThrowIfCancellationRequested();
        InodeRecord record;
        using (catalog.EnterRead())
        {
            if (!catalog.TryGetInode(inode, out record))
            {
                sink.Found(new ScanProblem(ProblemKind.Structure, $"{path}: the name leads to inode {inode}, which does not exist", Inode: inode.Value, Path: path));
                return;
            }
        }

        int type = (int)record.Mode & TypeMask;
        if (type == DirectoryType)
        {
            if (_seen.Add(inode.Value))
            {
                _directories.Push((inode, path));
            }
            else
            {
                sink.Found(new ScanProblem(ProblemKind.Structure, $"{path}: directory {inode} has a second name", Inode: inode.Value, Path: path));
            }
        }
        else if (record.Links > 1 && !_seen.Add(inode.Value))
        {
            return;
        }
        else
        {
            Files++;
        }

        ScanAttributes(inode, path);
        if (type == FileType)
        {
            ScanContent(inode, record, path);
        }
        else if (type == SymlinkType)
        {
            using CatalogReadScope scope = catalog.EnterRead();
            Expect(catalog.ReadSymlink(inode, _value.AsSpan(0, LongestTarget), out _), inode, path, "symlink target");
        }
    }

    private void ScanAttributes(InodeNumber inode, string path)
    {
        Guard(inode, path, () =>
        {
            using CatalogReadScope scope = catalog.EnterRead();
            Errno error = catalog.ListXattr(inode, _names, out int length);
            if (error == Errno.ERANGE)
            {
                return;
            }

            Expect(error, inode, path, "list of attributes");
            ReadOnlySpan<byte> names = _names.AsSpan(0, error == Errno.OK ? length : 0);
            while (names.IndexOf((byte)0) is int end and > 0)
            {
                Expect(catalog.GetXattr(inode, names[..end], _value, out _), inode, path, $"attribute {Encoding.UTF8.GetString(names[..end])}");
                names = names[(end + 1)..];
            }
        });
    }

    private void ScanContent(InodeNumber inode, InodeRecord record, string path)
    {
        using var chunk = new AlignedMemory(Math.Max(ChunkBytes, volume.BlockSize));
        long offset = 0;
        while (offset < record.Size)
        {
            cancellation.ThrowIfCancellationRequested();
            using (CatalogReadScope scope = catalog.EnterRead())
            {
                Errno error = catalog.SeekContent(inode, record, offset, hole: false, out long data);
                if (error == Errno.ENXIO)
                {
                    return;
                }

                offset = Math.Max(offset, data / volume.BlockSize * volume.BlockSize);
            }

            long length = Math.Min(chunk.Length, record.Size - offset);
            if (!TryRead(inode, record, offset, chunk.Span[..(int)length], out _))
            {
                ScanBlocks(inode, record, path, offset, chunk.Span[..(int)length]);
            }

            offset += length;
            _blocks += (length + volume.BlockSize - 1) / volume.BlockSize;
            sink.Progress(_blocks);
        }
    }

    /// <summary>After a chunk that could not be read: which of its blocks.</summary>
    private void ScanBlocks(InodeNumber inode, InodeRecord record, string path, long offset, Span<byte> buffer)
    {
        for (int at = 0; at < buffer.Length; at += volume.BlockSize)
        {
            int length = Math.Min(volume.BlockSize, buffer.Length - at);
            if (!TryRead(inode, record, offset + at, buffer.Slice(at, length), out Exception? failure))
            {
                ScanProblem problem = Describe(failure!, inode, path);
                sink.Found(problem with
                {
                    Offset = offset + at,
                    Length = length,
                    Message = $"{path}: bytes {offset + at} to {offset + at + length - 1}: {failure!.Message}",
                });
            }
        }
    }

    private bool TryRead(InodeNumber inode, InodeRecord record, long offset, Span<byte> buffer, out Exception? failure)
    {
        try
        {
            using CatalogReadScope scope = catalog.EnterRead();
            catalog.ReadContent(inode, record, offset, buffer);
            failure = null;
            return true;
        }
        catch (Exception e) when (e is IntegrityException or DeviceException or CorruptFormatException)
        {
            failure = e;
            return false;
        }
    }

    private void ScanOrphans()
    {
        InodeNumber orphan = InodeNumber.None;
        while (true)
        {
            InodeNumber next = InodeNumber.None;
            bool found = false;
            bool readable = Guard(orphan, null, () =>
            {
                using CatalogReadScope scope = catalog.EnterRead();
                found = catalog.TryNextOrphan(orphan, out next);
            });
            if (!readable || !found)
            {
                return;
            }

            orphan = next;
            string name = $"(inode {orphan} without a name)";
            Guard(orphan, name, () => ScanInode(orphan, name));
        }
    }

    /// <summary>Runs a step; a failure becomes a finding, false.</summary>
    private bool Guard(InodeNumber inode, string? path, Action step)
    {
        try
        {
            step();
            return true;
        }
        catch (Exception e) when (e is IntegrityException or DeviceException or CorruptFormatException)
        {
            sink.Found(Describe(e, inode, path));
            return false;
        }
    }

    private void Expect(Errno error, InodeNumber inode, string path, string what)
    {
        if (error != Errno.OK)
        {
            sink.Found(new ScanProblem(ProblemKind.Structure, $"{path}: {what}: {error}", Inode: inode.Value, Path: path));
        }
    }

    private static ScanProblem Describe(Exception failure, InodeNumber inode, string? path)
    {
        string message = path is null ? failure.Message : $"{path}: {failure.Message}";
        return failure switch
        {
            IntegrityException e => new ScanProblem(ProblemKind.Integrity, message, e.Block, inode.Value, path),
            DeviceException => new ScanProblem(ProblemKind.Device, message, -1, inode.Value, path),
            _ => new ScanProblem(ProblemKind.Structure, message, -1, inode.Value, path),
        };
    }

    /// <summary>Names collected inside a scope, gone through outside.</summary>
    private sealed class NameBatch(int most) : IDentryVisitor
    {
        public List<(InodeNumber Inode, string Name)> Names { get; } = [];

        public ulong LastCookie { get; private set; }

        public bool IsFull => Names.Count == most;

        public bool Visit(ReadOnlySpan<byte> name, Dentry entry, ulong cookie)
        {
            if (IsFull)
            {
                return false;
            }

            Names.Add((entry.Inode, Encoding.UTF8.GetString(name)));
            LastCookie = cookie;
            return true;
        }
    }
}
