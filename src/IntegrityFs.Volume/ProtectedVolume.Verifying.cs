// Promise: the only place where a block's content is compared with its entry.
// Cost: one HMAC per block; neighbours together, which the multi-buffer library does in half the time. No allocation.
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Volume;

public sealed partial class ProtectedVolume
{
    private const int VerifiedTogether = 32;

    /// <summary>Verifies neighbours that have been read; what does not fit is read once more on its own.</summary>
    private unsafe void VerifyRun(long first, ReadOnlySpan<TagEntry> entries, Span<byte> content)
    {
        if (entries.Length == 1)
        {
            if (!Verify(first, BlockPurpose.Data, entries[0], content))
            {
                ReadOne(first, content);
            }

            return;
        }

        Span<TagWork> work = stackalloc TagWork[VerifiedTogether];
        fixed (byte* start = content)
        {
            for (int done = 0; done < entries.Length; done += VerifiedTogether)
            {
                ReadOnlySpan<TagEntry> part = entries[done..Math.Min(done + VerifiedTogether, entries.Length)];
                for (int i = 0; i < part.Length; i++)
                {
                    work[i] = new TagWork
                    {
                        Content = (nint)(start + ((long)(done + i) * BlockSize)),
                        Purpose = BlockPurpose.Data,
                        Block = first + done + i,
                        Version = part[i].Version,
                    };
                }

                _authenticators.Current.TagBlocks(work[..part.Length], BlockSize);
                Interlocked.Add(ref _blocksVerified, part.Length);
                for (int i = 0; i < part.Length; i++)
                {
                    if (!Fits(part[i], BlockPurpose.Data, work[i].Tag))
                    {
                        ReadOne(first + done + i, content.Slice((done + i) * BlockSize, BlockSize));
                    }
                }
            }
        }
    }

    /// <summary>Whether a block with that tag is the one that the entry is of.</summary>
    internal bool Fits(TagEntry entry, BlockPurpose purpose, Tag tag) =>
        (Mutations & Mutation.VerifyNothing) != 0
        || (!entry.IsAbsent && entry.Kind == (byte)purpose && tag == entry.Tag);

    private bool Verify(long block, BlockPurpose purpose, TagEntry entry, ReadOnlySpan<byte> content)
    {
        Interlocked.Increment(ref _blocksVerified);
        if ((Mutations & Mutation.VerifyNothing) != 0)
        {
            return true;
        }

        return !entry.IsAbsent && entry.Kind == (byte)purpose
            && _authenticators.Current.TagOfBlock(purpose, block, entry.Version, content) == entry.Tag;
    }
}
