// Promise: what a check must know of every inode at once. Memory: 56 bytes for each inode.
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>What is known of an inode.</summary>
internal struct InodeFacts
{
    public ulong Number;

    /// <summary>The parent that the inode names.</summary>
    public ulong Parent;

    /// <summary>The directory in which a name was found first; 0 where none was.</summary>
    public ulong Holder;

    public long Names;

    public long Subdirectories;

    public uint Mode;

    public uint Links;

    public bool Orphan;

    /// <summary>0 not known, 1 on the way, 2 known to end at the root or where a repair takes over.</summary>
    public byte Reached;

    public readonly bool IsDirectory => (Mode & ModeBits.TypeMask) == ModeBits.Directory;
}

/// <summary>All inodes, in the order of their numbers, in which they are added.</summary>
internal sealed class InodeTable
{
    private const int ChunkBits = 8;
    private readonly List<InodeFacts[]> _chunks = [];

    public int Count { get; private set; }

    public ref InodeFacts this[int index] => ref _chunks[index >> ChunkBits][index & ((1 << ChunkBits) - 1)];

    public void Clear() => Count = 0;

    public ref InodeFacts Add()
    {
        if (Count >> ChunkBits == _chunks.Count)
        {
            _chunks.Add(new InodeFacts[1 << ChunkBits]);
        }

        ref InodeFacts facts = ref this[Count++];
        facts = default;
        return ref facts;
    }

    /// <summary>The place of an inode; −1 where there is none.</summary>
    public int Find(ulong number)
    {
        int low = 0;
        int high = Count - 1;
        while (low <= high)
        {
            int middle = (int)(((uint)low + (uint)high) >> 1);
            ulong at = this[middle].Number;
            if (at == number)
            {
                return middle;
            }

            if (at < number)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        return -1;
    }
}
