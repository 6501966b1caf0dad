// Promise: rename(2) is one operation: at no moment, and after no crash, is the renamed inode without a name or the replaced
// name without an inode. The tree stays a tree: before a directory changes its parent, the way from the new parent up to
// the root is walked, and the move is refused where it meets the directory itself.
//
// Link counts of directories are exact: a directory counts itself, its name, and each subdirectory.
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>rename(2) and renameat2(2).</summary>
internal sealed class Renaming(FileSystemContext context, Orphans orphans)
{
    /// <summary>Two names, two parents, the moved inode, the replaced or exchanged inode and its orphan record, a whiteout
    /// and its number.</summary>
    private const int Changes = 9;

    private const RenameMode KnownModes = RenameMode.NoReplace | RenameMode.Exchange | RenameMode.Whiteout;

    private readonly ICatalog _catalog = context.Catalog;

    public Errno Rename(in Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, InodeNumber newParent, ReadOnlySpan<byte> newName, RenameMode mode)
    {
        bool exchanges = (mode & RenameMode.Exchange) != 0;
        if ((mode & ~KnownModes) != 0 || (exchanges && mode != RenameMode.Exchange))
        {
            return Errno.EINVAL;
        }

        Errno taken = (mode & RenameMode.NoReplace) != 0 ? Errno.EEXIST : Errno.EBUSY;
        Errno error = NameRules.CheckEntry(name, Errno.EBUSY, Errno.EBUSY);
        error = error == Errno.OK ? NameRules.CheckEntry(newName, taken, taken) : error;
        if (error != Errno.OK)
        {
            return error;
        }

        // On a full volume a rename may still replace or exchange what is there, which takes no space.
        error = _catalog.BeginWrite(Changes, out CatalogOperation operation);
        bool full = error == Errno.ENOSPC;
        if (full)
        {
            error = _catalog.BeginRemoval(Changes, out operation);
        }

        if (error != Errno.OK)
        {
            return error;
        }

        Move move = new() { Now = context.Now(), SameParent = parent == newParent, OldParentInode = parent, NewParentInode = newParent };
        using (operation)
        {
            error = Examine(ref move, name, newName, mode);
            if (error != Errno.OK || move.IsNothing)
            {
                return error;
            }

            bool whiteout = (mode & RenameMode.Whiteout) != 0;
            if (full && (!move.Replaces || whiteout))
            {
                return Errno.ENOSPC;
            }

            error = exchanges
                ? Exchange(operation, ref move, name, newName)
                : Replace(operation, ref move, caller, name, newName, whiteout);
        }

        if (move.TargetIsUnheld)
        {
            orphans.Destroy(move.Target.Inode);
        }

        return error;
    }

    /// <summary>Reads the four inodes and applies every rule; changes nothing.</summary>
    private Errno Examine(ref Move move, ReadOnlySpan<byte> name, ReadOnlySpan<byte> newName, RenameMode mode)
    {
        Errno error = context.GetDirectory(move.OldParentInode, out move.OldParent);
        error = error == Errno.OK ? context.GetLiveDirectory(move.NewParentInode, out move.NewParent) : error;
        if (error != Errno.OK)
        {
            return error;
        }

        if (!_catalog.TryLookup(move.OldParentInode, name, out move.Source))
        {
            return Errno.ENOENT;
        }

        move.Replaces = _catalog.TryLookup(move.NewParentInode, newName, out move.Target);
        bool exchanges = (mode & RenameMode.Exchange) != 0;
        if (move.Replaces ? (mode & RenameMode.NoReplace) != 0 : exchanges)
        {
            return move.Replaces ? Errno.EEXIST : Errno.ENOENT;
        }

        if (move.Replaces && move.Source.Inode == move.Target.Inode)
        {
            move.IsNothing = true;
            return Errno.OK;
        }

        move.SourceRecord = context.GetNamed(move.OldParentInode, move.Source);
        if (move.Replaces)
        {
            move.TargetRecord = context.GetNamed(move.NewParentInode, move.Target);
        }

        error = ExamineTree(move, exchanges);
        return error == Errno.OK && !exchanges ? ExamineReplacement(move) : error;
    }

    private Errno ExamineTree(in Move move, bool exchanges)
    {
        if (move.SameParent)
        {
            return Errno.OK;
        }

        if (move.SourceIsDirectory && IsWithin(move.NewParentInode, move.Source.Inode))
        {
            return Errno.EINVAL;
        }

        if (move.TargetIsDirectory && IsWithin(move.OldParentInode, move.Target.Inode))
        {
            return exchanges ? Errno.EINVAL : Errno.ENOTEMPTY;
        }

        bool newParentGains = move.SourceIsDirectory && !move.TargetIsDirectory;
        bool oldParentGains = exchanges && move.TargetIsDirectory && !move.SourceIsDirectory;
        return (newParentGains && move.NewParent.Links >= FileSystemContext.MaxLinks)
            || (oldParentGains && move.OldParent.Links >= FileSystemContext.MaxLinks)
            ? Errno.EMLINK
            : Errno.OK;
    }

    private Errno ExamineReplacement(in Move move)
    {
        if (!move.Replaces)
        {
            return Errno.OK;
        }

        if (move.SourceIsDirectory != move.TargetIsDirectory)
        {
            return move.SourceIsDirectory ? Errno.ENOTDIR : Errno.EISDIR;
        }

        return move.TargetIsDirectory && !_catalog.IsEmptyDirectory(move.Target.Inode) ? Errno.ENOTEMPTY : Errno.OK;
    }

