using System.Runtime.InteropServices;
using IntegrityFs.Format;

namespace IntegrityFs.Integrity.Tests;

/// <summary>Tags of many blocks at once are the tags of each. Where the multi-buffer library is not installed, the same
/// tests hold for what is used instead, and one says that it is missing.</summary>
public sealed unsafe class BatchTests : IDisposable
{
    private readonly SubKeys _keys = new(new byte[] { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4 }, new Guid("6a1d7c1e-98f7-4d42-a4b4-0d8bd0f2a111"));

    private static bool IsInstalled { get; } = RuntimeInformation.ProcessArchitecture == Architecture.X64
        && NativeLibrary.TryLoad(MultiBufferLibrary.FileName, out _);

    [Fact]
    public void The_multi_buffer_library_is_used_where_it_is_installed()
    {
        string? refusal = HashEngines.RefusalOf(HashEngine.Auto, 4096);
        Assert.SkipUnless(IsInstalled, $"not used here: {refusal}");

        // Which is faster is the processor's to say, and who else keeps it busy; nothing else may keep it out.
        Assert.SkipWhen(refusal?.Contains("no faster", StringComparison.Ordinal) ?? false, $"not used here: {refusal}");
        Assert.Null(refusal);
        Assert.Matches(@"^ipsec-mb 1\.[345]\.\d+$", HashEngines.NameOf(HashEngine.Auto, 4096));
        Assert.Contains(Enumerable.Range(1, MultiBufferHmac.Lanes), n => MultiBufferLibrary.Process.FastestFor(n) is not null);
    }

    [Fact]
    public void It_can_be_left_out()
    {
        Assert.Equal("openssl", HashEngines.NameOf(HashEngine.OpenSsl, 4096));
        Assert.NotNull(HashEngines.RefusalOf(HashEngine.OpenSsl, 4096));
        Assert.Equal("openssl", HashEngines.NameOf(HashEngine.Auto, 65536));
    }

    [Theory]
    [InlineData(0x010300u, 200)]
    [InlineData(0x010307u, 200)]
    [InlineData(0x010400u, 240)]
    [InlineData(0x010500u, 240)]
    [InlineData(0x010200u, 0)]
    [InlineData(0x010600u, 0)]
    [InlineData(0x020000u, 0)]
    [InlineData(0x000300u, 0)]
    [InlineData(0u, 0)]
    public void Only_a_version_whose_structures_are_known_is_used(uint version, int jobSize) =>
        Assert.Equal(jobSize, MultiBufferLibrary.JobSizeOf(version));

    [Fact]
    public void Another_library_of_that_name_or_none_is_refused_with_the_reason()
    {
        var absent = new MultiBufferLibrary("libIPSec_MB.so.none");
        var other = new MultiBufferLibrary("libc.so.6");
        if (RuntimeInformation.ProcessArchitecture == Architecture.X64)
        {
            Assert.Equal("libIPSec_MB.so.none is not installed", absent.Refusal);
            Assert.Equal("libc.so.6 lacks a function", other.Refusal);
        }

        using var authenticator = new Authenticator(_keys, absent);
        Check(authenticator, 4096);
    }

    [Theory]
    [InlineData(MultiBufferKernels.Interleaved)]
    [InlineData(MultiBufferKernels.Widest)]
    internal void Kernels_prove_themselves_and_compute_the_tags_of_each(MultiBufferKernels kernels)
    {
        var library = new MultiBufferLibrary(MultiBufferLibrary.FileName, kernels);
        Assert.SkipUnless(IsInstalled, $"not used here: {library.Refusal}");
        Assert.Null(library.Refusal);
        Assert.SkipUnless(library.Available.Contains(kernels), "this processor lacks SHA instructions");
        using var authenticator = new Authenticator(_keys, library);
        Check(authenticator, 512);
        Check(authenticator, 32768);
        Check(authenticator, 4096);
    }

    [Fact]
    public void The_proof_notices_other_tags()
    {
        Assert.SkipUnless(IsInstalled, $"not used here: {MultiBufferLibrary.Process.Refusal}");
        using var proof = new MultiBufferProof(MultiBufferLibrary.Process, new byte[32]);
        using var same = new MultiBufferProof(MultiBufferLibrary.Process);
        foreach (MultiBufferKernels kernels in MultiBufferLibrary.Process.Available)
        {
            Assert.Equal("it computes another HMAC-SHA-256 than OpenSSL", proof.Compare(kernels));
            Assert.Null(same.Compare(kernels));
        }
    }

