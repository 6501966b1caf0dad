// Promise: tags of many blocks in parallel; with one lane everything runs on the caller, in order, for determinism.
// Cost: one wake-up per lane and batch; blocks are handed out 32 at a time, so few that a wake-up would not pay stay with the
// caller.
using IntegrityFs.Format;

namespace IntegrityFs.Integrity;

/// <summary>One block to tag: content, place, and the result.</summary>
public struct TagWork
{
    /// <summary>Address of the content, one block long.</summary>
    public nint Content;

    /// <summary>Purpose of the block.</summary>
    public BlockPurpose Purpose;

    /// <summary>Number of the block.</summary>
    public long Block;

    /// <summary>Version of the block: the transaction that writes it.</summary>
    public ulong Version;

    /// <summary>The result.</summary>
    public Tag Tag;
}

/// <summary>Computes tags on several lanes.</summary>
public sealed class HashLanes(AuthenticatorPool authenticators, int blockSize, int lanes) : IDisposable, ILaneWork
{
    private const int Chunk = 32;
    private readonly WorkLanes _lanes = new(lanes, "integrityfs-hash");
    private TagWork[] _work = [];
    private int _count;
    private int _next;
    private ulong _version;

    /// <summary>Computes the tags of the first <paramref name="count"/> items for <paramref name="version"/>.
    /// One caller at a time.</summary>
    public void TagAll(TagWork[] work, int count, ulong version)
    {
        _work = work;
        _count = count;
        _version = version;
        _next = 0;
        _lanes.Run(this, 1 + ((count - 1) / Chunk));
    }

    /// <inheritdoc/>
    public void Dispose() => _lanes.Dispose();

    void ILaneWork.Run(int lane)
    {
        Authenticator authenticator = authenticators.Current;
        while (true)
        {
            int first = Interlocked.Add(ref _next, Chunk) - Chunk;
            if (first >= _count)
            {
                return;
            }

            Span<TagWork> part = _work.AsSpan(first, Math.Min(Chunk, _count - first));
            foreach (ref TagWork item in part)
            {
                item.Version = _version;
            }

            authenticator.TagBlocks(part, blockSize);
        }
    }
}
