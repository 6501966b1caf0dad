// Promise: tells a transaction that was torn in its commit from one that was durable, of which a block in the journal has gone
// bad since. A checkpoint takes home only what is durable, and the volume's own blocks (nodes, bitmaps, state) are written
// home by nothing else. So where such a block at home is this transaction's version, and none that counts without it, a
// checkpoint of it had begun: to drop it would leave blocks at home that nothing vouches for. Reads only.
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;
using IntegrityFs.Journal;

namespace IntegrityFs.Volume;

/// <summary>Looks for traces of the last transaction at home.</summary>
internal sealed class TornTail(IDevice device, VolumeGeometry geometry, AuthenticatorPool authenticators)
{
    /// <summary>True where the transaction that looks torn has left a trace.</summary>
    public bool WasDurable(TagEntry root, JournalScanResult scan)
    {
        JournalTransaction torn = scan.Torn!;
        using var tree = new TagTree(device, geometry, authenticators, root, 0) { ReadOnly = true };
        using var content = new AlignedMemory(geometry.BlockSize);
        foreach (JournalEntry entry in torn.Entries)
        {
            if (entry.Kind != JournalEntryKind.Image || entry.Purpose == BlockPurpose.Data)
            {
                continue;
            }

            device.Read(geometry.BlockOffset(entry.Block), content.Span);
            if (Fits(entry, torn.Sequence, content.Span) && !IsOlder(tree, scan.Transactions, entry.Block, content.Span))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>True where the same content counts without the transaction: it says nothing then.</summary>
    private bool IsOlder(TagTree tree, List<JournalTransaction> earlier, long block, ReadOnlySpan<byte> content)
    {
        foreach (JournalTransaction transaction in earlier)
        {
            foreach (JournalEntry entry in transaction.Entries)
            {
                if (entry.Kind != JournalEntryKind.Freed && entry.Block == block && Fits(entry, transaction.Sequence, content))
                {
                    return true;
                }
            }
        }

        try
        {
            TagEntry entry = tree.Find(block);
            return !entry.IsAbsent && authenticators.Current.TagOfBlock((BlockPurpose)entry.Kind, block, entry.Version, content) == entry.Tag;
        }
        catch (IntegrityException)
        {
            return true;
        }
    }

    private bool Fits(in JournalEntry entry, ulong sequence, ReadOnlySpan<byte> content) =>
        authenticators.Current.TagOfBlock(entry.Purpose, entry.Block, sequence, content) == entry.Tag;
}