    [Fact]
    public void After_a_failure_tags_are_right_and_the_library_is_not_used_again()
    {
        var library = new MultiBufferLibrary(MultiBufferLibrary.FileName, MultiBufferKernels.Widest);
        Assert.SkipUnless(IsInstalled, $"not used here: {library.Refusal}");
        using var engine = new MultiBufferHmac(library, _keys.Block);
        using var authenticator = new Authenticator(_keys, library);
        byte[] content = GC.AllocateArray<byte>(40 << 11, pinned: true);
        fixed (byte* start = content)
        {
            TagWork[] work = Work(new Random(4), (nint)start, 40, 2048);
            Assert.Equal(40, engine.TagSome(work, 2048));
            Assert.False(engine.TagBatch(work.AsSpan(0, 1), 70000, MultiBufferKernels.Widest), "the library takes no message as long as that");
            Assert.Equal("it has not completed a batch", library.Refusal);
            Assert.Equal(0, engine.TagSome(work, 2048));
        }

        Check(authenticator, 2048);
    }

    [Theory]
    [InlineData(HashEngine.Auto)]
    [InlineData(HashEngine.OpenSsl)]
    public void Tags_of_many_blocks_are_the_tags_of_each(HashEngine engine)
    {
        using var authenticator = new Authenticator(_keys, engine);
        foreach (int size in new[] { 512, 1024, 4096, 16384, 32768, 65536, 512 })
        {
            Check(authenticator, size);
        }
    }

    [Theory]
    [InlineData(HashEngine.Auto)]
    [InlineData(HashEngine.OpenSsl)]
    public void Threads_do_not_disturb_each_other(HashEngine engine)
    {
        using var pool = new AuthenticatorPool(_keys, engine);
        byte[] content = GC.AllocateUninitializedArray<byte>(64 * 4096, pinned: true);
        new Random(1).NextBytes(content);
        fixed (byte* start = content)
        {
            nint address = (nint)start;
            TagWork[] expected = Work(new Random(2), address, 64, 4096);
            pool.Current.TagBlocks(expected, 4096);
            int wrong = 0;
            Parallel.For(0, 64, n =>
            {
                TagWork[] own = [.. expected.Select(item => item with { Tag = default })];
                pool.Current.TagBlocks(own.AsSpan(n % 32), 4096);
                for (int i = n % 32; i < own.Length; i++)
                {
                    if (own[i].Tag != expected[i].Tag)
                    {
                        Interlocked.Increment(ref wrong);
                    }
                }
            });
            Assert.Equal(0, wrong);
        }
    }

    [Theory]
    [InlineData(HashEngine.Auto)]
    [InlineData(HashEngine.OpenSsl)]
    public void A_warm_batch_allocates_nothing(HashEngine engine)
    {
        using var authenticator = new Authenticator(_keys, engine);
        byte[] content = GC.AllocateUninitializedArray<byte>(40 * 4096, pinned: true);
        fixed (byte* start = content)
        {
            TagWork[] work = Work(new Random(3), (nint)start, 40, 4096);
            for (int i = 0; i < 50; i++)
            {
                authenticator.TagBlocks(work, 4096);
            }

            long before = GC.GetAllocatedBytesForCurrentThread();
            authenticator.TagBlocks(work, 4096);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }

    public void Dispose() => _keys.Dispose();

    /// <summary>Compares batches of many sizes, of contents that are aligned in no way, with single tags.</summary>
    private void Check(Authenticator authenticator, int size)
    {
        using var reference = new Authenticator(_keys, HashEngine.OpenSsl);
        var random = new Random(size);
        int most = Math.Min(200, (4 << 20) / size);
        byte[] content = GC.AllocateUninitializedArray<byte>((most * size) + 64, pinned: true);
        random.NextBytes(content);
        fixed (byte* start = content)
        {
            foreach (int count in Enumerable.Range(0, 34).Concat([most]).Concat(Enumerable.Range(0, 8).Select(_ => random.Next(most))))
            {
                TagWork[] work = Work(random, (nint)start + random.Next(64), Math.Min(count, most), size);
                authenticator.TagBlocks(work, size);
                for (int i = 0; i < work.Length; i++)
                {
                    Assert.True(reference.TagOf(work[i], size) == work[i].Tag, $"block {i} of {work.Length}, {size} bytes each");
                }
            }
        }
    }

    private static TagWork[] Work(Random random, nint content, int count, int size)
    {
        BlockPurpose[] purposes = [BlockPurpose.Data, BlockPurpose.CatalogNode, BlockPurpose.Bitmap, BlockPurpose.State];
        return [.. Enumerable.Range(0, count).Select(i => new TagWork
        {
            Content = content + (i * size),
            Purpose = purposes[random.Next(purposes.Length)],
            Block = random.NextInt64(1L << 48),
            Version = (ulong)random.NextInt64(),
        })];
    }
}
