// Inode items, orphan records, and the counters that go with inodes. An inode item has a fixed length, so replacing one
// allocates nothing. The counter of inode numbers only grows: a number is never used twice.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>Reads and changes inodes and orphan records; inside a scope.</summary>
internal sealed class InodeItems(CatalogTree tree)
{
    /// <summary>The inode; false where there is none.</summary>
    [SkipLocalsInit]
    public bool TryGet(InodeNumber inode, out InodeRecord record)
    {
        Span<byte> value = stackalloc byte[tree.MaxValueLength];
        if (!tree.TryGet(Key(inode), value, out int length))
        {
            record = default;
            return false;
        }

        record = Decode(value[..length]);
        return true;
    }

    /// <summary>Creates or replaces an inode; true where it is new, which is counted.</summary>
    public bool Put(IVolumeOperation operation, InodeNumber inode, in InodeRecord record)
    {
        Span<byte> value = stackalloc byte[CatalogInodeLayout.Size];
        Encode(record, value);
        bool isNew = tree.Put(operation, Key(inode), value);
        if (isNew)
        {
            Count(operation, 1);
        }

        return isNew;
    }

    /// <summary>Removes an inode; false where there is none.</summary>
    public bool Remove(IVolumeOperation operation, InodeNumber inode)
    {
        bool existed = tree.Remove(operation, Key(inode));
        if (existed)
        {
            Count(operation, -1);
        }

        return existed;
    }

    /// <summary>A number never used before.</summary>
    public InodeNumber NewNumber(IVolumeOperation operation)
    {
        CatalogRoot root = tree.ReadRoot();
        ulong number = root.NextInode++;
        root.Write(operation.Root);
        return number < ulong.MaxValue >> 1
            ? new InodeNumber(number)
            : throw new CorruptFormatException("catalog root: next inode number");
    }

    /// <summary>Adds an orphan record.</summary>
    public void AddOrphan(IVolumeOperation operation, InodeNumber inode) => tree.Put(operation, OrphanKey(inode), []);

    /// <summary>Removes an orphan record, if there is one.</summary>
    public void RemoveOrphan(IVolumeOperation operation, InodeNumber inode) => tree.Remove(operation, OrphanKey(inode));

    /// <summary>The first orphan record after <paramref name="after"/>.</summary>
    [SkipLocalsInit]
    public bool TryNextOrphan(InodeNumber after, out InodeNumber orphan)
    {
        Span<byte> value = stackalloc byte[tree.MaxValueLength];
        if (after.Value == ulong.MaxValue
            || !tree.TryCeiling(OrphanKey(new InodeNumber(after.Value + 1)), out CatalogKey found, value, out _)
            || found.Inode != 0 || found.Kind != ItemKind.Orphan)
        {
            orphan = InodeNumber.None;
            return false;
        }

        orphan = new InodeNumber(found.Offset);
        return true;
    }

    /// <summary>The key of an inode's item.</summary>
    public static CatalogKey Key(InodeNumber inode) => new(inode.Value, ItemKind.Inode, 0);

    /// <summary>The key of an orphan record.</summary>
    public static CatalogKey OrphanKey(InodeNumber inode) => new(0, ItemKind.Orphan, inode.Value);

    /// <summary>Reads and checks an inode item.</summary>
    /// <exception cref="CorruptFormatException">It breaks a rule.</exception>
    public static InodeRecord Decode(ReadOnlySpan<byte> value)
    {
        if (value.Length != CatalogInodeLayout.Size
            || BinaryPrimitives.ReadUInt32LittleEndian(value) != CatalogInodeLayout.Version)
        {
            throw new CorruptFormatException("inode item: length, version or reserved bytes");
        }

        InodeRecord record = default;
        record.Mode = U32(value, CatalogInodeLayout.ModeOffset);
        record.Uid = U32(value, CatalogInodeLayout.UidOffset);
        record.Gid = U32(value, CatalogInodeLayout.GidOffset);
        record.Links = U32(value, CatalogInodeLayout.LinksOffset);
        record.Rdev = U32(value, CatalogInodeLayout.RdevOffset);
        record.Flags = U32(value, CatalogInodeLayout.FlagsOffset);
        record.Size = BinaryPrimitives.ReadInt64LittleEndian(value[CatalogInodeLayout.SizeOffset..]);
        record.Blocks = BinaryPrimitives.ReadInt64LittleEndian(value[CatalogInodeLayout.BlocksOffset..]);
        record.Atime = Time(value, CatalogInodeLayout.AtimeOffset);
        record.Mtime = Time(value, CatalogInodeLayout.MtimeOffset);
        record.Ctime = Time(value, CatalogInodeLayout.CtimeOffset);
        record.Btime = Time(value, CatalogInodeLayout.BtimeOffset);
        record.Parent = new InodeNumber(BinaryPrimitives.ReadUInt64LittleEndian(value[CatalogInodeLayout.ParentOffset..]));
        return record.Size >= 0 && record.Blocks >= 0
            ? record
            : throw new CorruptFormatException("inode item: negative size");
    }

