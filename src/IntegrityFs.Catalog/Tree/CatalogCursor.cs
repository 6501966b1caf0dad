// Walks items in key order without copying: holds the lease of one leaf at a time, so nothing may be changed meanwhile.
// Keys that do not ascend or lie outside the leaf's bounds end the walk with CorruptFormatException; so a walk ends.

using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>A forward walk over a tree. Dispose lets go of the leaf.</summary>
internal ref struct CatalogCursor(CatalogTree tree, CatalogKey from)
{
    private BlockLease _lease;
    private CatalogNodeView _leaf;
    private CatalogKey _end;
    private int _index;
    private bool _open;

    /// <summary>The key of the item.</summary>
    public CatalogKey Key { get; private set; }

    /// <summary>Its value, until the next move.</summary>
    public readonly ReadOnlySpan<byte> Value => _leaf.Value(_index);

    /// <summary>Moves to the next item; at first to the first that is not before the start.</summary>
    public bool MoveNext()
    {
        CatalogKey least = from;
        if (_open)
        {
            _index++;
            if (_index < _leaf.Count)
            {
                CatalogKey key = _leaf.Key(_index);
                Require(key > Key && key < _end);
                Key = key;
                return true;
            }

            if (_end == CatalogTree.Highest)
            {
                return false;
            }

            least = _end;
        }

        return Enter(least, again: false) || (_end != CatalogTree.Highest && Enter(_end, again: true));
    }

    /// <summary>Lets go of the leaf.</summary>
    public void Dispose()
    {
        if (_open)
        {
            _open = false;
            _lease.Dispose();
        }
    }

    private bool Enter(CatalogKey least, bool again)
    {
        Dispose();
        _lease = tree.LeaseLeaf(least, out _end);
        _open = true;
        _leaf = CatalogNodeView.Open(_lease.Span, 0);
        _index = _leaf.LowerBound(least);
        if (_index == _leaf.Count)
        {
            // Behind the last item of this leaf; the next leaf begins where this one ends, and is not empty.
            Require(!again);
            return false;
        }

        Key = _leaf.Key(_index);
        Require(Key >= least && Key < _end);
        return true;
    }

    private static void Require(bool rule)
    {
        if (!rule)
        {
            throw new CorruptFormatException("catalog tree: keys do not ascend");
        }
    }
}
