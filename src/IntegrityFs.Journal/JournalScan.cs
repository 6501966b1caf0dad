// Promise: finds every transaction that was durable, in order, from the tail that the superblock names; tells a torn tail
// (a crash) from damage (something behind it is authentic). Reads only; memory: the entries of the transactions found.
// Trust: a descriptor counts only if its MAC is right, its position is where it stands, its sequence is not below the
// superblock's, and its chain continues the last one. Images count only if they fit their entries' tags. Before anything is
// called bad it is read once more: one wrong bit on the way must not cost a durable transaction.
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Journal;

/// <summary>Reads a journal after a crash.</summary>
public sealed class JournalScanner(IDevice device, VolumeGeometry geometry, AuthenticatorPool authenticators)
{
    private const int SweepBytes = 1 << 20;
    private readonly byte[] _mac = new byte[JournalDescriptorLayout.MacSize];

    /// <summary>Accepts any chain; for showing that tests notice.</summary>
    internal bool IgnoreChain { get; init; }

    /// <summary>Accepts any MAC of a descriptor; likewise.</summary>
    internal bool IgnoreMac { get; init; }

    /// <summary>Compares nothing; likewise.</summary>
    internal bool VerifyNothing { get; init; }

    /// <summary>Applies a torn transaction; likewise.</summary>
    internal bool ReplayTorn { get; init; }

    /// <summary>Follows the chain from the tail to the end of the log.</summary>
    /// <param name="tail">Position of the oldest transaction that is needed.</param>
    /// <param name="firstSequence">No record below it counts.</param>
    /// <param name="chain">MAC of the transaction before the tail.</param>
    /// <param name="clean">The superblock says that nothing follows: only the tail itself is looked at, so that a newer
    /// transaction behind an older superblock is still found.</param>
    public JournalScanResult Scan(ulong tail, ulong firstSequence, ReadOnlySpan<byte> chain, bool clean = false)
    {
        var result = new JournalScanResult { End = tail, Chain = chain.ToArray() };
        ulong limit = tail + (ulong)geometry.JournalBlocks;
        List<JournalTransaction>? others = null;
        ulong next = firstSequence;
        while (true)
        {
            JournalTransaction? leading = ReadDescriptor(result.End, result.End, next, limit) ?? ReadDescriptor(result.End, result.End, next, limit);
            if (leading is not null && !Continues(leading, result.Chain))
            {
                leading = null;
            }

            if (leading is null && clean && result.Transactions.Count == 0)
            {
                return result;
            }

            JournalTransaction? found = leading;
            bool trailing;
            if (leading is null)
            {
                others ??= Sweep(result.End + 1, limit, next);
                ulong at = result.End;
                byte[] link = result.Chain;
                found = others.Find(o => o.Position == at && Continues(o, link));
                trailing = found is not null;
            }
            else
            {
                trailing = SameDescriptor(leading) || SameDescriptor(leading);
            }

            if (found is not null)
            {
                VerifyImages(found);
            }

            bool successor = HasSuccessor(found, result, limit, next, ref others);
            if (found is not null && !successor && found.BadImages.Count == 0)
            {
                VerifyInPlace(found);
            }

            successor |= found is not null && LooksTorn(found) && HasSuccessorAnywhere(found, result, limit, next, ref others);
            if (found is not null && successor)
            {
                // It was durable, so blocks that it wrote in place are not torn: an interrupted recovery may have brought
                // the next one's images home over them.
                found.InPlaceTorn = false;
            }

            bool images = found is null || !LooksTorn(found);
            JournalDecision decision = JournalDecisionTable.Decide(leading is not null, trailing, images, successor);
            result.Cases |= 1 << JournalDecisionTable.CaseOf(leading is not null, trailing, images, successor);
            if (!Accept(result, found, decision, others))
            {
                return result;
            }

            next = found!.Sequence + 1;
        }
    }

    private bool Accept(JournalScanResult result, JournalTransaction? found, JournalDecision decision, List<JournalTransaction>? others)
    {
        switch (decision)
        {
            case JournalDecision.End:
                return false;
            case JournalDecision.Gap:
                result.GapAt = result.End;
                result.GapSuccessor = others!.Max(o => o.Sequence);
                return false;
            case JournalDecision.DropTorn when !ReplayTorn:
                result.Torn = found;
                return false;
            default:
                found!.Decision = decision;
                result.Transactions.Add(found);
                result.End = found.End;
                result.Chain = found.Mac;
                return true;
        }
    }

    private bool Continues(JournalTransaction transaction, ReadOnlySpan<byte> chain) =>
        IgnoreChain || transaction.Chain.AsSpan().SequenceEqual(chain);

