using IntegrityFs.Format;

namespace IntegrityFs.Catalog;

/// <summary>Checks the extended attributes of one inode at a time: pieces in order, together as long as the first says.</summary>
internal sealed class XattrCheck(NameHash hash, CatalogRepairs repairs, CheckPass pass)
{
    private const ulong PieceMask = 0xFFFF;
    private const int HashShift = 24;
    private readonly List<byte[]> _sameHash = [];
    private ulong _hash;
    private ulong _current;
    private ulong _nextPiece;
    private long _left;
    private bool _bad;
    private bool _open;

    public void Begin()
    {
        _sameHash.Clear();
        _hash = ulong.MaxValue;
        _open = false;
    }

    public void Next(in CatalogKey key, ReadOnlySpan<byte> value)
    {
        ulong attribute = key.Offset & ~PieceMask;
        if (!_open || attribute != _current)
        {
            Finish(key.Inode);
            _open = true;
            _bad = false;
            _current = attribute;
            _nextPiece = 0;
            _left = 0;
        }

        ulong piece = key.Offset & PieceMask;
        if (_bad || piece != _nextPiece || (piece > 0 && (value.IsEmpty || value.Length > _left)))
        {
            _bad = true;
            return;
        }

        _nextPiece++;
        if (piece == 0)
        {
            _bad = !Head(key, value);
        }
        else
        {
            _left -= value.Length;
        }
    }

    /// <summary>The last attribute is whole.</summary>
    public void Finish(ulong inode)
    {
        if (_open && (_bad || _left != 0))
        {
            var key = new CatalogKey(inode, ItemKind.Xattr, _current);
            pass.Add(
                RepairStage.Items,
                new Problem(ProblemCode.XattrBad, $"inode {inode}: an extended attribute is malformed, incomplete, doubled or in the wrong place", Inode: inode),
                repairs.DropRange(key, key with { Offset = _current | PieceMask }));
        }

        _open = false;
    }

    private bool Head(in CatalogKey key, ReadOnlySpan<byte> value)
    {
        try
        {
            XattrItems.Head head = XattrItems.Head.Read(value);
            _left = head.Length - head.Data.Length;
            if (!XattrItems.BelongsAt(hash, head.Name, key.Offset) || head.Name.Contains((byte)0))
            {
                return false;
            }

            if (key.Offset >> HashShift != _hash)
            {
                _hash = key.Offset >> HashShift;
                _sameHash.Clear();
            }

            foreach (byte[] other in _sameHash)
            {
                if (head.Name.SequenceEqual(other))
                {
                    return false;
                }
            }

            _sameHash.Add(head.Name.ToArray());
            return true;
        }
        catch (CorruptFormatException)
        {
            return false;
        }
    }
}
