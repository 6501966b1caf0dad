using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Images.Tests;

/// <summary>A repair that ends in the middle, at any of its writes, is a crash: the next one ends what it began, and nothing is
/// lost that the whole repair would have kept.</summary>
public sealed class InterruptedRepairTests
{
    private static readonly string[] s_chosen =
    [
        "a leaf that claims a level",
        "two children in one block",
        "a root without magic",
        "a state block full of zeros",
        "a bitmap that says that all is free",
        "a directory without a name",
        "two directories in each other",
        "an extent over another file's blocks",
        "a symlink without its first piece",
        "a name at another name's place",
        "no group with a bitmap",
    ];

    public static TheoryData<string> Names => [.. s_chosen];

    [Theory]
    [MemberData(nameof(Names))]
    public void Whatever_write_is_the_last_one_the_next_repair_gives_the_same_volume(string name)
    {
        BrokenImage image = BrokenTrees.All.Concat(BrokenItems.All).Single(i => i.Name == name);
        MemoryDevice broken = SampleVolume.Copy();
        using (var breaker = new Breaker(broken))
        {
            image.Break(breaker);
            breaker.Close();
        }

        MemoryDevice whole = broken.Clone();
        var counting = new CuttingDevice(whole, int.MaxValue);
        Repair(counting);
        long inodes = Inodes(whole);
        int writes = counting.Writes;
        Assert.True(writes > 4, $"{name}: a repair of {writes} writes");
        for (int cut = 0; cut < writes; cut += 1 + (writes / 24))
        {
            MemoryDevice device = broken.Clone();
            Assert.ThrowsAny<IOException>(() => Repair(new CuttingDevice(device, cut)));
            List<Problem> next = Inspection.Check(device, RepairLevel.All);
            Assert.True(next.TrueForAll(p => p.Repaired), $"{name}, cut at write {cut}: left\n{Inspection.Text(next.Where(p => !p.Repaired))}");
            List<Problem> again = Inspection.Check(device, RepairLevel.All);
            Assert.True(again.Count == 0, $"{name}, cut at write {cut}: a second repair finds\n{Inspection.Text(again)}");
            Assert.Equal(inodes, Inodes(device));
        }
    }

    private static void Repair(CuttingDevice device)
    {
        using ProtectedVolume volume = ProtectedVolume.Open(device, SampleVolume.Key, SampleVolume.Options with { AcceptImpossibleState = true });
        new VolumeChecker(new CatalogCheck(volume, 77, null), new CheckOptions { Repair = RepairLevel.All }, new Silent(), TimeProvider.System, null, CancellationToken.None).Run();
        volume.Close();
    }

    private static long Inodes(MemoryDevice device)
    {
        using ProtectedVolume volume = SampleVolume.Open(device, readOnly: true);
        return CatalogStore.Open(volume).Statistics.Inodes;
    }

    private sealed class Silent : ICheckSink
    {
        public void Found(Problem problem) => Assert.NotNull(problem.Rule);

        public void Progress(string phase, long done)
        {
        }
    }

    /// <summary>Takes so many writes and no more.</summary>
    private sealed class CuttingDevice(MemoryDevice inner, int writes) : IDevice
    {
        public int Writes { get; private set; }

        public long Length => inner.Length;

        public int SectorSize => inner.SectorSize;

        public bool IsReadOnly => false;

        public string Name => inner.Name;

        public void Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

        public void Write(long offset, ReadOnlySpan<byte> data)
        {
            Take(offset);
            inner.Write(offset, data);
        }

        public void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
        {
            Take(offset);
            inner.WriteGather(offset, segments);
        }

        public void Flush()
        {
            if (Writes > writes)
            {
                throw new DeviceException(Errno.EIO, DeviceOperation.Flush, 0, "cut");
            }

            inner.Flush();
        }

        public void Dispose()
        {
        }

        private void Take(long offset)
        {
            if (++Writes > writes)
            {
                throw new DeviceException(Errno.EIO, DeviceOperation.Write, offset, "cut");
            }
        }
    }
}
