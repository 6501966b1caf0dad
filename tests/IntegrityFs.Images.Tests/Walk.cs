using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Images.Tests;

/// <summary>Uses a volume as programs would: goes through everything, reads, and changes a little. Any volume may answer with
/// errors; none may make it throw, go on for ever, or take all memory.</summary>
internal sealed class Walk
{
    private const int MostEntries = 5000;
    private const int MostDepth = 24;
    private const int MostRead = 1 << 20;
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private const long MostAllocated = 1L << 30;
    private readonly PosixFileSystem _files;
    private readonly byte[] _buffer = new byte[MostRead];
    private int _entries;

    private Walk(PosixFileSystem files) => _files = files;

    /// <summary>Errors that were answered.</summary>
    public List<string> Errors { get; } = [];

    /// <summary>Mounts a copy and uses it; null where the mount was refused, with an exception that has a name for it.</summary>
    public static Walk? Use(MemoryDevice device)
    {
        MemoryDevice copy = device.Clone();
        long before = GC.GetTotalAllocatedBytes();
        Task<Walk?> task = Task.Run(() => Run(copy));
        Assert.True(task.Wait(s_patience), "the volume keeps its user waiting for ever");
        Assert.True(GC.GetTotalAllocatedBytes() - before < MostAllocated, "the volume takes its user's memory");
        return task.Result;
    }

    private static Walk? Run(MemoryDevice device)
    {
        ProtectedVolume volume;
        try
        {
            volume = SampleVolume.Open(device);
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException)
        {
            return null;
        }

        using (volume)
        {
            CatalogStore catalog;
            try
            {
                catalog = CatalogStore.Open(volume);
            }
            catch (Exception e) when (e is IntegrityException or CorruptFormatException)
            {
                return null;
            }

            var files = new PosixFileSystem(catalog, TimeProvider.System);
            files.RecoverOrphans();
            var walk = new Walk(files);
            walk.Directory(InodeNumber.Root, 0);
            walk.Alter();
            files.Destroy();
            return walk;
        }
    }

    private void Directory(InodeNumber inode, int depth)
    {
        var entries = new Entries();
        Note("readdir", inode, _files.ReadDirectory(inode, 0, true, entries));
        foreach ((byte[] name, InodeNumber child, byte type) in entries.Found)
        {
            if (++_entries > MostEntries)
            {
                return;
            }

            Note("lookup", child, _files.Lookup(inode, name, out Attributes attributes));
            Note("getattr", child, _files.GetAttributes(child, out attributes));
            Note("listxattr", child, _files.ListXattr(child, _buffer, out _));
            Note("getxattr", child, _files.GetXattr(child, "user.long"u8, _buffer, out _));
            if (type == 4 && depth < MostDepth)
            {
                Directory(child, depth + 1);
            }
            else if (type == 10)
            {
                Note("readlink", child, _files.ReadLink(child, _buffer.AsSpan(0, 4096), out _));
            }
            else if (type == 8)
            {
                File(child, attributes.Size);
            }
        }
    }

    private void File(InodeNumber inode, long size)
    {
        Errno error = _files.Open(SampleVolume.Caller, inode, OpenMode.Read | OpenMode.Write, out ulong handle);
        Note("open", inode, error);
        if (error != Errno.OK)
        {
            return;
        }

        Note("read", inode, _files.Read(handle, inode, 0, _buffer, out _));
        Note("read", inode, _files.Read(handle, inode, Math.Max(0, size - 5000), _buffer, out _));
        Note("seek", inode, _files.Seek(inode, 0, true, out _));
        Note("seek", inode, _files.Seek(inode, Math.Max(0, size - 1), false, out _));
        _files.Release(handle, inode);
    }

    /// <summary>Changes: a new file, a longer old one, a shorter one, a name less, a directory moved.</summary>
    private void Alter()
    {
        Caller caller = SampleVolume.Caller;
        Note("statfs", InodeNumber.Root, _files.GetStatistics(out _));
        Errno error = _files.Create(caller, InodeNumber.Root, "new"u8, 0x1A4, OpenMode.Write, null, out Attributes made, out ulong handle);
        Note("create", InodeNumber.Root, error);
        if (error == Errno.OK)
        {
            Note("write", made.Inode, _files.Write(handle, made.Inode, 0, _buffer.AsSpan(0, 50_000), false, out _));
            _files.Release(handle, made.Inode);
        }

        if (_files.Lookup(InodeNumber.Root, "dir"u8, out Attributes directory) != Errno.OK)
        {
            return;
        }

        foreach (string name in (string[])["big", "small", "other"])
        {
            byte[] bytes = System.Text.Encoding.ASCII.GetBytes(name);
            if (_files.Lookup(directory.Inode, bytes, out Attributes file) == Errno.OK
                && _files.Open(caller, file.Inode, OpenMode.Write, out ulong open) == Errno.OK)
            {
                Note("append", file.Inode, _files.Write(open, file.Inode, 10_000, _buffer.AsSpan(0, 9000), false, out _));
                Note("fallocate", file.Inode, _files.Fallocate(open, file.Inode, 4096, 8192, FallocateMode.PunchHole | FallocateMode.KeepSize));
                _files.Release(open, file.Inode);
                Note("unlink", file.Inode, _files.Unlink(directory.Inode, bytes));
            }
        }

        Note("rename", directory.Inode, _files.Rename(caller, directory.Inode, "inner"u8, InodeNumber.Root, "moved"u8, 0));
        Note("sync", InodeNumber.Root, _files.SyncFileSystem());
    }

    private void Note(string what, InodeNumber inode, Errno error)
    {
        if (error is not (Errno.OK or Errno.ENODATA or Errno.ENXIO))
        {
            Errors.Add($"{what} of {inode}: {error}");
        }
    }

    private sealed class Entries : IDirectorySink
    {
        public List<(byte[] Name, InodeNumber Inode, byte Type)> Found { get; } = [];

        public bool Add(ReadOnlySpan<byte> name, InodeNumber inode, byte type, ulong nextCookie, in Attributes attributes)
        {
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
            {
                Found.Add((name.ToArray(), inode, type));
            }

            return Found.Count < MostEntries;
        }
    }
}
