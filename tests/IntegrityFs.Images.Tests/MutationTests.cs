using System.Globalization;
using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Images.Tests;

/// <summary>Random bytes changed in authentic metadata, tagged again with the real key. Whatever comes of it: using the volume
/// gives errors at most, a repair ends, and a second one finds nothing. INTEGRITYFS_MUTATION_SEEDS makes it longer.</summary>
public sealed class MutationTests
{
    private static readonly int s_seeds = int.Parse(Environment.GetEnvironmentVariable("INTEGRITYFS_MUTATION_SEEDS") ?? "60", CultureInfo.InvariantCulture);

    [Theory]
    [InlineData(BlockPurpose.CatalogNode)]
    [InlineData(BlockPurpose.State)]
    [InlineData(BlockPurpose.Bitmap)]
    public void Changed_metadata_is_survived_and_repaired(BlockPurpose purpose)
    {
        for (int seed = 1; seed <= s_seeds; seed++)
        {
            MemoryDevice device = SampleVolume.Copy();
            string what = Mutate(device, purpose, new Random(seed));
            string trial = $"{purpose}, seed {seed}: {what}";
            try
            {
                Walk.Use(device);
                List<Problem> repairs = Inspection.Check(device, RepairLevel.All);
                Assert.True(repairs.TrueForAll(p => p.Repaired), $"left:\n{Inspection.Text(repairs.Where(p => !p.Repaired))}");
                List<Problem> again = Inspection.Check(device, RepairLevel.All);
                Assert.True(again.Count == 0, $"a second repair finds\n{Inspection.Text(again)}\nafter\n{Inspection.Text(repairs)}");
                Assert.NotNull(Walk.Use(device));
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"{trial}: {e.Message}", e);
            }
        }
    }

    private static string Mutate(MemoryDevice device, BlockPurpose purpose, Random random)
    {
        using var breaker = new Breaker(device);
        List<long> blocks = [];
        for (long block = 0; block < breaker.Volume.TotalBlocks; block++)
        {
            if (breaker.Volume.PurposeOf(new BlockNumber(block)) == purpose)
            {
                blocks.Add(block);
            }
        }

        long chosen = blocks[random.Next(blocks.Count)];
        int changes = 1 + random.Next(6);
        int bound = purpose switch
        {
            BlockPurpose.State => VolumeStateLayout.RootOffset + 160,
            BlockPurpose.Bitmap => 300,
            _ => random.Next(2) == 0 ? 120 : SampleVolume.BlockSize,
        };
        var offsets = new List<(int Offset, byte Value)>();
        for (int i = 0; i < changes; i++)
        {
            offsets.Add((random.Next(bound), (byte)random.Next(256)));
        }

        breaker.Change(operation =>
        {
            Span<byte> content = operation.Modify(new BlockNumber(chosen), purpose);
            foreach ((int offset, byte value) in offsets)
            {
                content[offset] = value;
            }
        });
        breaker.Close();
        return $"block {chosen}, {string.Join(' ', offsets.Select(o => $"[{o.Offset}]={o.Value}"))}";
    }
}
