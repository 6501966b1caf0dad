// What file content needs of the other items of an inode, so that content knows no codec but its own.

using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Content;

/// <summary>The inode behind content; inside a scope.</summary>
internal interface IContentInodes
{
    /// <summary>Changes of the tree that <see cref="RemoveCapability"/> makes at most; none of them inserts.</summary>
    int CapabilityChanges { get; }

    /// <summary>Changes of the tree that <see cref="Erase"/> makes at most; none of them inserts.</summary>
    int EraseChanges { get; }

    /// <summary>The inode; false where there is none.</summary>
    bool TryGet(InodeNumber inode, out InodeRecord record);

    /// <summary>Replaces an inode that exists: one change that allocates nothing.</summary>
    void Replace(IVolumeOperation operation, InodeNumber inode, in InodeRecord record);

    /// <summary>Drops the extended attribute security.capability where there is one.</summary>
    void RemoveCapability(IVolumeOperation operation, InodeNumber inode);

    /// <summary>Removes the inode's item and orphan record, and counts it out. Its other items are gone already.</summary>
    void Erase(IVolumeOperation operation, InodeNumber inode);
}
