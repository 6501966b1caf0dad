using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem.Conformance;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>The suite over the real catalog, on a real volume in memory. At the end of each test the volume is committed and
/// dropped without being closed, and opened again: the same tree must be there, with nothing to complain about.</summary>
public sealed class StoreConformance : FileSystemConformance
{
    private static readonly byte[] Key = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];

    private readonly MemoryDevice _device = new(32 << 20);
    private readonly LogLines _log = new();
    private ProtectedVolume? _volume;

    protected override IFileSystem CreateFileSystem(TimeProvider clock)
    {
        VolumeFormatter.Format(_device, Key, new VolumeFormatOptions { Created = clock.GetUtcNow() });
        _volume = Open(clock);
        CatalogStore.Format(_volume, Timestamp.Now(clock), 0x0123456789ABCDEF);
        return new PosixFileSystem(CatalogStore.Open(_volume), clock, _log);
    }

    protected override void Dispose(bool disposing)
    {
        if (_volume is null)
        {
            return;
        }

        string before = Describe(T);
        Assert.Equal(Errno.OK, T.Fs.SyncFileSystem());
        _volume.Dispose();

        using ProtectedVolume again = Open(Clock);
        PosixFileSystem fs = new(CatalogStore.Open(again), Clock, _log);
        fs.RecoverOrphans();
        Assert.Equal(before, Describe(new Driver(fs)));
        Assert.Empty(_log.All);
        fs.Destroy();
        again.Close();
        _device.Dispose();
    }

    private static string Describe(Driver driver)
    {
        List<string> lines = [];
        Visit(driver, InodeNumber.Root, "", lines);
        lines.Sort(StringComparer.Ordinal);
        return string.Join('\n', lines);
    }

    private static void Visit(Driver driver, InodeNumber directory, string path, List<string> lines)
    {
        foreach (Listed entry in driver.List(directory, withAttributes: true))
        {
            Attributes a = entry.Attributes;
            lines.Add($"{path}/{entry.Name} {a.Inode} {a.Mode:X} {a.Links} {a.Uid} {a.Gid} {a.Size} {a.Atime} {a.Mtime} {a.Ctime} {a.Btime} {string.Join(',', driver.ListXattr(a.Inode))}");
            if (entry.Name is not ("." or "..") && entry.Type == 4)
            {
                Visit(driver, entry.Inode, $"{path}/{entry.Name}", lines);
            }

            if (entry.Type == 8 && a.Size < 4 << 20)
            {
                lines.Add($"{path}/{entry.Name} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(driver.Content(entry.Inode)))}");
            }
        }
    }

    private ProtectedVolume Open(TimeProvider clock) =>
        ProtectedVolume.Open(_device, Key, new VolumeOptions { CacheBytes = 8 << 20, Clock = clock });
}
