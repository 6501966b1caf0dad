// Promise: says of a write what it is on this volume: which structure, and in the journal which transaction and which
// block's image. It reads the descriptors that the run itself wrote, so it needs no key.
using System.Globalization;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>Puts writes into words.</summary>
internal static class WriteExplanation
{
    public static string Of(VolumeGeometry geometry, Func<long, long> blockAt, in WriteUnit unit, IReadOnlyList<TraceEvent> events)
    {
        if (unit.Offset < VolumeGeometry.JournalOffset)
        {
            int copy = (int)(unit.Offset / VolumeGeometry.HeaderSize);
            return unit.Offset == VolumeGeometry.SuperblockOffset(copy)
                ? string.Create(CultureInfo.InvariantCulture, $"superblock copy {copy}")
                : string.Create(CultureInfo.InvariantCulture, $"header copy {copy} at byte {unit.Offset}");
        }

        if (unit.Offset < geometry.JournalEnd)
        {
            return InJournal(geometry, unit, events);
        }

        long block = blockAt(unit.Offset);
        return block >= 0
            ? string.Create(CultureInfo.InvariantCulture, $"block {block} at home")
            : string.Create(CultureInfo.InvariantCulture, $"tag node at byte {unit.Offset}");
    }

    private static string InJournal(VolumeGeometry geometry, in WriteUnit unit, IReadOnlyList<TraceEvent> events)
    {
        long index = (unit.Offset - VolumeGeometry.JournalOffset) / geometry.BlockSize;
        string name = string.Create(CultureInfo.InvariantCulture, $"journal block {index}");
        for (int i = unit.Event; i >= 0; i--)
        {
            ReadOnlySpan<byte> data = events[i].Kind == TraceEventKind.Write ? events[i].Data.Span : default;
            for (int start = (data.Length / geometry.BlockSize * geometry.BlockSize) - geometry.BlockSize; start >= 0; start -= geometry.BlockSize)
            {
                var view = new JournalDescriptorView(data[start..]);
                if (view.HasMagic && events[i].Offset >= VolumeGeometry.JournalOffset && events[i].Offset < geometry.JournalEnd
                    && Part(geometry, view, data[start..], index) is { } part)
                {
                    return name + " = " + part;
                }
            }
        }

        return name;
    }

    /// <summary>What journal block <paramref name="index"/> is to the transaction of a descriptor; null where it is not its.</summary>
    private static string? Part(VolumeGeometry geometry, JournalDescriptorView view, ReadOnlySpan<byte> bytes, long index)
    {
        if (view.Entries > (ulong)geometry.JournalBlocks * 128 || view.Images > view.Entries)
        {
            return null;
        }

        int blocks = JournalDescriptorLayout.Blocks((int)view.Entries, geometry.BlockSize);
        long first = (long)(view.Position % (ulong)geometry.JournalBlocks);
        long place = (index - first + geometry.JournalBlocks) % geometry.JournalBlocks;
        string transaction = string.Create(CultureInfo.InvariantCulture, $"transaction {view.Sequence}");
        if (place < blocks)
        {
            return "descriptor of " + transaction;
        }

        if (place < blocks + view.Images)
        {
            return Image(geometry, bytes, (int)view.Entries, (int)place - blocks) + " in " + transaction;
        }

        return place < (2 * blocks) + view.Images ? "commit record (the descriptor's copy) of " + transaction : null;
    }

    private static string Image(VolumeGeometry geometry, ReadOnlySpan<byte> bytes, int entries, int wanted)
    {
        int image = 0;
        for (int i = 0; i < entries; i++)
        {
            int offset = JournalDescriptorLayout.HeaderSize + (i * JournalDescriptorLayout.EntrySize);
            if (offset + JournalDescriptorLayout.EntrySize > bytes.Length)
            {
                break;
            }

            JournalEntry entry = JournalEntry.Read(bytes.Slice(offset, JournalDescriptorLayout.EntrySize), geometry.TotalBlocks);
            if (entry.Kind == JournalEntryKind.Image && image++ == wanted)
            {
                return string.Create(CultureInfo.InvariantCulture, $"image of block {entry.Block} ({Purpose(entry.Purpose)})");
            }
        }

        return string.Create(CultureInfo.InvariantCulture, $"image {wanted}");
    }

    private static string Purpose(BlockPurpose purpose) => purpose switch
    {
        BlockPurpose.Data => "file content",
        BlockPurpose.CatalogNode => "catalog node",
        BlockPurpose.Bitmap => "allocation bitmap",
        _ => "volume state",
    };
}