    /// <summary>True where an authentic record stands behind the one found. Needed only to judge something bad, so the
    /// common case, a whole transaction, costs no sweep.</summary>
    private bool HasSuccessor(JournalTransaction? found, JournalScanResult result, ulong limit, ulong next, ref List<JournalTransaction>? others)
    {
        if (found is null)
        {
            return others!.Exists(o => o.Sequence >= next);
        }

        if (found.BadImages.Count == 0)
        {
            return found.End < limit && ReadDescriptor(found.End, found.End, found.Sequence + 1, limit) is { } follower
                && Continues(follower, found.Mac);
        }

        others ??= Sweep(result.End + 1, limit, next);
        return others.Exists(o => o.Sequence > found.Sequence);
    }

    private static bool LooksTorn(JournalTransaction found) => found.BadImages.Count > 0 || found.InPlaceTorn;

    /// <summary>Before a crash in the commit is blamed for what is bad: whatever came after a durable transaction may have
    /// overwritten what it wrote in place, and the record next to it may be bad, so the rest of the journal is looked
    /// through.</summary>
    private bool HasSuccessorAnywhere(JournalTransaction found, JournalScanResult result, ulong limit, ulong next, ref List<JournalTransaction>? others)
    {
        others ??= Sweep(result.End + 1, limit, next);
        return others.Exists(o => o.Sequence > found.Sequence);
    }

    private bool StandsAtHome(in JournalEntry entry, ulong sequence, Span<byte> buffer)
    {
        device.Read(geometry.BlockOffset(entry.Block), buffer);
        return !VerifyNothing && Fits(entry, sequence, buffer);
    }

    /// <summary>All authentic records, leading or trailing, that stand anywhere from <paramref name="from"/> on.</summary>
    private List<JournalTransaction> Sweep(ulong from, ulong limit, ulong firstSequence)
    {
        var found = new List<JournalTransaction>();
        int blockSize = geometry.BlockSize;
        using var buffer = new AlignedMemory(Math.Max(SweepBytes, blockSize));
        ulong position = from;
        while (position < limit)
        {
            long untilWrap = geometry.JournalBlocks - (long)(position % (ulong)geometry.JournalBlocks);
            int blocks = (int)Math.Min(Math.Min((long)(limit - position), untilWrap), buffer.Length / blockSize);
            device.Read(geometry.JournalBlockOffset(position), buffer.Span[..(blocks * blockSize)]);
            for (int i = 0; i < blocks; i++)
            {
                var view = new JournalDescriptorView(buffer.Span.Slice(i * blockSize, blockSize));
                if (view.HasMagic && view.Sequence >= firstSequence
                    && ReadDescriptor(position + (ulong)i, view.Position, firstSequence, limit) is { } transaction)
                {
                    found.Add(transaction);
                }
            }

            position += (ulong)blocks;
        }

        return found;
    }

    /// <summary>Reads and authenticates the descriptor that stands at <paramref name="at"/> and claims
    /// <paramref name="claimed"/> as its transaction's position: the same for a leading one, before it for a trailing one.</summary>
    private JournalTransaction? ReadDescriptor(ulong at, ulong claimed, ulong firstSequence, ulong limit)
    {
        int blockSize = geometry.BlockSize;
        using var first = new AlignedMemory(blockSize);
        if (at >= limit)
        {
            return null;
        }

        device.Read(geometry.JournalBlockOffset(at), first.Span);
        var view = new JournalDescriptorView(first.Span);
        if (!view.HasMagic || view.Position != claimed || view.Sequence < firstSequence || view.Sequence >= TransactionId.MaxValue
            || view.Entries > JournalDescriptorLayout.MaxEntries || view.Images > view.Entries || view.Images > geometry.JournalBlocks)
        {
            return null;
        }

        int entries = (int)view.Entries;
        int blocks = JournalDescriptorLayout.Blocks(entries, blockSize);
        ulong end = claimed + view.Images + (2UL * (ulong)blocks);
        bool standsRight = at == claimed || at == claimed + (ulong)blocks + view.Images;
        if (!standsRight || end > limit || claimed > at)
        {
            return null;
        }

        using var all = new AlignedMemory(blocks * blockSize);
        ReadBlocks(at, all.Span);
        int length = JournalDescriptorLayout.HeaderSize + (entries * JournalDescriptorLayout.EntrySize);
        authenticators.Current.MacOfDescriptor(all.Span, length, _mac);
        var whole = new JournalDescriptorView(all.Span);
        bool authentic = VerifyNothing || IgnoreMac || (whole.Mac.SequenceEqual(_mac) && !all.Span[length..].ContainsAnyExcept((byte)0)
            && !whole.Reserved.ContainsAnyExcept((byte)0));
        return authentic ? Decode(whole, all.Span, entries, blocks) : null;
    }