    /// <summary>Whether <paramref name="directory"/> is <paramref name="ancestor"/> or lies below it. Bounded by the
    /// number of inodes: a longer way up is a ring, which no tree has.</summary>
    private bool IsWithin(InodeNumber directory, InodeNumber ancestor)
    {
        long limit = _catalog.Statistics.Inodes + 2;
        for (long step = 0; step <= limit; step++)
        {
            if (directory == ancestor)
            {
                return true;
            }

            if (directory == InodeNumber.Root)
            {
                return false;
            }

            if (!_catalog.TryGetInode(directory, out InodeRecord record))
            {
                throw new CorruptFormatException($"Directory {directory} is a parent, but does not exist.");
            }

            directory = record.Parent;
        }

        throw new CorruptFormatException($"The parents of directory {directory} form a ring.");
    }

    private Errno Exchange(CatalogOperation operation, ref Move move, ReadOnlySpan<byte> name, ReadOnlySpan<byte> newName)
    {
        Errno error = operation.ReplaceDentry(move.NewParentInode, newName, move.Source);
        error = error == Errno.OK ? operation.ReplaceDentry(move.OldParentInode, name, move.Target) : error;
        if (error != Errno.OK)
        {
            return error;
        }

        if (!move.SameParent)
        {
            int difference = (move.SourceIsDirectory ? 1 : 0) - (move.TargetIsDirectory ? 1 : 0);
            move.NewParent.Links = (uint)(move.NewParent.Links + difference);
            move.OldParent.Links = (uint)(move.OldParent.Links - difference);
        }

        move.TargetRecord.Ctime = move.Now;
        move.TargetRecord.Parent = move.OldParentInode;
        operation.PutInode(move.Target.Inode, move.TargetRecord);
        PutMoved(operation, ref move);
        operation.Complete();
        return Errno.OK;
    }

    private Errno Replace(CatalogOperation operation, ref Move move, in Caller caller, ReadOnlySpan<byte> name, ReadOnlySpan<byte> newName, bool whiteout)
    {
        Errno error = move.Replaces
            ? operation.ReplaceDentry(move.NewParentInode, newName, move.Source)
            : operation.AddDentry(move.NewParentInode, newName, move.Source);
        if (error == Errno.OK)
        {
            error = whiteout
                ? operation.ReplaceDentry(move.OldParentInode, name, MakeWhiteout(operation, move, caller))
                : operation.RemoveDentry(move.OldParentInode, name);
        }

        if (error != Errno.OK)
        {
            return error;
        }

        bool orphaned = move.Replaces && Linking.DropLink(operation, move.Target.Inode, ref move.TargetRecord, move.Now);
        CountNames(ref move, whiteout);
        PutMoved(operation, ref move);
        operation.Complete();
        move.TargetIsUnheld = orphaned && context.Holds.Orphaned(move.Target.Inode, linkable: false);

        return Errno.OK;
    }

    /// <summary>Sizes and link counts of the parents after a rename that is no exchange. Where both are one directory, its
    /// record is <see cref="Move.NewParent"/>.</summary>
    private static void CountNames(ref Move move, bool whiteout)
    {
        ref InodeRecord old = ref move.OldParent;
        if (move.SameParent)
        {
            old = ref move.NewParent;
        }

        old.Size -= whiteout ? 0 : 1;
        old.Links -= move.SourceIsDirectory ? 1u : 0u;
        move.NewParent.Size += move.Replaces ? 0 : 1;
        move.NewParent.Links += move.SourceIsDirectory ? 1u : 0u;
        move.NewParent.Links -= move.Replaces && move.TargetIsDirectory ? 1u : 0u;
    }

    private static void PutMoved(CatalogOperation operation, ref Move move)
    {
        move.SourceRecord.Ctime = move.Now;
        move.SourceRecord.Parent = move.NewParentInode;
        operation.PutInode(move.Source.Inode, move.SourceRecord);

        move.NewParent.Mtime = move.NewParent.Ctime = move.Now;
        operation.PutInode(move.NewParentInode, move.NewParent);
        if (!move.SameParent)
        {
            move.OldParent.Mtime = move.OldParent.Ctime = move.Now;
            operation.PutInode(move.OldParentInode, move.OldParent);
        }
    }

    /// <summary>What an overlay file system leaves behind: a character device 0/0.</summary>
    private static Dentry MakeWhiteout(CatalogOperation operation, in Move move, in Caller caller)
    {
        InodeNumber inode = operation.NewInode();
        InodeRecord record = new()
        {
            Mode = ModeBits.CharacterDevice,
            Uid = caller.Uid,
            Gid = caller.Gid,
            Links = 1,
            Atime = move.Now,
            Mtime = move.Now,
            Ctime = move.Now,
            Btime = move.Now,
            Parent = move.OldParentInode,
        };
        operation.PutInode(inode, record);
        return new Dentry(inode, ModeBits.DirectoryType(record.Mode));
    }

    /// <summary>The inodes of one rename, as read and then as changed.</summary>
    private struct Move
    {
        public Timestamp Now;
        public InodeNumber OldParentInode;
        public InodeNumber NewParentInode;
        public InodeRecord OldParent;
        public InodeRecord NewParent;
        public Dentry Source;
        public Dentry Target;
        public InodeRecord SourceRecord;
        public InodeRecord TargetRecord;
        public bool SameParent;
        public bool Replaces;

        /// <summary>Both names mean the same inode: nothing is to be done.</summary>
        public bool IsNothing;

        /// <summary>The replaced inode lost its last name, and nobody holds it.</summary>
        public bool TargetIsUnheld;

        public readonly bool SourceIsDirectory => ModeBits.IsDirectory(SourceRecord.Mode);

        public readonly bool TargetIsDirectory => Replaces && ModeBits.IsDirectory(TargetRecord.Mode);
    }
}
