// Directory entries: an item for each name, in the order of the names' hashes. Names of one hash are told apart by an
// ordinal, the lowest free one when the name is added, which the name keeps. So an entry's key never changes while it
// exists, and readdir, which walks keys, sees an entry that is there throughout exactly once.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>Reads and changes directory entries; inside a scope.</summary>
internal sealed class DentryItems(CatalogTree tree, NameHash hash)
{
    private const int MaxOrdinal = 255;

    /// <summary>The entry of a name.</summary>
    public bool TryFind(InodeNumber directory, ReadOnlySpan<byte> name, out Dentry entry) =>
        TryFind(directory, name, out _, out entry, out _);

    /// <summary>Adds a name: EEXIST; ENOSPC where all ordinals of its hash are taken.</summary>
    public Errno Add(IVolumeOperation operation, InodeNumber directory, ReadOnlySpan<byte> name, Dentry entry)
    {
        if (TryFind(directory, name, out _, out _, out int free))
        {
            return Errno.EEXIST;
        }

        if (free > MaxOrdinal)
        {
            return Errno.ENOSPC;
        }

        Put(operation, new CatalogKey(directory.Value, ItemKind.Dentry, hash.Dentry(name) + (ulong)free), name, entry);
        return Errno.OK;
    }

    /// <summary>Makes a name mean another inode: ENOENT.</summary>
    public Errno Replace(IVolumeOperation operation, InodeNumber directory, ReadOnlySpan<byte> name, Dentry entry)
    {
        if (!TryFind(directory, name, out CatalogKey key, out _, out _))
        {
            return Errno.ENOENT;
        }

        Put(operation, key, name, entry);
        return Errno.OK;
    }

    /// <summary>Removes a name: ENOENT.</summary>
    public Errno Remove(IVolumeOperation operation, InodeNumber directory, ReadOnlySpan<byte> name)
    {
        if (!TryFind(directory, name, out CatalogKey key, out _, out _))
        {
            return Errno.ENOENT;
        }

        tree.Remove(operation, key);
        return Errno.OK;
    }

    /// <summary>Visits the entries behind a position.</summary>
    public void Visit(InodeNumber directory, ulong cookie, IDentryVisitor visitor)
    {
        if (cookie == ulong.MaxValue)
        {
            return;
        }

        using CatalogCursor cursor = tree.From(new CatalogKey(directory.Value, ItemKind.Dentry, cookie + 1));
        while (cursor.MoveNext() && cursor.Key.Inode == directory.Value && cursor.Key.Kind == ItemKind.Dentry)
        {
            Dentry entry = Decode(cursor.Value, out ReadOnlySpan<byte> name);
            if (!visitor.Visit(name, entry, cursor.Key.Offset))
            {
                return;
            }
        }
    }

    /// <summary>True where the directory has no entry.</summary>
    public bool IsEmpty(InodeNumber directory)
    {
        using CatalogCursor cursor = tree.From(new CatalogKey(directory.Value, ItemKind.Dentry, 0));
        return !cursor.MoveNext() || cursor.Key.Inode != directory.Value || cursor.Key.Kind != ItemKind.Dentry;
    }

    /// <summary>Some name of a child.</summary>
    public bool TryFindName(InodeNumber directory, InodeNumber child, Span<byte> name, out int length)
    {
        using CatalogCursor cursor = tree.From(new CatalogKey(directory.Value, ItemKind.Dentry, 0));
        while (cursor.MoveNext() && cursor.Key.Inode == directory.Value && cursor.Key.Kind == ItemKind.Dentry)
        {
            if (Decode(cursor.Value, out ReadOnlySpan<byte> found).Inode == child && found.Length <= name.Length)
            {
                found.CopyTo(name);
                length = found.Length;
                return true;
            }
        }

        length = 0;
        return false;
    }

    /// <summary>True where a name belongs at a key's offset, whatever its ordinal.</summary>
    public bool BelongsAt(ReadOnlySpan<byte> name, ulong offset) => BelongsAt(hash, name, offset);

    /// <summary>Likewise, for a given hash.</summary>
    public static bool BelongsAt(NameHash hash, ReadOnlySpan<byte> name, ulong offset) =>
        offset - hash.Dentry(name) is >= 1 and <= MaxOrdinal;

    /// <summary>Reads and checks an entry.</summary>
    /// <exception cref="CorruptFormatException">It breaks a rule.</exception>
    public static Dentry Decode(ReadOnlySpan<byte> value, out ReadOnlySpan<byte> name)
    {
        if (value.Length is <= CatalogDentryLayout.NameOffset
            or > CatalogDentryLayout.NameOffset + CatalogDentryLayout.MaxNameLength)
        {
            throw new CorruptFormatException("directory entry: length");
        }

        name = value[CatalogDentryLayout.NameOffset..];
        byte type = value[CatalogDentryLayout.TypeOffset];
        if (type > 15 || name.ContainsAny((byte)'/', (byte)0) || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8))
        {
            throw new CorruptFormatException("directory entry: type or name");
        }

        return new Dentry(new InodeNumber(BinaryPrimitives.ReadUInt64LittleEndian(value)), type);
    }

    private bool TryFind(
        InodeNumber directory, ReadOnlySpan<byte> name, out CatalogKey key, out Dentry entry, out int freeOrdinal)
    {
        ulong first = hash.Dentry(name);
        freeOrdinal = 1;
        using CatalogCursor cursor = tree.From(new CatalogKey(directory.Value, ItemKind.Dentry, first));
        while (cursor.MoveNext() && cursor.Key.Inode == directory.Value && cursor.Key.Kind == ItemKind.Dentry
            && cursor.Key.Offset - first <= MaxOrdinal)
        {
            entry = Decode(cursor.Value, out ReadOnlySpan<byte> found);
            key = cursor.Key;
            if (found.SequenceEqual(name))
            {
                return true;
            }

            if (key.Offset - first == (ulong)freeOrdinal)
            {
                freeOrdinal++;
            }
        }

        key = default;
        entry = default;
        return false;
    }

    [SkipLocalsInit]
    private void Put(IVolumeOperation operation, in CatalogKey key, ReadOnlySpan<byte> name, Dentry entry)
    {
        Span<byte> value = stackalloc byte[CatalogDentryLayout.NameOffset + CatalogDentryLayout.MaxNameLength];
        BinaryPrimitives.WriteUInt64LittleEndian(value, entry.Inode.Value);
        value[CatalogDentryLayout.TypeOffset] = entry.Type;
        name.CopyTo(value[CatalogDentryLayout.NameOffset..]);
        tree.Put(operation, key, value[..(CatalogDentryLayout.NameOffset + name.Length)]);
    }
}
