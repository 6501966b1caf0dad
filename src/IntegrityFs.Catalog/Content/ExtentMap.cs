// The extents of files as items of the catalog's tree. Every extent that is read is checked: its blocks lie in the
// volume, it does not run over the largest file, and it ends before the next one begins. Neighbours that lie behind each
// other on the volume are one extent.
//
// Costs in changes of the tree: Insert at most 2, of which one new key; Cut at most 2, of which one new key, and that
// only where blocks behind the cut stay: cutting the end of an extent never makes a key.

using System.Runtime.CompilerServices;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Content;

/// <summary>Finds and changes extents; inside a scope.</summary>
internal sealed class ExtentMap(IVolume volume, ICatalogTree tree)
{
    /// <summary>Changes of the tree that inserting an extent makes at most.</summary>
    public const int InsertChanges = 2;

    /// <summary>Changes of the tree that <see cref="Cut"/> makes at most.</summary>
    public const int CutChanges = 2;

    /// <summary>Blocks of the largest file.</summary>
    public long MaxFileBlocks { get; } = FileContent.MaxFileSize / volume.BlockSize;

    /// <summary>The extent with the greatest first block ≤ <paramref name="block"/>.</summary>
    [SkipLocalsInit]
    public bool TryBefore(InodeNumber inode, long block, out FileExtent extent)
    {
        Span<byte> value = stackalloc byte[tree.MaxValueLength];
        if (!tree.TryFloor(Key(inode, block), out CatalogKey found, value, out int length))
        {
            extent = default;
            return false;
        }

        extent = Decode(found, value[..length]);
        return true;
    }

    /// <summary>The extent with the least first block ≥ <paramref name="block"/>.</summary>
    [SkipLocalsInit]
    public bool TryFrom(InodeNumber inode, long block, out FileExtent extent)
    {
        Span<byte> value = stackalloc byte[tree.MaxValueLength];
        if (!tree.TryCeiling(Key(inode, block), out CatalogKey found, value, out int length)
            || found.Inode != inode.Value || found.Kind != ItemKind.Extent)
        {
            extent = default;
            return false;
        }

        extent = Decode(found, value[..length]);
        return true;
    }

    /// <summary>The piece that begins at <paramref name="block"/> and ends at <paramref name="end"/> or before.</summary>
    public Segment SegmentAt(InodeNumber inode, long block, long end)
    {
        var walk = new SegmentWalk(this, inode, block, end);
        walk.MoveNext();
        return walk.Current;
    }

    /// <summary>Adds an extent into a hole, given its neighbours.</summary>
    public void Insert(
        IVolumeOperation operation, InodeNumber inode, in FileExtent extent, in FileExtent before, in FileExtent after)
    {
        bool joinsAfter = extent.Joins(after);
        if (before.Joins(extent))
        {
            FileExtent joined = before with { Length = before.Length + extent.Length };
            if (joined.Joins(after))
            {
                joined = joined with { Length = joined.Length + after.Length };
                Remove(operation, inode, after.FileBlock);
            }

            Put(operation, inode, joined);
        }
        else if (joinsAfter)
        {
            Remove(operation, inode, after.FileBlock);
            Put(operation, inode, extent with { Length = extent.Length + after.Length });
        }
        else
        {
            Put(operation, inode, extent);
        }
    }

    /// <summary>Adds an extent into a hole.</summary>
    public void Insert(IVolumeOperation operation, InodeNumber inode, in FileExtent extent)
    {
        TryBefore(inode, extent.FileBlock, out FileExtent before);
        TryFrom(inode, extent.FileBlock, out FileExtent after);
        if (before.End > extent.FileBlock || (after.Exists && after.FileBlock < extent.End))
        {
            throw new CorruptFormatException($"extents of inode {inode} overlap at block {extent.FileBlock}");
        }

        Insert(operation, inode, extent, before, after);
    }

    /// <summary>Takes the blocks [<paramref name="from"/>, <paramref name="end"/>) of the file out of an extent.</summary>
    public void Cut(IVolumeOperation operation, InodeNumber inode, in FileExtent extent, long from, long end)
    {
        if (from > extent.FileBlock)
        {
            Put(operation, inode, extent.Slice(extent.FileBlock, from));
        }
        else
        {
            Remove(operation, inode, extent.FileBlock);
        }

        if (end < extent.End)
        {
            Put(operation, inode, extent.Slice(end, extent.End));
        }
    }

    private static CatalogKey Key(InodeNumber inode, long block) => new(inode.Value, ItemKind.Extent, (ulong)block);

    private void Put(IVolumeOperation operation, InodeNumber inode, in FileExtent extent)
    {
        Span<byte> value = stackalloc byte[ExtentLayout.Size];
        new ExtentItem(extent.Start, extent.Length, extent.Unwritten).Write(value);
        tree.Put(operation, Key(inode, extent.FileBlock), value);
    }

    private void Remove(IVolumeOperation operation, InodeNumber inode, long block) =>
        tree.Remove(operation, Key(inode, block));

    private FileExtent Decode(in CatalogKey key, ReadOnlySpan<byte> value)
    {
        ExtentItem item = ExtentItem.Read(value, volume.TotalBlocks);
        if (key.Offset >= (ulong)MaxFileBlocks || item.Length > MaxFileBlocks - (long)key.Offset)
        {
            throw new CorruptFormatException($"extent of inode {key.Inode}: behind the largest file");
        }

        return new FileExtent((long)key.Offset, item.Start, item.Length, item.Unwritten);
    }
}

/// <summary>Walks the pieces of a range of a file in order; one look-up for each extent. Not to be used across changes.</summary>
internal struct SegmentWalk(ExtentMap map, InodeNumber inode, long first, long end)
{
    private long _position = first;
    private FileExtent _before;
    private FileExtent _next;
    private bool _started;
    private bool _nextKnown;

    /// <summary>The piece that <see cref="MoveNext"/> found.</summary>
    public Segment Current { get; private set; }

    public bool MoveNext()
    {
        if (_position >= end)
        {
            return false;
        }

        if (!_started)
        {
            _started = true;
            map.TryBefore(inode, _position, out _before);
        }

        if (!(_before.End > _position))
        {
            LoadNext();
            if (!_next.Exists || _next.FileBlock > _position)
            {
                long holeEnd = _next.Exists ? Math.Min(_next.FileBlock, end) : end;
                Current = new Segment(SegmentKind.Hole, _position, holeEnd, _before, _next);
                _position = holeEnd;
                return true;
            }

            _before = _next;
            _nextKnown = false;
        }

        long mappedEnd = Math.Min(_before.End, end);
        SegmentKind kind = _before.Unwritten ? SegmentKind.Unwritten : SegmentKind.Written;
        Current = new Segment(kind, _position, mappedEnd, _before, default);
        _position = mappedEnd;
        return true;
    }

    private void LoadNext()
    {
        if (_nextKnown)
        {
            return;
        }

        _nextKnown = true;
        map.TryFrom(inode, _before.Exists ? _before.FileBlock + 1 : _position, out _next);
        if (_next.Exists && _next.FileBlock < _before.End)
        {
            throw new CorruptFormatException($"extents of inode {inode} overlap at block {_next.FileBlock}");
        }
    }
}
