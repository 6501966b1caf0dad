// Promise: nothing but an Errno leaves this floor. Each public member is the boundary of one request: it refuses changes
// where the mount takes none, calls the family of operations that does the work, and hands every exception to the one
// FaultReporter, after all scopes are left.
using IntegrityFs.Catalog;
using IntegrityFs.Format;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.FileSystem;

/// <summary>
/// POSIX over a catalog. Thread safe; one instance for each mount, with the options that the mount was given.
/// <para>Access times are not updated by reading (noatime); utimensat(2) sets them. The inode generation is always 1,
/// because inode numbers are never reused. O_APPEND writes go to the offset that the caller gives.</para>
/// </summary>
public sealed partial class PosixFileSystem : IFileSystem
{
    private readonly ICatalog _catalog;
    private readonly FileSystemContext _context;
    private readonly FaultReporter _faults;
    private readonly Lookups _lookups;
    private readonly NodeCreation _creation;
    private readonly Linking _linking;
    private readonly Renaming _renaming;
    private readonly AttributeChanges _attributeChanges;
    private readonly FileContent _content;
    private readonly Opening _opening;
    private readonly RangeCopy _rangeCopy;
    private readonly DirectoryListing _listing;
    private readonly ExtendedAttributes _xattrs;
    private readonly Orphans _orphans;
    private readonly bool _mountedReadOnly;

    /// <summary>A file system on an open catalog. Before a writable one serves, <see cref="RecoverOrphans"/> is to be
    /// called.</summary>
    /// <param name="catalog">The catalog; the caller keeps and closes it.</param>
    /// <param name="clock">Where times come from.</param>
    /// <param name="logger">Receives one line for each bad block, and for each other failure.</param>
    /// <param name="options">Choices of the mount.</param>
    public PosixFileSystem(ICatalog catalog, TimeProvider clock, ILogger? logger = null, PosixFileSystemOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(clock);
        options ??= new PosixFileSystemOptions();
        _catalog = catalog;
        _mountedReadOnly = catalog.IsReadOnly;
        _context = new FileSystemContext(catalog, clock, options.ApplyUmask);
        _faults = new FaultReporter(catalog, logger, options);
        _orphans = new Orphans(_context, _faults);
        _lookups = new Lookups(_context);
        _creation = new NodeCreation(_context);
        _linking = new Linking(_context, _orphans);
        _renaming = new Renaming(_context, _orphans);
        _attributeChanges = new AttributeChanges(_context);
        _content = new FileContent(_context, _attributeChanges, _orphans);
        _opening = new Opening(_context, _creation, _content, _orphans);
        _rangeCopy = new RangeCopy(_context, _content);
        _listing = new DirectoryListing(_context);
        _xattrs = new ExtendedAttributes(_context);
    }

    /// <summary>What went wrong since the mount.</summary>
    public FaultCounts Faults => _faults.Counts;

    /// <summary>True where every change is answered with EROFS.</summary>
    public bool IsReadOnly => _catalog.IsReadOnly || _faults.RefusesChanges;

    /// <summary>Inodes that the kernel knows, that are open, or that have no name: what is kept in memory.</summary>
    public int HeldInodes => _context.Holds.Count;

    /// <summary>Destroys what an earlier mount left without a name. To be called before serving; does nothing on a
    /// read-only mount. A failure is reported, and leaves the rest for the next mount.</summary>
    public void RecoverOrphans()
    {
        if (IsReadOnly)
        {
            return;
        }

        try
        {
            _orphans.DestroyAll();
        }
        catch (Exception error)
        {
            _faults.ReportChange(error, InodeNumber.Root);
        }
    }

    /// <inheritdoc/>
    public void Forget(InodeNumber inode, ulong count) => _orphans.Forget(inode, count);

    /// <inheritdoc/>
    public void Destroy()
    {
        RecoverOrphans();
        _ = SyncFileSystem();
    }

    /// <inheritdoc/>
    public Errno GetStatistics(out FileSystemStatistics statistics)
    {
        statistics = default;
        try
        {
            return _lookups.GetStatistics(out statistics);
        }
        catch (Exception error)
        {
            statistics = default;
            return _faults.Report(error, InodeNumber.Root);
        }
    }

    /// <inheritdoc/>
    public Errno Sync(InodeNumber inode, bool dataOnly) => SyncAll(inode);

    /// <inheritdoc/>
    public Errno SyncDirectory(InodeNumber inode, bool dataOnly) => SyncAll(inode);

    /// <inheritdoc/>
    public Errno SyncFileSystem() => SyncAll(InodeNumber.Root);

    /// <inheritdoc/>
    public void SyncTogether(ReadOnlySpan<SyncRequest> requests, Span<Errno> answers) =>
        answers.Fill(SyncAll(requests.IsEmpty ? InodeNumber.Root : requests[0].Inode));

    /// <summary>After a failed write every sync fails, for ever; on a mount that was read-only from the start there is
    /// nothing to do.</summary>
    private Errno SyncAll(InodeNumber inode)
    {
        if (_mountedReadOnly)
        {
            return Errno.OK;
        }

        try
        {
            if (_faults.WritesFailed)
            {
                return Errno.EIO;
            }

            _catalog.Sync();
            return _catalog.IsReadOnly ? Errno.EIO : Errno.OK;
        }
        catch (Exception error)
        {
            return _faults.Report(error, inode);
        }
    }
}