    /// <summary>Writes the <see cref="CatalogInodeLayout.Size"/> bytes of an inode item.</summary>
    public static void Encode(in InodeRecord record, Span<byte> value)
    {
        value.Clear();
        value[CatalogInodeLayout.VersionOffset] = CatalogInodeLayout.Version;
        SetU32(value, CatalogInodeLayout.ModeOffset, record.Mode);
        SetU32(value, CatalogInodeLayout.UidOffset, record.Uid);
        SetU32(value, CatalogInodeLayout.GidOffset, record.Gid);
        SetU32(value, CatalogInodeLayout.LinksOffset, record.Links);
        SetU32(value, CatalogInodeLayout.RdevOffset, record.Rdev);
        SetU32(value, CatalogInodeLayout.FlagsOffset, record.Flags);
        BinaryPrimitives.WriteInt64LittleEndian(value[CatalogInodeLayout.SizeOffset..], record.Size);
        BinaryPrimitives.WriteInt64LittleEndian(value[CatalogInodeLayout.BlocksOffset..], record.Blocks);
        SetTime(value, CatalogInodeLayout.AtimeOffset, record.Atime);
        SetTime(value, CatalogInodeLayout.MtimeOffset, record.Mtime);
        SetTime(value, CatalogInodeLayout.CtimeOffset, record.Ctime);
        SetTime(value, CatalogInodeLayout.BtimeOffset, record.Btime);
        BinaryPrimitives.WriteUInt64LittleEndian(value[CatalogInodeLayout.ParentOffset..], record.Parent.Value);
    }

    /// <summary>For repairs: resets what no inode item of the right length can have, and keeps the rest.</summary>
    public static void Mend(Span<byte> value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(value, CatalogInodeLayout.Version);
        Span<int> numbers = [CatalogInodeLayout.SizeOffset, CatalogInodeLayout.BlocksOffset];
        foreach (int offset in numbers)
        {
            if (BinaryPrimitives.ReadInt64LittleEndian(value[offset..]) < 0)
            {
                BinaryPrimitives.WriteInt64LittleEndian(value[offset..], 0);
            }
        }

        Span<int> times = [CatalogInodeLayout.AtimeOffset, CatalogInodeLayout.MtimeOffset, CatalogInodeLayout.CtimeOffset, CatalogInodeLayout.BtimeOffset];
        foreach (int offset in times)
        {
            if (U32(value, offset + 8) >= 1_000_000_000)
            {
                SetU32(value, offset + 8, 0);
            }
        }
    }

    private void Count(IVolumeOperation operation, int change)
    {
        CatalogRoot root = tree.ReadRoot();
        root.Inodes += (ulong)change;
        root.Write(operation.Root);
    }

    private static uint U32(ReadOnlySpan<byte> value, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(value[offset..]);

    private static void SetU32(Span<byte> value, int offset, uint number) =>
        BinaryPrimitives.WriteUInt32LittleEndian(value[offset..], number);

    private static Timestamp Time(ReadOnlySpan<byte> value, int offset)
    {
        uint nanoseconds = BinaryPrimitives.ReadUInt32LittleEndian(value[(offset + 8)..]);
        return nanoseconds < 1_000_000_000
            ? new Timestamp(BinaryPrimitives.ReadInt64LittleEndian(value[offset..]), nanoseconds)
            : throw new CorruptFormatException("inode item: nanoseconds");
    }

    private static void SetTime(Span<byte> value, int offset, Timestamp time)
    {
        BinaryPrimitives.WriteInt64LittleEndian(value[offset..], time.Seconds);
        BinaryPrimitives.WriteUInt32LittleEndian(value[(offset + 8)..], time.Nanoseconds);
    }
}
