using IntegrityFs.Catalog;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.CrashTesting;

/// <summary>Opens images of a volume without a mount: recovers, and reads the tree. Thread safe.</summary>
public sealed class VolumeRecovery(byte[] masterKey)
{
    private readonly PagePool _pool = new();

    /// <summary>Recovers the image (its journal is replayed into it) and reads everything.</summary>
    public FileTree Recover(PageImage image)
    {
        using var device = new ImageDevice(image);
        using var volume = ProtectedVolume.Open(device, masterKey, new VolumeOptions { CacheBytes = 4 << 20, CommitInterval = TimeSpan.FromDays(1) });
        if (volume.Recovery.LostBlocks.Count > 0)
        {
            throw new CorruptFormatException($"recovery lost {volume.Recovery.LostBlocks.Count} blocks");
        }

        var log = new LastErrorLogger();
        var files = new PosixFileSystem(CatalogStore.Open(volume, log), TimeProvider.System, log);
        files.RecoverOrphans();
        return FileTree.Take(files, _pool);
    }
}
