// Promise: Append returns only after a transaction (descriptor, images, descriptor again) is durable: one gathered write,
// one flush. The MAC in the descriptor chains to the transaction before, and the entries' tags cover the images, so a
// torn transaction is recognised whatever part of it reached the medium, and no order within it is needed.
// Invariants: J2 a transaction is self-validating. J6 nothing of the next transaction is written before the flush of this
// one has returned (callers hold the commit lock). J3 space is reused only after Release, which the volume calls once the
// superblock with the new tail is durable.
// Cost: one flush, (2 × descriptor blocks + images) blocks written, one HMAC over the descriptor; images are tagged before.
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Journal;

/// <summary>The write side of the circular journal.</summary>
public sealed class JournalLog : IDisposable
{
    private const int SegmentsPerWrite = 1024;
    private readonly IDevice _device;
    private readonly VolumeGeometry _geometry;
    private readonly AuthenticatorPool _authenticators;
    private readonly byte[] _chain = new byte[JournalDescriptorLayout.ChainSize];
    private readonly IoSegment[] _segments = new IoSegment[SegmentsPerWrite];
    private AlignedMemory _descriptor;
    private ulong _head;
    private ulong _tail;
    private int _segmentCount;
    private ulong _writePosition;
    private ulong _segmentStart;

    /// <summary>An empty log whose next transaction goes to <paramref name="head"/> and chains to <paramref name="chain"/>.</summary>
    public JournalLog(IDevice device, VolumeGeometry geometry, AuthenticatorPool authenticators, ulong tail, ulong head, ReadOnlySpan<byte> chain)
    {
        _device = device;
        _geometry = geometry;
        _authenticators = authenticators;
        _tail = tail;
        _head = head;
        chain.CopyTo(_chain);
        _descriptor = new AlignedMemory(geometry.BlockSize);
    }

    /// <summary>Position behind the newest transaction.</summary>
    public ulong Head => Volatile.Read(ref _head);

    /// <summary>Position of the oldest transaction that is still needed.</summary>
    public ulong Tail => Volatile.Read(ref _tail);

    /// <summary>Blocks that can be appended.</summary>
    public long FreeBlocks => _geometry.JournalBlocks - UsedBlocks;

    /// <summary>Blocks between tail and head.</summary>
    public long UsedBlocks => (long)(Head - Tail);

    /// <summary>MAC of the newest transaction.</summary>
    public ReadOnlySpan<byte> Chain => _chain;

    /// <summary>Leaves out the flush, for showing that tests notice.</summary>
    internal bool SkipFlush { get; init; }

    /// <summary>Blocks that a transaction takes.</summary>
    public static long BlocksFor(int entries, int images, int blockSize) =>
        images + (2L * JournalDescriptorLayout.Blocks(entries, blockSize));

    /// <summary>Writes a transaction and flushes. Images are given by address, in the order of the image entries.
    /// Returns the position of the first image.</summary>
    public ulong Append(ulong sequence, ReadOnlySpan<JournalEntry> entries, ReadOnlySpan<nint> images)
    {
        int blockSize = _geometry.BlockSize;
        int descriptorBlocks = JournalDescriptorLayout.Blocks(entries.Length, blockSize);
        if (entries.Length > JournalDescriptorLayout.MaxEntries || BlocksFor(entries.Length, images.Length, blockSize) > FreeBlocks)
        {
            throw new InvalidOperationException("a transaction was appended without room in the journal");
        }

        BuildDescriptor(sequence, entries, images.Length, descriptorBlocks);
        _writePosition = _head;
        Enqueue(_descriptor.Address, descriptorBlocks);
        ulong firstImage = _writePosition;
        foreach (nint image in images)
        {
            Enqueue(image, 1);
        }

        Enqueue(_descriptor.Address, descriptorBlocks);
        WriteOut();
        if (!SkipFlush)
        {
            _device.Flush();
        }

        new JournalDescriptorView(_descriptor.Span).Mac.CopyTo(_chain);
        Volatile.Write(ref _head, _writePosition);
        return firstImage;
    }

    /// <summary>Reads blocks of the log that lie one behind the other (the caller has split at the wrap).</summary>
    public void ReadImage(ulong position, Span<byte> destination) =>
        _device.Read(_geometry.JournalBlockOffset(position), destination);

    /// <summary>Gives the space before <paramref name="tail"/> back, once the superblock that says so is durable.</summary>
    public void Release(ulong tail) => Volatile.Write(ref _tail, tail);

    /// <inheritdoc/>
    public void Dispose() => _descriptor.Dispose();

    private void BuildDescriptor(ulong sequence, ReadOnlySpan<JournalEntry> entries, int images, int descriptorBlocks)
    {
        int bytes = descriptorBlocks * _geometry.BlockSize;
        if (_descriptor.Length < bytes)
        {
            _descriptor.Dispose();
            _descriptor = new AlignedMemory(bytes);
        }

        Span<byte> descriptor = _descriptor.Span[..bytes];
        JournalDescriptorView.WriteHeader(descriptor, sequence, _head, entries.Length, images, _chain);
        int offset = JournalDescriptorLayout.HeaderSize;
        foreach (JournalEntry entry in entries)
        {
            entry.Write(descriptor[offset..]);
            offset += JournalDescriptorLayout.EntrySize;
        }

        descriptor[offset..].Clear();
        _authenticators.Current.MacOfDescriptor(descriptor, offset, descriptor.Slice(JournalDescriptorLayout.MacOffset, JournalDescriptorLayout.MacSize));
    }

    /// <summary>Adds memory to the gathered write; writes out where the journal wraps or the segment list is full.</summary>
    private void Enqueue(nint address, int blocks)
    {
        while (blocks > 0)
        {
            int untilWrap = _geometry.JournalBlocks - (int)(_writePosition % (ulong)_geometry.JournalBlocks);
            int now = Math.Min(blocks, untilWrap);
            if (_segmentCount == 0)
            {
                _segmentStart = _writePosition;
            }

            _segments[_segmentCount++] = new IoSegment(address, now * _geometry.BlockSize);
            _writePosition += (ulong)now;
            address += now * _geometry.BlockSize;
            blocks -= now;
            if (now == untilWrap || _segmentCount == SegmentsPerWrite)
            {
                WriteOut();
            }
        }
    }

    private void WriteOut()
    {
        int count = _segmentCount;
        _segmentCount = 0;
        if (count > 0)
        {
            _device.WriteGather(_geometry.JournalBlockOffset(_segmentStart), _segments.AsSpan(0, count));
        }
    }
}
