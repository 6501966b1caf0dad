namespace IntegrityFs.Catalog;

/// <summary>Kinds of items, in key order within an inode.</summary>
internal enum ItemKind : byte
{
    Inode = 1,
    Symlink = 2,
    Inline = 3,
    Xattr = 4,
    Dentry = 5,
    Extent = 6,
    Orphan = 7,
}

/// <summary>Key of a catalog item; ordered by inode, kind, offset.</summary>
internal readonly record struct CatalogKey(ulong Inode, ItemKind Kind, ulong Offset) : IComparable<CatalogKey>
{
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
}
