// The key of a catalog item, and its 17 bytes on disk. Keys are ordered by inode, kind, offset, as numbers; the bytes are
// little-endian like all others and are not compared as bytes.

using System.Buffers.Binary;

namespace IntegrityFs.Format;

/// <summary>Kinds of items, in key order within an inode.</summary>
public enum ItemKind : byte
{
    /// <summary>Attributes of an inode; offset 0.</summary>
    Inode = 1,

    /// <summary>Target of a symlink, in pieces; the offset counts them.</summary>
    Symlink = 2,

    /// <summary>Content of a small file.</summary>
    Inline = 3,

    /// <summary>An extended attribute, in pieces.</summary>
    Xattr = 4,

    /// <summary>A name in a directory.</summary>
    Dentry = 5,

    /// <summary>Blocks of a file.</summary>
    Extent = 6,

    /// <summary>An inode without a name; the key's inode is 0, the offset the orphan.</summary>
    Orphan = 7,
}

/// <summary>Key of a catalog item; ordered by inode, kind, offset.</summary>
public readonly record struct CatalogKey(ulong Inode, ItemKind Kind, ulong Offset) : IComparable<CatalogKey>
{
    /// <summary>Bytes of a key on disk.</summary>
    public const int Size = CatalogKeyLayout.Size;

    /// <summary>Below every key of an item: the lower bound of the leftmost node.</summary>
    public static CatalogKey Lowest => default;

    /// <summary>The key of the root directory's inode item, whose leaf is kept twice.</summary>
    public static CatalogKey Home => new(1, ItemKind.Inode, 0);

    /// <inheritdoc/>
    public int CompareTo(CatalogKey other)
    {
        int c = Inode.CompareTo(other.Inode);
        if (c != 0)
        {
            return c;
        }

        c = ((byte)Kind).CompareTo((byte)other.Kind);
        return c != 0 ? c : Offset.CompareTo(other.Offset);
    }

    /// <summary>True where <paramref name="left"/> comes first.</summary>
    public static bool operator <(in CatalogKey left, in CatalogKey right) =>
        left.Inode != right.Inode ? left.Inode < right.Inode
        : left.Kind != right.Kind ? left.Kind < right.Kind
        : left.Offset < right.Offset;

    /// <summary>True where <paramref name="right"/> comes first.</summary>
    public static bool operator >(in CatalogKey left, in CatalogKey right) => right < left;

    /// <summary>True where <paramref name="right"/> does not come first.</summary>
    public static bool operator <=(in CatalogKey left, in CatalogKey right) => !(right < left);

    /// <summary>True where <paramref name="left"/> does not come first.</summary>
    public static bool operator >=(in CatalogKey left, in CatalogKey right) => !(left < right);

    /// <summary>Reads the 17 bytes at <paramref name="source"/>. Any bytes are a key; whether an item may have it is for
    /// the item's codec to say.</summary>
    public static CatalogKey Read(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(source),
        (ItemKind)source[CatalogKeyLayout.KindOffset],
        BinaryPrimitives.ReadUInt64LittleEndian(source[CatalogKeyLayout.OffsetOffset..]));

    /// <summary>Writes the 17 bytes.</summary>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, Inode);
        destination[CatalogKeyLayout.KindOffset] = (byte)Kind;
        BinaryPrimitives.WriteUInt64LittleEndian(destination[CatalogKeyLayout.OffsetOffset..], Offset);
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        System.Globalization.CultureInfo.InvariantCulture, $"({Inode}, {Kind}, {Offset})");
}

/// <summary>Where the parts of a key lie.</summary>
public static class CatalogKeyLayout
{
    /// <summary>u64, the inode.</summary>
    public const int InodeOffset = 0;

    /// <summary>u8, the kind.</summary>
    public const int KindOffset = InodeOffset + 8;

    /// <summary>u64, the offset.</summary>
    public const int OffsetOffset = KindOffset + 1;

    /// <summary>Bytes of a key.</summary>
    public const int Size = OffsetOffset + 8;
}
