// Where content lies, for tools that show it. Reads only.

using IntegrityFs.Catalog.Content;
using IntegrityFs.Format;

namespace IntegrityFs.Catalog;

/// <summary>Consecutive bytes of a file in consecutive blocks of the volume.</summary>
/// <param name="Offset">First byte of the file.</param>
/// <param name="Run">The blocks.</param>
/// <param name="Unwritten">Reserved, and reading as zeroes.</param>
public readonly record struct ContentExtent(long Offset, BlockRun Run, bool Unwritten);

public sealed partial class CatalogStore
{
    /// <summary>Inside a scope: the first extent of a file that ends behind <paramref name="offset"/>. False where there
    /// is none: a hole up to the end, or content so small that it lies in the catalog itself.</summary>
    public bool TryNextExtent(InodeNumber inode, long offset, out ContentExtent extent)
    {
        var map = new ExtentMap(_volume, _tree);
        long block = offset / BlockSize;
        bool found = (map.TryBefore(inode, block, out FileExtent at) && at.End > block) || map.TryFrom(inode, block, out at);
        extent = found ? new ContentExtent(at.FileBlock * BlockSize, new BlockRun(at.Start, at.Length), at.Unwritten) : default;
        return found;
    }

    /// <inheritdoc/>
    public bool TryFindBlock(InodeNumber inode, long from, BlockNumber block, out long offset)
    {
        const int NearExtents = 4096;
        offset = -1;
        long at = from;
        for (int i = 0; i < NearExtents && TryNextExtent(inode, at, out ContentExtent extent); i++)
        {
            long index = block.Value - extent.Run.First.Value;
            if (index >= 0 && index < extent.Run.Count)
            {
                offset = extent.Offset + (index * BlockSize);
                return true;
            }

            at = extent.Offset + ((long)extent.Run.Count * BlockSize);
        }

        return false;
    }
}
