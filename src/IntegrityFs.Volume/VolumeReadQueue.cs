// Promise: what is said to be good was verified against the entry that the tag tree had for it when the read began. That
// entry binds the block's version: a block that was freed, or written anew at its place, in the meantime does not fit, and is
// left to the ordinary way, as everything that does not go well. So no scope is held while the device works.
// Cost: for all reads that begin together one system call; for those that end together one batch of HMACs, which the
// multi-buffer library takes side by side; one read more, at the same time, where the leaf is not in memory. No allocation.
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Volume;

/// <summary>Small reads of data that one thread has under way at once.</summary>
public sealed unsafe class VolumeReadQueue : IDisposable
{
    /// <summary>Longest read in bytes.</summary>
    public const int Longest = 64 << 10;

    /// <summary>Greatest capacity.</summary>
    public const int MostCapacity = 16;

    private const int MostBlocks = Longest / VolumeGeometry.MinBlockSize;

    private readonly ProtectedVolume _volume;
    private readonly ReadQueue _device;
    private readonly AlignedMemory _leaves;
    private readonly Read[] _reads;
    private readonly TagEntry[] _entries;
    private readonly TagWork[] _work;
    private readonly int _blockSize;

    internal VolumeReadQueue(ProtectedVolume volume, ReadQueue device, int capacity)
    {
        _volume = volume;
        _device = device;
        _blockSize = volume.BlockSize;
        _leaves = new AlignedMemory(capacity * _blockSize);
        _reads = new Read[capacity];
        _entries = new TagEntry[capacity * MostBlocks];
        _work = new TagWork[capacity * MostBlocks];
    }

    /// <summary>Inside a scope: begins to read whole data blocks, where they are at their place on the device alone. What has
    /// begun is left to the device at the next <see cref="Submit"/>.</summary>
    /// <param name="number">0 to the capacity − 1, not in use.</param>
    /// <param name="run">The blocks.</param>
    /// <param name="memory">Room for them, until the read has ended.</param>
    /// <returns>False where nothing has begun, and the ordinary way is to be taken.</returns>
    /// <exception cref="IntegrityException">A node over the leaf is not authentic.</exception>
    /// <exception cref="DeviceException">It cannot be read.</exception>
    public bool TryBegin(int number, BlockRun run, nint memory)
    {
        long first = run.First.Value;
        if (run.Count * (long)_blockSize > Longest || !_device.Takes(memory))
        {
            return false;
        }

        Span<TagEntry> entries = EntriesOf(number, (int)run.Count);
        if (!_volume.TryBeginRead(first, entries, out bool found, out LeafFetch fetch))
        {
            return false;
        }

        _device.Add(_volume.OffsetOf(first), new IoSegment(memory, entries.Length * _blockSize), 2 * number);
        if (!found)
        {
            _device.Add(fetch.Offset, new IoSegment(LeafOf(number), _blockSize), (2 * number) + 1);
        }

        _reads[number] = new Read
        {
            First = first,
            Count = entries.Length,
            Memory = memory,
            Fetch = fetch,
            WithLeaf = !found,
            UnderWay = found ? 1 : 2,
            Complete = true,
        };
        return true;
    }

    /// <summary>Leaves to the device what has begun.</summary>
    public void Submit() => _device.Submit();

    /// <summary>Takes reads that have ended, and verifies them.</summary>
    /// <param name="ended">Gets them.</param>
    /// <param name="wait">Sleep until there is one, where one is under way.</param>
    /// <returns>How many.</returns>
    public int Take(Span<EndedRead> ended, bool wait)
    {
        int count = 0;
        while (count < ended.Length && _device.TryTake(wait && count == 0, out int command, out bool complete))
        {
            ref Read read = ref _reads[command / 2];
            read.Complete &= complete;
            if (--read.UnderWay == 0)
            {
                ended[count++] = new EndedRead(command / 2, read.Complete ? read.Count * _blockSize : -1);
            }
        }

        // Whatever happens, what has ended has ended: the caller learns of it, and the ordinary way tells what is wrong.
        try
        {
            CheckLeaves(ended[..count]);
            Verify(ended[..count]);
        }
#pragma warning disable CA1031 // see above
        catch (Exception)
#pragma warning restore CA1031
        {
            foreach (ref EndedRead end in ended[..count])
            {
                end = end with { Bytes = -1 };
            }
        }

        return count;
    }

    /// <summary>Waits until no read is under way.</summary>
    public void Dispose()
    {
        _device.Dispose();
        _leaves.Dispose();
    }

    private nint LeafOf(int number) => _leaves.Address + (number * _blockSize);

    private Span<TagEntry> EntriesOf(int number, int count) => _entries.AsSpan(number * MostBlocks, count);

    private void CheckLeaves(Span<EndedRead> ended)
    {
        foreach (ref EndedRead end in ended)
        {
            ref readonly Read read = ref _reads[end.Number];
            if (end.Bytes >= 0 && read.WithLeaf && !_volume.TryEndFetch(
                read.Fetch, new ReadOnlySpan<byte>((void*)LeafOf(end.Number), _blockSize), read.First, EntriesOf(end.Number, read.Count)))
            {
                end = end with { Bytes = -1 };
            }
        }
    }

    private void Verify(Span<EndedRead> ended)
    {
        int blocks = 0;
        foreach (EndedRead end in ended)
        {
            ref readonly Read read = ref _reads[end.Number];
            Span<TagEntry> entries = EntriesOf(end.Number, end.Bytes < 0 ? 0 : read.Count);
            for (int i = 0; i < entries.Length; i++)
            {
                _work[blocks++] = new TagWork
                {
                    Content = read.Memory + (i * _blockSize),
                    Purpose = BlockPurpose.Data,
                    Block = read.First + i,
                    Version = entries[i].Version,
                };
            }
        }

        if (blocks == 0)
        {
            return;
        }

        _volume.TagAll(_work.AsSpan(0, blocks));
        blocks = 0;
        foreach (ref EndedRead end in ended)
        {
            Span<TagEntry> entries = EntriesOf(end.Number, end.Bytes < 0 ? 0 : _reads[end.Number].Count);
            foreach (TagEntry entry in entries)
            {
                if (!_volume.Fits(entry, BlockPurpose.Data, _work[blocks++].Tag))
                {
                    end = end with { Bytes = -1 };
                }
            }
        }
    }

    private struct Read
    {
        public long First;
        public int Count;
        public nint Memory;
        public LeafFetch Fetch;
        public bool WithLeaf;
        public int UnderWay;
        public bool Complete;
    }
}
