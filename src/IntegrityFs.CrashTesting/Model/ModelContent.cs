// Promise: a file's bytes as a plain map of 4 KiB chunks, immutable, so that every prefix of a history can be kept.
using System.Collections.Immutable;

namespace IntegrityFs.CrashTesting;

/// <summary>Immutable file content; absent chunks are zeroes.</summary>
internal sealed class ModelContent
{
    private const int ChunkSize = 4096;

    private readonly ImmutableDictionary<long, byte[]> _chunks;

    private ModelContent(ImmutableDictionary<long, byte[]> chunks) => _chunks = chunks;

    public static ModelContent Empty { get; } = new(ImmutableDictionary<long, byte[]>.Empty);

    public void Read(long offset, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int within = (int)(offset % ChunkSize);
            int count = Math.Min(ChunkSize - within, buffer.Length);
            if (_chunks.TryGetValue(offset / ChunkSize, out byte[]? chunk))
            {
                chunk.AsSpan(within, count).CopyTo(buffer);
            }
            else
            {
                buffer[..count].Clear();
            }

            buffer = buffer[count..];
            offset += count;
        }
    }

    public ModelContent Write(long offset, ReadOnlySpan<byte> data)
    {
        ImmutableDictionary<long, byte[]>.Builder chunks = _chunks.ToBuilder();
        while (!data.IsEmpty)
        {
            int within = (int)(offset % ChunkSize);
            int count = Math.Min(ChunkSize - within, data.Length);
            byte[] chunk = CopyOf(offset / ChunkSize);
            data[..count].CopyTo(chunk.AsSpan(within));
            chunks[offset / ChunkSize] = chunk;
            data = data[count..];
            offset += count;
        }

        return new ModelContent(chunks.ToImmutable());
    }

    /// <summary>Zeroes from <paramref name="offset"/> up to <paramref name="end"/>.</summary>
    public ModelContent Zero(long offset, long end)
    {
        ImmutableDictionary<long, byte[]>.Builder chunks = _chunks.ToBuilder();
        foreach (long index in _chunks.Keys)
        {
            long start = index * ChunkSize;
            long from = Math.Max(offset, start);
            long to = Math.Min(end, start + ChunkSize);
            if (from >= to)
            {
                continue;
            }

            if (to - from == ChunkSize)
            {
                chunks.Remove(index);
                continue;
            }

            byte[] chunk = CopyOf(index);
            chunk.AsSpan((int)(from - start), (int)(to - from)).Clear();
            chunks[index] = chunk;
        }

        return new ModelContent(chunks.ToImmutable());
    }

    /// <summary>The first byte at or after <paramref name="offset"/> that lies in a hole, or not in one; −1 for none.</summary>
    public long Seek(long offset, bool hole)
    {
        long index = offset / ChunkSize;
        if (hole)
        {
            while (_chunks.ContainsKey(index))
            {
                index++;
            }
        }
        else if (!_chunks.ContainsKey(index))
        {
            index = _chunks.Keys.Where(chunk => chunk > index).DefaultIfEmpty(-1).Min();
        }

        return index < 0 ? -1 : Math.Max(offset, index * ChunkSize);
    }

    private byte[] CopyOf(long index)
    {
        byte[] copy = new byte[ChunkSize];
        if (_chunks.TryGetValue(index, out byte[]? chunk))
        {
            chunk.CopyTo(copy, 0);
        }

        return copy;
    }
}