    private JournalTransaction Decode(JournalDescriptorView view, ReadOnlySpan<byte> bytes, int entries, int blocks)
    {
        var decoded = new JournalEntry[entries];
        int images = 0;
        for (int i = 0; i < entries; i++)
        {
            int offset = JournalDescriptorLayout.HeaderSize + (i * JournalDescriptorLayout.EntrySize);
            decoded[i] = JournalEntry.Read(bytes.Slice(offset, JournalDescriptorLayout.EntrySize), geometry.TotalBlocks);
            images += decoded[i].Kind == JournalEntryKind.Image ? 1 : 0;
        }

        if (images != view.Images)
        {
            throw new CorruptFormatException($"journal transaction {view.Sequence} counts {view.Images} images but names {images}");
        }

        return new JournalTransaction
        {
            Sequence = view.Sequence,
            Position = view.Position,
            DescriptorBlocks = blocks,
            Images = images,
            Entries = decoded,
            Mac = view.Mac.ToArray(),
            Chain = view.Chain.ToArray(),
        };
    }

    private bool SameDescriptor(JournalTransaction transaction)
    {
        int bytes = transaction.DescriptorBlocks * geometry.BlockSize;
        using var leading = new AlignedMemory(bytes);
        using var trailing = new AlignedMemory(bytes);
        ReadBlocks(transaction.Position, leading.Span);
        ReadBlocks(transaction.FirstImage + (ulong)transaction.Images, trailing.Span);
        return leading.Span.SequenceEqual(trailing.Span);
    }

    private void VerifyImages(JournalTransaction transaction)
    {
        int blockSize = geometry.BlockSize;
        using var buffer = new AlignedMemory((int)Math.Clamp((long)transaction.Images * blockSize, blockSize, Math.Max(SweepBytes, blockSize)));
        int perRead = buffer.Length / blockSize;
        int image = 0;
        int loaded = 0;
        foreach (JournalEntry entry in transaction.Entries)
        {
            if (entry.Kind != JournalEntryKind.Image)
            {
                continue;
            }

            if (image == loaded)
            {
                int now = Math.Min(perRead, transaction.Images - image);
                ReadBlocks(transaction.FirstImage + (ulong)image, buffer.Span[..(now * blockSize)]);
                loaded = image + now;
            }

            int index = image % perRead;
            Span<byte> content = buffer.Span.Slice(index * blockSize, blockSize);
            if (!Fits(entry, transaction.Sequence, content))
            {
                ReadBlocks(transaction.FirstImage + (ulong)image, content);
                if (!Fits(entry, transaction.Sequence, content))
                {
                    (StandsAtHome(entry, transaction.Sequence, content) ? transaction.ImagesAtHome : transaction.BadImages).Add(image);
                }
            }

            image++;
        }
    }

    /// <summary>The flush behind the last transaction may not have happened: what it says of blocks written in place is
    /// checked where they stand.</summary>
    private void VerifyInPlace(JournalTransaction transaction)
    {
        using var buffer = new AlignedMemory(geometry.BlockSize);
        foreach (JournalEntry entry in transaction.Entries)
        {
            if (entry.Kind != JournalEntryKind.InPlace)
            {
                continue;
            }

            bool fits = false;
            for (int attempt = 0; attempt < 2 && !fits; attempt++)
            {
                device.Read(geometry.BlockOffset(entry.Block), buffer.Span);
                fits = Fits(entry, transaction.Sequence, buffer.Span);
            }

            if (!fits)
            {
                transaction.InPlaceTorn = true;
                return;
            }
        }
    }

    private bool Fits(in JournalEntry entry, ulong sequence, ReadOnlySpan<byte> content) =>
        VerifyNothing || authenticators.Current.TagOfBlock(entry.Purpose, entry.Block, sequence, content) == entry.Tag;

    private void ReadBlocks(ulong position, Span<byte> destination)
    {
        int blockSize = geometry.BlockSize;
        while (!destination.IsEmpty)
        {
            long untilWrap = (geometry.JournalBlocks - (long)(position % (ulong)geometry.JournalBlocks)) * blockSize;
            int now = (int)Math.Min(untilWrap, destination.Length);
            device.Read(geometry.JournalBlockOffset(position), destination[..now]);
            destination = destination[now..];
            position += (ulong)(now / blockSize);
        }
    }
}
