using IntegrityFs.Format;

namespace IntegrityFs.Catalog;

/// <summary>Receives what a check of the catalog goes through, in key order: orphans, then inode by inode.</summary>
public interface ICatalogVisitor
{
    /// <summary>An orphan record.</summary>
    void Orphan(InodeNumber inode);

    /// <summary>An inode.</summary>
    void Inode(InodeNumber inode, in InodeRecord record);
}

/// <summary>Receives the names of all directories, directory by directory.</summary>
public interface INameVisitor
{
    /// <summary>A name; called inside a scope.</summary>
    void Name(InodeNumber directory, ReadOnlySpan<byte> name, Dentry entry);
}
