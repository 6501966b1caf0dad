// The catalog on a volume: puts the tree and its items together. Every change is one operation of the volume, so it is
// whole or absent after a crash. Space is promised before an operation starts; the last free blocks are left to removals.

using IntegrityFs.Format;
using IntegrityFs.Volume;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Catalog;

/// <summary>The catalog of a volume.</summary>
public sealed partial class CatalogStore
{
    private const uint DirectoryMode = 0x4000 | 0x1ED;

    private readonly IVolume _volume;
    private readonly ILogger? _logger;
    private readonly CatalogTree _tree;
    private readonly InodeItems _inodes;
    private readonly DentryItems _dentries;
    private readonly XattrItems _xattrs;
    private readonly SymlinkItems _symlinks;
    private readonly Operation _operation;
    private long _inodeCount;

    internal CatalogStore(IVolume volume, ILogger? logger, ulong hashMask)
    {
        _volume = volume;
        _logger = logger;
        _tree = new CatalogTree(volume);
        CatalogRoot root;
        using (volume.EnterRead())
        {
            root = _tree.ReadRoot();
        }

        var hash = new NameHash(root.HashSeed, hashMask);
        _inodes = new InodeItems(_tree);
        _dentries = new DentryItems(_tree, hash);
        _xattrs = new XattrItems(_tree, hash);
        _symlinks = new SymlinkItems(_tree);
        _operation = new Operation(this);
        _inodeCount = (long)root.Inodes;
        InitializeContent();
    }

    /// <inheritdoc/>
    public int BlockSize => _volume.BlockSize;

    /// <inheritdoc/>
    public bool IsReadOnly => _volume.IsReadOnly;

    /// <inheritdoc/>
    public Guid Uuid => _volume.Uuid;

    /// <inheritdoc/>
    public CatalogStatistics Statistics => new(
        _volume.BlockSize,
        _volume.TotalBlocks,
        Math.Max(0, _volume.FreeBlocks - _tree.Reserve),
        Interlocked.Read(ref _inodeCount));

    internal CatalogTree Tree => _tree;

    /// <summary>Creates the catalog of a new volume: an empty root directory. Durable when it returns.</summary>
    /// <param name="volume">A volume without a catalog.</param>
    /// <param name="now">The root directory's times.</param>
    /// <param name="hashSeed">Random: orders names, and keeps others from choosing names that collide.</param>
    public static void Format(IVolume volume, Timestamp now, ulong hashSeed)
    {
        Errno error = volume.Begin(8, 2, out IVolumeOperation operation);
        if (error != Errno.OK)
        {
            throw new InvalidOperationException($"the new volume refuses its first operation: {error}");
        }

        using (operation)
        {
            CatalogTree.Format(volume, operation, hashSeed);
            var root = new InodeRecord
            {
                Mode = DirectoryMode,
                Links = 2,
                Atime = now,
                Mtime = now,
                Ctime = now,
                Btime = now,
                Parent = InodeNumber.Root,
            };
            var inodes = new InodeItems(new CatalogTree(volume, operation));
            inodes.Put(operation, inodes.NewNumber(operation), root);
            operation.Complete();
        }

        volume.Sync();
    }

    /// <summary>Opens the catalog of a volume, and finishes a truncation that a crash interrupted.</summary>
    public static CatalogStore Open(IVolume volume, ILogger? logger = null) => Open(volume, logger, ulong.MaxValue);

    internal static CatalogStore Open(IVolume volume, ILogger? logger, ulong hashMask)
    {
        var store = new CatalogStore(volume, logger, hashMask);
        if (!volume.IsReadOnly)
        {
            store.ResumeContent();
        }

        return store;
    }

    /// <inheritdoc/>
    public CatalogReadScope EnterRead() => new(_volume.EnterRead());

    /// <inheritdoc/>
    public Errno BeginWrite(int changes, out CatalogOperation operation) =>
        Begin(_tree.CostOf(changes, changes), _tree.Reserve, out operation);

    /// <inheritdoc/>
    public Errno BeginRemoval(int changes, out CatalogOperation operation) =>
        Begin(_tree.CostOf(changes, 1), 0, out operation);

    /// <inheritdoc/>
    public bool TryGetInode(InodeNumber inode, out InodeRecord record) => _inodes.TryGet(inode, out record);

    /// <inheritdoc/>
    public bool TryLookup(InodeNumber directory, ReadOnlySpan<byte> name, out Dentry entry) =>
        _dentries.TryFind(directory, name, out entry);

    /// <inheritdoc/>
    public void ReadDirectory(InodeNumber directory, ulong cookie, IDentryVisitor visitor) =>
        _dentries.Visit(directory, cookie, visitor);

    /// <inheritdoc/>
    public bool IsEmptyDirectory(InodeNumber directory) => _dentries.IsEmpty(directory);

    /// <inheritdoc/>
    public bool TryFindName(InodeNumber directory, InodeNumber child, Span<byte> name, out int length) =>
        _dentries.TryFindName(directory, child, name, out length);

    /// <inheritdoc/>
    public Errno GetXattr(InodeNumber inode, ReadOnlySpan<byte> name, Span<byte> value, out int length) =>
        _xattrs.Get(inode, name, value, out length);

    /// <inheritdoc/>
    public Errno ListXattr(InodeNumber inode, Span<byte> names, out int length) => _xattrs.List(inode, names, out length);

    /// <inheritdoc/>
    public Errno ReadSymlink(InodeNumber inode, Span<byte> target, out int length) =>
        _symlinks.Read(inode, target, out length);

    /// <inheritdoc/>
    public bool TryNextOrphan(InodeNumber after, out InodeNumber orphan) => _inodes.TryNextOrphan(after, out orphan);

    /// <inheritdoc/>
    public void Sync() => _volume.Sync();

    private Errno Begin(TreeCost cost, int reserve, out CatalogOperation operation)
    {
        if (_tree.Nodes.IsDamaged)
        {
            Heal();
        }

        // On a volume whose journal is smaller than the bound, changes share nodes far below it.
        int blocks = Math.Min(cost.Blocks, _volume.MaxOperationBlocks);
        int allocations = Math.Min(cost.Allocations, blocks);
        operation = _operation;
        Errno error = _volume.Begin(blocks, allocations, out IVolumeOperation opened);
        if (error != Errno.OK)
        {
            return error;
        }

        if (allocations > 0 && reserve > 0 && _volume.FreeBlocks < allocations + reserve)
        {
            opened.Dispose();
            return Errno.ENOSPC;
        }

        _operation.Start(opened);
        return Errno.OK;
    }

    /// <summary>Writes the bad copy of a node anew. Not being able to is no reason to fail what comes next.</summary>
    private void Heal()
    {
        if (_volume.Begin(1, 0, out IVolumeOperation operation) == Errno.OK)
        {
            using (operation)
            {
                _tree.Nodes.Heal(operation, _tree);
                operation.Complete();
            }
        }
    }

    partial void InitializeContent();

    partial void ResumeContent();

    private void PublishCounters() => Interlocked.Exchange(ref _inodeCount, (long)_tree.ReadRoot().Inodes);
}
