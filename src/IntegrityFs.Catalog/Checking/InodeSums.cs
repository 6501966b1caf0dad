using IntegrityFs.Format;

namespace IntegrityFs.Catalog;

/// <summary>What has been seen of the inode that is being checked.</summary>
internal sealed class InodeSums
{
    public const uint Directory = 0x4000;
    public const uint File = 0x8000;
    public const uint Symlink = 0xA000;
    private const uint TypeMask = 0xF000;
    private InodeRecord _record;
    private bool _pieceWasShort;
    private ulong _pieces;

    public ulong Number { get; private set; }

    public bool Exists { get; private set; }

    public ref readonly InodeRecord Record => ref _record;

    public uint Type => _record.Mode & TypeMask;

    /// <summary>True where the type cannot be right: none of its items has been seen, but one of another type.</summary>
    public bool IsDoubtful { get; set; }

    public bool HasKnownType => !IsDoubtful && Type is 0x1000 or 0x2000 or Directory or 0x6000 or File or Symlink or 0xC000
        && (_record.Mode & ~0xFFFFu) == 0;

    public long Blocks { get; set; }

    public long Entries { get; set; }

    /// <summary>Bytes of inline content; −1 where there is none.</summary>
    public int InlineLength { get; set; }

    public long TargetLength { get; private set; }

    public bool TargetIsWhole { get; private set; }

    /// <summary>The type that the items speak for.</summary>
    public uint LikelyType { get; private set; }

    public void Begin(ulong number)
    {
        Number = number;
        Exists = false;
        IsDoubtful = false;
        Blocks = 0;
        Entries = 0;
        InlineLength = -1;
        TargetLength = 0;
        TargetIsWhole = true;
        LikelyType = File;
        _pieceWasShort = false;
        _pieces = 0;
    }

    public void Set(in InodeRecord record)
    {
        _record = record;
        Exists = true;
    }

    public void Saw(ItemKind kind) => LikelyType = kind switch
    {
        ItemKind.Symlink => Symlink,
        ItemKind.Dentry => Directory,
        _ => LikelyType,
    };

    /// <summary>A piece of the target of a symlink.</summary>
    public void AddPiece(ulong piece, int length, int longest)
    {
        TargetIsWhole &= piece == _pieces && length > 0 && !_pieceWasShort;
        _pieces++;
        _pieceWasShort = length < longest;
        TargetLength += length;
    }
}
