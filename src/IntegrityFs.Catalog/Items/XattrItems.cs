// Extended attributes: an item for each piece of a value. Piece 0 carries name and length; the pieces of one attribute
// lie next to each other. A value is replaced by writing all of its pieces and removing what the old one had more.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>Reads and changes extended attributes; inside a scope.</summary>
internal sealed class XattrItems(CatalogTree tree, NameHash hash)
{
    private const int MaxOrdinal = 255;
    private const int OrdinalShift = 16;

    /// <summary>Most items of one attribute.</summary>
    public int MaxPieces { get; } = Pieces(tree, CatalogDentryLayout.MaxNameLength, CatalogXattrLayout.MaxValue);

    /// <summary>Reads a value.</summary>
    public Errno Get(InodeNumber inode, ReadOnlySpan<byte> name, Span<byte> value, out int length)
    {
        if (!TryFind(inode, name, out CatalogKey key, out length, out _))
        {
            return Errno.ENODATA;
        }

        if (value.IsEmpty)
        {
            return Errno.OK;
        }

        if (value.Length < length)
        {
            return Errno.ERANGE;
        }

        int done = 0;
        using CatalogCursor cursor = tree.From(key);
        for (ulong piece = 0; piece == 0 || done < length; piece++)
        {
            if (!cursor.MoveNext() || cursor.Key != key with { Offset = key.Offset + piece })
            {
                throw new CorruptFormatException("extended attribute: a piece is missing");
            }

            ReadOnlySpan<byte> bytes = piece == 0 ? Head.Read(cursor.Value).Data : cursor.Value;
            if (bytes.Length > length - done)
            {
                throw new CorruptFormatException("extended attribute: longer than it says");
            }

            bytes.CopyTo(value[done..]);
            done += bytes.Length;
        }

        return Errno.OK;
    }

    /// <summary>Lists the names, each with a NUL behind it.</summary>
    public Errno List(InodeNumber inode, Span<byte> names, out int length)
    {
        length = 0;
        bool measure = names.IsEmpty;
        using CatalogCursor cursor = tree.From(new CatalogKey(inode.Value, ItemKind.Xattr, 0));
        while (cursor.MoveNext() && cursor.Key.Inode == inode.Value && cursor.Key.Kind == ItemKind.Xattr)
        {
            if (PieceOf(cursor.Key) != 0)
            {
                continue;
            }

            ReadOnlySpan<byte> name = Head.Read(cursor.Value).Name;
            if (!measure)
            {
                if (names.Length - length <= name.Length)
                {
                    return Errno.ERANGE;
                }

                name.CopyTo(names[length..]);
                names[length + name.Length] = 0;
            }

            length += name.Length + 1;
        }

        return Errno.OK;
    }

    /// <summary>Creates or replaces: E2BIG; ENOSPC where all ordinals of the name's hash are taken.</summary>
    [SkipLocalsInit]
    public Errno Put(IVolumeOperation operation, InodeNumber inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (value.Length > CatalogXattrLayout.MaxValue)
        {
            return Errno.E2BIG;
        }

        int oldPieces = 0;
        if (TryFind(inode, name, out CatalogKey key, out int oldLength, out int free))
        {
            oldPieces = Pieces(tree, name.Length, oldLength);
        }
        else if (free > MaxOrdinal)
        {
            return Errno.ENOSPC;
        }
        else
        {
            key = new CatalogKey(inode.Value, ItemKind.Xattr, hash.Xattr(name) + ((ulong)free << OrdinalShift));
        }

        Span<byte> item = stackalloc byte[tree.MaxValueLength];
        BinaryPrimitives.WriteUInt32LittleEndian(item, (uint)value.Length);
        item[CatalogXattrLayout.NameLengthOffset] = (byte)name.Length;
        name.CopyTo(item[CatalogXattrLayout.NameOffset..]);
        int head = CatalogXattrLayout.NameOffset + name.Length;
        int first = Math.Min(value.Length, item.Length - head);
        value[..first].CopyTo(item[head..]);
        tree.Put(operation, key, item[..(head + first)]);
        ulong piece = 1;
        for (int done = first; done < value.Length; piece++)
        {
            int size = Math.Min(value.Length - done, item.Length);
            tree.Put(operation, key with { Offset = key.Offset + piece }, value.Slice(done, size));
            done += size;
        }

        for (; piece < (ulong)oldPieces; piece++)
        {
            tree.Remove(operation, key with { Offset = key.Offset + piece });
        }

        return Errno.OK;
    }

