// Promise: O_CREAT either makes the file or opens what is there, and O_TMPFILE makes one that is gone after a crash. The
// answer counts as a lookup and as a handle, or it is an error and counts as neither.
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>open(2) with O_CREAT and with O_TMPFILE.</summary>
internal sealed class Opening(FileSystemContext context, NodeCreation creation, FileContent content, Orphans orphans)
{
    /// <summary>Somebody else may remove what was found, or make what was missing; not for ever.</summary>
    private const int Attempts = 16;

    public Errno Create(
        in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, uint permissions, OpenMode open, IInitialXattrs? xattrs,
        out Attributes attributes, out ulong handle)
    {
        handle = 0;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            Errno error = creation.MakeRegular(caller, permissions, parent, name, xattrs, out attributes);
            if (error == Errno.OK)
            {
                context.Holds.TryOpen(attributes.Inode);
                handle = FileHandle.Of(attributes.Inode, open).Value;
                return Errno.OK;
            }

            if (error != Errno.EEXIST || (open & OpenMode.Exclusive) != 0)
            {
                return error;
            }

            error = OpenExisting(parent, name, open, out attributes, out handle);
            if (error != Errno.ENOENT)
            {
                return error;
            }
        }

        attributes = default;
        return Errno.ENOENT;
    }

    public Errno CreateTemporary(
        in Caller caller, InodeNumber parent, uint permissions, OpenMode open, IInitialXattrs? xattrs,
        out Attributes attributes, out ulong handle)
    {
        handle = 0;
        Errno error = creation.MakeTemporary(caller, permissions, parent, xattrs, out attributes);
        if (error == Errno.OK)
        {
            // The lookup that creation has counted keeps it alive.
            context.Holds.Orphaned(attributes.Inode, linkable: (open & OpenMode.Exclusive) == 0);
            context.Holds.TryOpen(attributes.Inode);
            handle = FileHandle.Of(attributes.Inode, open).Value;
        }

        return error;
    }

    /// <summary>A regular file that is there; EISDIR, and EEXIST for what the caller must open by itself.</summary>
    private Errno OpenExisting(InodeNumber parent, ReadOnlySpan<byte> name, OpenMode open, out Attributes attributes, out ulong handle)
    {
        attributes = default;
        handle = 0;
        Dentry entry;
        using (context.Catalog.EnterRead())
        {
            if (NameRules.IsDot(name) || NameRules.IsDotDot(name))
            {
                return Errno.EISDIR;
            }

            if (!context.Catalog.TryLookup(parent, name, out entry))
            {
                return Errno.ENOENT;
            }
        }

        Errno error = content.Open(entry.Inode, open, out FileHandle opened);
        if (error != Errno.OK)
        {
            return error == Errno.EINVAL ? Errno.EEXIST : error;
        }

        bool done = false;
        try
        {
            // It is open now, so it is there, whatever became of its name.
            error = context.GetAttributes(entry.Inode, out attributes);
            done = error == Errno.OK && context.Holds.TryKnow(entry.Inode);
        }
        finally
        {
            if (!done)
            {
                orphans.Close(entry.Inode);
            }
        }

        handle = done ? opened.Value : 0;
        return error;
    }
}
