using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>The ordered map under the catalog: what item types need of the B+tree. Values are copied out, so nothing
/// points into a node. All inside a scope of the volume, except the two costs.</summary>
internal interface ICatalogTree
{
    /// <summary>Longest value in bytes (about a quarter of a block).</summary>
    int MaxValueLength { get; }

    /// <summary>Upper bound of the blocks that one Put or Remove changes at the present depth, of which the same number
    /// may be newly allocated. Needs no scope.</summary>
    int BlocksPerChange { get; }

    /// <summary>Upper bound for an operation of several changes, tighter than the product where they must share nodes;
    /// safe although another operation may come between. Needs no scope.</summary>
    /// <param name="changes">Puts and Removes.</param>
    /// <param name="insertions">How many of them may be a Put of a new key or of a longer value.</param>
    TreeCost CostOf(int changes, int insertions);

    /// <summary>Free blocks that are left to removals, so that deleting works on a volume that is full for all else.
    /// Needs no scope.</summary>
    int Reserve { get; }

    /// <summary>The value of a key; <paramref name="value"/> holds at least <see cref="MaxValueLength"/> bytes.</summary>
    bool TryGet(in CatalogKey key, Span<byte> value, out int length);

    /// <summary>The greatest item ≤ <paramref name="key"/> of the same inode and kind.</summary>
    bool TryFloor(in CatalogKey key, out CatalogKey found, Span<byte> value, out int length);

    /// <summary>The least item ≥ <paramref name="key"/>, of any inode and kind.</summary>
    bool TryCeiling(in CatalogKey key, out CatalogKey found, Span<byte> value, out int length);

    /// <summary>Inserts or replaces; true where the key is new. Replacing a value by one of the same or a smaller length
    /// allocates nothing.</summary>
    bool Put(IVolumeOperation operation, in CatalogKey key, ReadOnlySpan<byte> value);

    /// <summary>Removes; false where there is none. Allocates nothing.</summary>
    bool Remove(IVolumeOperation operation, in CatalogKey key);
}

/// <summary>What a number of changes may cost, as for <see cref="IVolume.Begin"/>.</summary>
internal readonly record struct TreeCost(int Blocks, int Allocations);
