// Promise: no tag of the multi-buffer library counts before it has computed some hundred HMACs of random contents under a random
// key as the runtime does, alone and in batches of every size, aligned in no way, with each of its kernels. Then they are timed
// against OpenSSL, for each size of a batch.
// Cost: 5 to 7 ms, once in a process.
using System.Diagnostics;
using System.Security.Cryptography;
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Integrity;

/// <summary>Compares the multi-buffer library with the runtime's HMAC, in tags and in time.</summary>
internal sealed class MultiBufferProof : IDisposable
{
    private const int Most = 33;
    private const int Shift = 61;
    private const int MeasuredSize = 4096;
    private const int Rounds = 5;

    private static readonly int[] s_sizes = [1, 2, 4, 8, 12, MultiBufferHmac.Lanes];

    private readonly MultiBufferLibrary _library;
    private readonly SubKeys _keys;
    private readonly Authenticator _reference;
    private readonly MultiBufferHmac _engine;
    private readonly AlignedMemory _content = new(MultiBufferHmac.LargestBlock + (Most * Shift));
    private readonly TagWork[] _work = new TagWork[Most];
    private readonly Tag[] _expected = new Tag[Most];

    /// <summary>Makes a random key and random contents. <paramref name="otherKey"/> is for tests: with it, nothing agrees.</summary>
    public MultiBufferProof(MultiBufferLibrary library, ReadOnlySpan<byte> otherKey = default)
    {
        _library = library;
        Span<byte> key = stackalloc byte[SubKeys.MasterKeySize];
        RandomNumberGenerator.Fill(key);
        RandomNumberGenerator.Fill(_content.Span);
        _keys = new SubKeys(key, Guid.NewGuid());
        _reference = new Authenticator(_keys, HashEngine.OpenSsl);
        _engine = new MultiBufferHmac(library, otherKey.IsEmpty ? _keys.Block : otherKey);
        for (int i = 0; i < Most; i++)
        {
            _work[i] = new TagWork
            {
                Content = _content.Address + (i * Shift),
                Purpose = (i & 1) == 0 ? BlockPurpose.Data : BlockPurpose.CatalogNode,
                Block = 977L * i,
                Version = ulong.MaxValue - (ulong)i,
            };
        }
    }

    /// <summary>Why these kernels must not be used; null where all tags agree.</summary>
    public string? Compare(MultiBufferKernels kernels)
    {
        bool agrees = AgreesFor(512, Enumerable.Range(1, Most), kernels)
            && AgreesFor(MeasuredSize, [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, Most], kernels)
            && AgreesFor(MultiBufferHmac.LargestBlock, [1, 2, MultiBufferHmac.Lanes], kernels);
        return agrees ? null : "it computes another HMAC-SHA-256 than OpenSSL";
    }

    /// <summary>Sets which kernels are fastest for each number of blocks; null stays where none takes less than 19/20 of the
    /// time of one HMAC after the other. A size between two that are timed goes by the smaller.</summary>
    public void Measure(Span<MultiBufferKernels?> fastest)
    {
        long alone = Shortest(() => _work[0].Tag = _reference.TagOf(_work[0], MeasuredSize));
        int known = 0;
        foreach (int count in s_sizes)
        {
            fastest[count] = null;
            long best = alone * count * 19 / 20;
            foreach (MultiBufferKernels kernels in _library.Available)
            {
                long time = Shortest(() => _engine.TagBatch(_work.AsSpan(0, count), MeasuredSize, kernels));
                if (time < best)
                {
                    best = time;
                    fastest[count] = kernels;
                }
            }

            fastest[(known + 1)..count].Fill(known == 0 ? null : fastest[known]);
            known = count;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _engine.Dispose();
        _reference.Dispose();
        _keys.Dispose();
        _content.Dispose();
    }

    /// <summary>Everything that disturbs makes a time longer.</summary>
    private static long Shortest(Action work)
    {
        long shortest = long.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            work();
            shortest = Math.Min(shortest, Stopwatch.GetTimestamp() - start);
        }

        return shortest;
    }

    private bool AgreesFor(int size, IEnumerable<int> counts, MultiBufferKernels kernels)
    {
        for (int i = 0; i < Most; i++)
        {
            _expected[i] = _reference.TagOf(_work[i], size);
        }

        foreach (int count in counts)
        {
            for (int done = 0; done < count; done += MultiBufferHmac.Lanes)
            {
                Span<TagWork> batch = _work.AsSpan(done, Math.Min(MultiBufferHmac.Lanes, count - done));
                foreach (ref TagWork item in batch)
                {
                    item.Tag = default;
                }

                if (!_engine.TagBatch(batch, size, kernels))
                {
                    return false;
                }
            }

            for (int i = 0; i < count; i++)
            {
                if (_work[i].Tag != _expected[i])
                {
                    return false;
                }
            }
        }

        return true;
    }
}
