using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>The ordered map under the catalog: what item types need of the B+tree. Values are copied out, so nothing
/// points into a node. All inside a scope of the volume.</summary>
internal interface ICatalogTree
{
    /// <summary>Longest value in bytes (about a quarter of a block).</summary>
    int MaxValueLength { get; }

    /// <summary>Upper bound of the blocks that one Put or Remove changes at the present depth, of which the same number
    /// may be newly allocated.</summary>
    int BlocksPerChange { get; }

    /// <summary>The value of a key; <paramref name="value"/> holds at least <see cref="MaxValueLength"/> bytes.</summary>
    bool TryGet(in CatalogKey key, Span<byte> value, out int length);

    /// <summary>The greatest item ≤ <paramref name="key"/> of the same inode and kind.</summary>
    bool TryFloor(in CatalogKey key, out CatalogKey found, Span<byte> value, out int length);

    /// <summary>The least item ≥ <paramref name="key"/>, of any inode and kind.</summary>
    bool TryCeiling(in CatalogKey key, out CatalogKey found, Span<byte> value, out int length);

    /// <summary>Inserts or replaces.</summary>
    void Put(IVolumeOperation operation, in CatalogKey key, ReadOnlySpan<byte> value);

    /// <summary>Removes; false where there is none.</summary>
    bool Remove(IVolumeOperation operation, in CatalogKey key);
}
