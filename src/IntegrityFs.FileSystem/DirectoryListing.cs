// Promise: an entry that is there throughout a listing is seen exactly once, whatever comes and goes meanwhile. Position 0 is
// ".", 1 is "..", and 2 + c is the catalog's position c. An inode that cannot be read does not end the listing: its name is
// given without attributes, and the failure is reported after the scope is left. An entry with attributes that the caller
// took is counted as a lookup, inside the scope; "." and ".." are not.
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>readdir(3), with or without attributes.</summary>
internal sealed class DirectoryListing(FileSystemContext context)
{
    private const ulong AfterDot = 1;
    private const ulong AfterDotDot = 2;

    private readonly ICatalog _catalog = context.Catalog;

    /// <summary>One visitor is kept for the next listing, so that listing allocates nothing as a rule.</summary>
    private Feeder? _spare;

    /// <summary><paramref name="failure"/>: what was met while reading an inode, and which.</summary>
    public Errno List(InodeNumber inode, ulong cookie, bool withAttributes, IDirectorySink sink, out Exception? failure, out InodeNumber failed)
    {
        failure = null;
        failed = inode;
        Feeder feeder = Interlocked.Exchange(ref _spare, null) ?? new Feeder(context);
        try
        {
            using CatalogReadScope scope = _catalog.EnterRead();
            Errno error = context.GetDirectory(inode, out InodeRecord record);
            if (error != Errno.OK)
            {
                return error;
            }

            feeder.Start(sink, withAttributes);
            if (cookie < AfterDot && !feeder.Offer("."u8, inode, ModeBits.DirectoryType(ModeBits.Directory), AfterDot, out _))
            {
                return Errno.OK;
            }

            if (cookie < AfterDotDot && !feeder.Offer(".."u8, ParentOf(inode, record), ModeBits.DirectoryType(ModeBits.Directory), AfterDotDot, out _))
            {
                return Errno.OK;
            }

            _catalog.ReadDirectory(inode, cookie < AfterDotDot ? 0 : cookie - AfterDotDot, feeder);
            failure = feeder.Failure;
            failed = feeder.Failed;
            return Errno.OK;
        }
        finally
        {
            feeder.Stop();
            _spare = feeder;
        }
    }

    /// <summary>What ".." means: the root is its own parent.</summary>
    public static InodeNumber ParentOf(InodeNumber directory, in InodeRecord record) =>
        directory == InodeNumber.Root || record.Parent == InodeNumber.None ? InodeNumber.Root : record.Parent;

    private sealed class Feeder(FileSystemContext context) : IDentryVisitor
    {
        private IDirectorySink? _sink;
        private bool _withAttributes;

        public Exception? Failure { get; private set; }

        public InodeNumber Failed { get; private set; }

        public void Start(IDirectorySink sink, bool withAttributes)
        {
            _sink = sink;
            _withAttributes = withAttributes;
        }

        public void Stop()
        {
            _sink = null;
            Failure = null;
        }

        public bool Visit(ReadOnlySpan<byte> name, Dentry entry, ulong cookie)
        {
            bool taken = Offer(name, entry.Inode, entry.Type, cookie + AfterDotDot, out bool known);
            if (taken && known)
            {
                context.Holds.TryKnow(entry.Inode);
            }

            return taken;
        }

        /// <summary><paramref name="known"/>: it goes with its attributes.</summary>
        public bool Offer(ReadOnlySpan<byte> name, InodeNumber inode, byte type, ulong nextCookie, out bool known)
        {
            Attributes attributes = default;
            if (_withAttributes)
            {
                Read(inode, out attributes);
            }

            known = attributes.Mode != 0;
            return _sink!.Add(name, inode, type, nextCookie, attributes);
        }

        private void Read(InodeNumber inode, out Attributes attributes)
        {
            attributes = default;
            try
            {
                if (context.Catalog.TryGetInode(inode, out InodeRecord record))
                {
                    context.Fill(inode, record, out attributes);
                }
            }
            catch (Exception error) when (error is IntegrityException or CorruptFormatException)
            {
                Failure ??= error;
                Failed = inode;
            }
        }
    }
}
