// Promise: checks the items of the catalog one after the other, inode by inode, as they come in key order. An inode's items
// lie together, so what is remembered is bounded by one inode: some sums, and the names that share one hash.
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>Checks items and the inodes that they make up; inside a read scope.</summary>
internal sealed class ItemCheck(
    ProtectedVolume volume, NameHash hash, PendingTruncation note, CatalogRepairs repairs, BlockMap used, CheckPass pass, ICatalogVisitor visitor)
{
    private const ulong MostInode = ulong.MaxValue >> 2;
    private readonly InodeSums _inode = new();
    private readonly ExtentCheck _extents = new(volume, repairs, used, pass);
    private readonly XattrCheck _xattrs = new(hash, repairs, pass);
    private readonly DentryCheck _dentries = new(hash, repairs, pass);

    /// <summary>Inode items.</summary>
    public long Inodes { get; private set; }

    /// <summary>The greatest inode number in use.</summary>
    public ulong HighestInode { get; private set; }

    /// <summary>True where the noted truncation is of no file that exists.</summary>
    public bool NoteIsMissing => note.Inode != InodeNumber.None && !_noteFound;

    private bool _noteFound;

    /// <summary>The next item in key order.</summary>
    public void Next(in CatalogKey key, ReadOnlySpan<byte> value)
    {
        if (key.Inode != _inode.Number)
        {
            Finish();
            _inode.Begin(key.Inode);
            _xattrs.Begin();
            _dentries.Begin();
            _extents.Begin();
        }

        if (!HasPlace(key, value))
        {
            Drop(ProblemCode.ItemUnknown, key, "no item has such a key");
            return;
        }

        if (key.Kind == ItemKind.Orphan)
        {
            visitor.Orphan(new InodeNumber(key.Offset));
            return;
        }

        if (key.Kind == ItemKind.Inode)
        {
            CheckInode(key, value);
            return;
        }

        if (!_inode.Exists)
        {
            if (key.Kind == ItemKind.Extent)
            {
                _extents.ClaimOnly(value);
            }

            Drop(ProblemCode.ItemWithoutInode, key, "its inode does not exist");
            return;
        }

        CheckOwned(key, value);
    }

    /// <summary>The last inode is whole.</summary>
    public void Finish()
    {
        if (!_inode.Exists)
        {
            return;
        }

        _xattrs.Finish(_inode.Number);
        CheckSums();
        visitor.Inode(new InodeNumber(_inode.Number), _inode.Record);
        _inode.Begin(0);
    }

    private static bool HasPlace(in CatalogKey key, ReadOnlySpan<byte> value) => key.Kind switch
    {
        ItemKind.Orphan => key.Inode == 0 && key.Offset != 0 && value.IsEmpty,
        ItemKind.Inode or ItemKind.Inline => key.Inode is not 0 and < MostInode && key.Offset == 0,
        ItemKind.Symlink or ItemKind.Xattr or ItemKind.Dentry or ItemKind.Extent => key.Inode is not 0 and < MostInode,
        _ => false,
    };

    private void Drop(ProblemCode code, CatalogKey key, string why) =>
        pass.Add(RepairStage.Items, new Problem(code, $"item {key}: {why}", Inode: key.Inode), repairs.Drop(key));

    private void CheckInode(CatalogKey key, ReadOnlySpan<byte> value)
    {
        Inodes++;
        HighestInode = key.Inode;
        _noteFound |= key.Inode == note.Inode.Value;
        try
        {
            _inode.Set(InodeItems.Decode(value));
        }
        catch (CorruptFormatException e)
        {
            bool hasLength = value.Length == CatalogInodeLayout.Size;
            byte[] copy = value.ToArray();
            if (hasLength)
            {
                InodeItems.Mend(copy);
                _inode.Set(InodeItems.Decode(copy));
            }

            pass.Add(
                RepairStage.Items,
                new Problem(ProblemCode.InodeMalformed, $"inode {key.Inode}: {e.Message}", Inode: key.Inode),
                hasLength ? repairs.Put(key, copy) : repairs.Drop(key));
        }
    }

    private void CheckOwned(CatalogKey key, ReadOnlySpan<byte> value)
    {
        uint type = _inode.Type;
        bool fits = key.Kind switch
        {
            ItemKind.Symlink => type == InodeSums.Symlink,
            ItemKind.Inline or ItemKind.Extent => type == InodeSums.File,
            ItemKind.Dentry => type == InodeSums.Directory,
            _ => true,
        };
        _inode.Saw(key.Kind);
        _inode.IsDoubtful |= !fits && SpeaksAgainstType(key.Kind);
        if (!fits && _inode.HasKnownType)
        {
            if (key.Kind == ItemKind.Extent)
            {
                _extents.ClaimOnly(value);
            }

            Drop(ProblemCode.ItemOfOtherType, key, $"an inode of mode {Convert.ToString(_inode.Record.Mode, 8)} has no such item");
            return;
        }

        switch (key.Kind)
        {
            case ItemKind.Symlink:
                _inode.AddPiece(key.Offset, value.Length, CatalogNodeLayout.MaxValueLength(volume.BlockSize));
                break;
            case ItemKind.Inline:
                _inode.InlineLength = value.Length;
                break;
            case ItemKind.Xattr:
                _xattrs.Next(key, value);
                break;
            case ItemKind.Dentry:
                _inode.Entries += _dentries.Next(key, value) ? 1 : 0;
                break;
            default:
                _inode.Blocks += _extents.Next(key, value, EndOfContent());
                break;
        }
    }

    /// <summary>True where an item of another type is the first that tells a type.</summary>
    private bool SpeaksAgainstType(ItemKind kind) => _inode.Type switch
    {
        InodeSums.File => kind == ItemKind.Dentry && _inode.Record.Blocks == 0 && _inode.InlineLength < 0,
        InodeSums.Directory => _inode.Entries == 0 && _inode.Record.Blocks > 0,
        InodeSums.Symlink => _inode.TargetLength == 0,
        _ => true,
    };

    /// <summary>Blocks of the file behind which no extent may have content.</summary>
    private long EndOfContent() => note.Inode.Value == _inode.Number
        ? long.MaxValue
        : (_inode.Record.Size / volume.BlockSize) + (_inode.Record.Size % volume.BlockSize == 0 ? 0 : 1);

    private void CheckSums()
    {
        InodeNumber inode = new(_inode.Number);
        if (!_inode.HasKnownType)
        {
            uint type = _inode.LikelyType;
            Add(ProblemCode.InodeTypeUnknown, $"inode {inode} has mode {Convert.ToString(_inode.Record.Mode, 8)}, a type that does not exist", repairs.Change(inode, (ref InodeRecord record) => record.Mode = (record.Mode & 0xFFF) | type));
            return;
        }

        CheckBlocks(inode);
        switch (_inode.Type)
        {
            case InodeSums.Directory:
                long entries = _inode.Entries;
                if (_inode.Record.Size != entries)
                {
                    Add(ProblemCode.DirectorySizeWrong, $"directory {inode} counts {_inode.Record.Size} entries, but has {entries}", repairs.Change(inode, (ref InodeRecord record) => record.Size = entries));
                }

                break;
            case InodeSums.Symlink:
                CheckSymlink(inode);
                break;
            case InodeSums.File:
                CheckFile(inode);
                break;
            default:
                if (_inode.Record.Size != 0)
                {
                    Add(ProblemCode.SizeWrong, $"special file {inode} has a size of {_inode.Record.Size}", repairs.Change(inode, static (ref InodeRecord record) => record.Size = 0));
                }

                break;
        }
    }

    private void CheckBlocks(InodeNumber inode)
    {
        long blocks = _inode.Blocks;
        if (_inode.Record.Blocks != blocks)
        {
            Add(ProblemCode.BlockCountWrong, $"inode {inode} counts {_inode.Record.Blocks} blocks, but has {blocks}", repairs.Change(inode, (ref InodeRecord record) => record.Blocks = blocks));
        }
    }

    private void CheckSymlink(InodeNumber inode)
    {
        long length = _inode.TargetLength;
        if (!_inode.TargetIsWhole || length is 0 or > SymlinkItems.MaxLength)
        {
            Add(ProblemCode.SymlinkBad, $"symlink {inode}: its target is missing, too long or in disorder", repairs.DropInode(inode));
        }
        else if (_inode.Record.Size != length)
        {
            Add(ProblemCode.SizeWrong, $"symlink {inode} has a size of {_inode.Record.Size}, but a target of {length} bytes", repairs.Change(inode, (ref InodeRecord record) => record.Size = length));
        }
    }

    private void CheckFile(InodeNumber inode)
    {
        long size = _inode.Record.Size;
        if (size > Content.FileContent.MaxFileSize)
        {
            long content = Math.Max(_extents.EndOfFile * volume.BlockSize, Math.Max(_inode.InlineLength, 0));
            Add(ProblemCode.SizeTooLarge, $"file {inode} has a size of {size}, more than a file can have", repairs.Change(inode, (ref InodeRecord record) => record.Size = content));
            return;
        }

        int inline = _inode.InlineLength;
        if (inline < 0)
        {
            return;
        }

        var key = new CatalogKey(inode.Value, ItemKind.Inline, 0);
        if (_inode.Blocks > 0 || inline is 0 or > InlineLayout.MaxLength || size == 0)
        {
            Add(ProblemCode.InlineBad, $"file {inode}: inline content of {inline} bytes beside {_inode.Blocks} blocks, with a size of {size}", repairs.Drop(key));
        }
        else if (inline > size)
        {
            Add(ProblemCode.InlineBad, $"file {inode}: inline content of {inline} bytes, with a size of {size}", repairs.CutValue(key, (int)size));
        }
    }

    private void Add(ProblemCode code, string message, Func<bool> repair) =>
        pass.Add(RepairStage.Items, new Problem(code, message, Inode: _inode.Number), repair);
}
