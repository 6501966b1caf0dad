using System.Runtime.InteropServices;
using IntegrityFs.Format;

namespace IntegrityFs.Integrity.Tests;

/// <summary>Tags of many blocks at once are the tags of each. Where the multi-buffer library is not installed, the same
/// tests hold for what is used instead, and one says that it is missing.</summary>
public sealed unsafe class BatchTests : IDisposable
{
    private readonly SubKeys _keys = new(new byte[] { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4 }, new Guid("6a1d7c1e-98f7-4d42-a4b4-0d8bd0f2a111"));

    public static TheoryData<HashEngine, int> Cases()
    {
        var cases = new TheoryData<HashEngine, int>();
        foreach (HashEngine engine in new[] { HashEngine.Auto, HashEngine.OpenSsl })
        {
            foreach (int size in new[] { 512, 1024, 4096, 16384, 65536 })
            {
                cases.Add(engine, size);
            }
        }

        return cases;
    }

    [Fact]
    public void The_multi_buffer_library_is_used_where_it_is_installed()
    {
        bool installed = RuntimeInformation.ProcessArchitecture == Architecture.X64
            && NativeLibrary.TryLoad("libIPSec_MB.so.1", out _);
        Assert.SkipUnless(installed, $"not used here: {HashEngines.Refusal}");
        Assert.Null(HashEngines.Refusal);
        Assert.Equal("ipsec-mb", HashEngines.NameOf(HashEngine.Auto));
    }

    [Fact]
    public void It_can_be_left_out() => Assert.Equal("openssl", HashEngines.NameOf(HashEngine.OpenSsl));

    [Theory]
    [InlineData(0x010300u, true)]
    [InlineData(0x010307u, true)]
    [InlineData(0x010200u, false)]
    [InlineData(0x010400u, false)]
    [InlineData(0x020000u, false)]
    [InlineData(0x000300u, false)]
    [InlineData(0u, false)]
    public void Only_a_version_whose_structures_are_known_is_used(uint version, bool known) =>
        Assert.Equal(known, MultiBufferLibrary.IsKnown(version));

    [Theory]
    [MemberData(nameof(Cases))]
    public void Tags_of_many_blocks_are_the_tags_of_each(HashEngine engine, int size)
    {
        using var authenticator = new Authenticator(_keys, engine);
        using var reference = new Authenticator(_keys, HashEngine.OpenSsl);
        var random = new Random(size);
        int most = Math.Min(200, (4 << 20) / size);
        byte[] content = GC.AllocateUninitializedArray<byte>((most * size) + 64, pinned: true);
        random.NextBytes(content);
        fixed (byte* start = content)
        {
            foreach (int count in new[] { 0, 1, 2, 3, 4, 15, 16, 17, 31, 32, 33, most }.Concat(Enumerable.Range(0, 8).Select(_ => random.Next(most))))
            {
                TagWork[] work = Work(random, (nint)start + random.Next(64), Math.Min(count, most), size);
                authenticator.TagBlocks(work, size);
                foreach (TagWork item in work)
                {
                    var block = new ReadOnlySpan<byte>((void*)item.Content, size);
                    Assert.Equal(reference.TagOfBlock(item.Purpose, item.Block, item.Version, block), item.Tag);
                }
            }
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
