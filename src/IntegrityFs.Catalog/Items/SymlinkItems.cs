// Targets of symlinks, cut into pieces as long as an item can be; the last is shorter or as long.

using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>Reads and writes symlink targets; inside a scope.</summary>
internal sealed class SymlinkItems(CatalogTree tree)
{
    /// <summary>Longest target in bytes (PATH_MAX without its NUL).</summary>
    public const int MaxLength = 4095;

    /// <summary>Reads the target: ENOENT; ERANGE where it does not fit.</summary>
    public Errno Read(InodeNumber inode, Span<byte> target, out int length)
    {
        length = 0;
        ulong piece = 0;
        using CatalogCursor cursor = tree.From(new CatalogKey(inode.Value, ItemKind.Symlink, 0));
        while (cursor.MoveNext() && cursor.Key == new CatalogKey(inode.Value, ItemKind.Symlink, piece))
        {
            ReadOnlySpan<byte> bytes = cursor.Value;
            if (bytes.Length > target.Length - length)
            {
                return Errno.ERANGE;
            }

            bytes.CopyTo(target[length..]);
            length += bytes.Length;
            piece++;
        }

        return piece == 0 ? Errno.ENOENT : Errno.OK;
    }

    /// <summary>Writes the target of a symlink that has none.</summary>
    public void Put(IVolumeOperation operation, InodeNumber inode, ReadOnlySpan<byte> target)
    {
        ArgumentOutOfRangeException.ThrowIfZero(target.Length, nameof(target));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(target.Length, MaxLength, nameof(target));
        ulong piece = 0;
        for (int done = 0; done < target.Length; piece++)
        {
            int size = Math.Min(target.Length - done, tree.MaxValueLength);
            tree.Put(operation, new CatalogKey(inode.Value, ItemKind.Symlink, piece), target.Slice(done, size));
            done += size;
        }
    }
}