    /// <summary>Removes: ENODATA.</summary>
    public Errno Remove(IVolumeOperation operation, InodeNumber inode, ReadOnlySpan<byte> name)
    {
        if (!TryFind(inode, name, out CatalogKey key, out int length, out _))
        {
            return Errno.ENODATA;
        }

        for (int piece = Pieces(tree, name.Length, length) - 1; piece >= 0; piece--)
        {
            tree.Remove(operation, key with { Offset = key.Offset + (ulong)piece });
        }

        return Errno.OK;
    }

    /// <summary>True where a name belongs at a key's offset, whatever its ordinal.</summary>
    public bool BelongsAt(ReadOnlySpan<byte> name, ulong offset) => BelongsAt(hash, name, offset);

    /// <summary>Likewise, for a given hash.</summary>
    public static bool BelongsAt(NameHash hash, ReadOnlySpan<byte> name, ulong offset) => (offset & ~0xFFFFFFUL) == hash.Xattr(name);

    /// <summary>Which piece a key is of.</summary>
    public static int PieceOf(in CatalogKey key) => (int)(key.Offset & 0xFFFF);

    private bool TryFind(
        InodeNumber inode, ReadOnlySpan<byte> name, out CatalogKey key, out int length, out int freeOrdinal)
    {
        ulong first = hash.Xattr(name);
        freeOrdinal = 0;
        using CatalogCursor cursor = tree.From(new CatalogKey(inode.Value, ItemKind.Xattr, first));
        while (cursor.MoveNext() && cursor.Key.Inode == inode.Value && cursor.Key.Kind == ItemKind.Xattr
            && cursor.Key.Offset - first <= 0xFFFFFF)
        {
            key = cursor.Key;
            if (PieceOf(key) != 0)
            {
                continue;
            }

            Head head = Head.Read(cursor.Value);
            if (head.Name.SequenceEqual(name))
            {
                length = head.Length;
                return true;
            }

            if ((key.Offset - first) >> OrdinalShift == (ulong)freeOrdinal)
            {
                freeOrdinal++;
            }
        }

        key = default;
        length = 0;
        return false;
    }

    private static int Pieces(CatalogTree tree, int nameLength, int length)
    {
        int rest = length - (tree.MaxValueLength - CatalogXattrLayout.NameOffset - nameLength);
        return 1 + (rest <= 0 ? 0 : (rest + tree.MaxValueLength - 1) / tree.MaxValueLength);
    }

    /// <summary>Piece 0 of an attribute.</summary>
    internal readonly ref struct Head
    {
        /// <summary>Bytes of the whole value.</summary>
        public int Length { get; private init; }

        /// <summary>The name.</summary>
        public ReadOnlySpan<byte> Name { get; private init; }

        /// <summary>The value's first piece.</summary>
        public ReadOnlySpan<byte> Data { get; private init; }

        /// <summary>Reads and checks piece 0.</summary>
        /// <exception cref="CorruptFormatException">It breaks a rule.</exception>
        public static Head Read(ReadOnlySpan<byte> value)
        {
            if (value.Length <= CatalogXattrLayout.NameOffset)
            {
                throw new CorruptFormatException("extended attribute: length of the item");
            }

            uint length = BinaryPrimitives.ReadUInt32LittleEndian(value);
            int nameLength = value[CatalogXattrLayout.NameLengthOffset];
            ReadOnlySpan<byte> rest = value[CatalogXattrLayout.NameOffset..];
            if (length > CatalogXattrLayout.MaxValue || nameLength == 0 || nameLength > rest.Length
                || (uint)(rest.Length - nameLength) > length)
            {
                throw new CorruptFormatException("extended attribute: length of name or value");
            }

            return new Head { Length = (int)length, Name = rest[..nameLength], Data = rest[nameLength..] };
        }
    }
}
