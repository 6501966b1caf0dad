using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem.Conformance;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>Several programs at once over the real stack, with the background threads of a mount, the smallest cache and
/// the smallest journal; power failures are taken in the middle of it. Each directory must be in a state that its program
/// has gone through since its last sync, and nothing may be unreadable.</summary>
public sealed class ConcurrencyTests
{
    private const int Workers = 4;
    private const int Steps = 250;
    private const int Crashes = 4;
    private static readonly byte[] Key = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];

    [Theory]
    [InlineData(DataMode.Journal, 1)]
    [InlineData(DataMode.Auto, 2)]
    public async Task Programs_beside_each_other_lose_nothing_that_was_synced_in_any_power_failure(DataMode mode, int seed)
    {
        var log = new LogLines();
        using VolatileDevice device = Format(mode, log);
        using ProtectedVolume volume = Open(device, mode, log);
        var fs = new PosixFileSystem(CatalogStore.Open(volume), TimeProvider.System, log);
        var driver = new Driver(fs);
        ConcurrencyWorker[] workers = [.. Enumerable.Range(0, Workers).Select(i =>
            new ConcurrencyWorker(fs, driver.Lookup(InodeNumber.Root, $"worker{i}").Inode, i, seed))];
        using var stop = new CancellationTokenSource();
        Task[] background = [.. new[] { BackgroundRole.Committer, BackgroundRole.Checkpointer }.Select(role =>
            Task.Factory.StartNew(() => volume.RunBackground(role, stop.Token), stop.Token, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        Task[] running = [.. workers.Select(worker =>
            Task.Factory.StartNew(() => worker.Run(Steps), default, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        List<(MemoryDevice Image, int[] Synced)> crashes = [];
        var random = new Random(seed);
        Task all = Task.WhenAll(running);
        while (await Task.WhenAny(all, Task.Delay(random.Next(50, 300))) != all)
        {
            int[] synced = [.. workers.Select(worker => worker.Synced)];
            if (crashes.Count < Crashes)
            {
                crashes.Add((device.Crash(random), synced));
            }
        }

        await all;
        await stop.CancelAsync();
        await Task.WhenAll(background);
        fs.Destroy();
        volume.Close();
        Assert.True(volume.Fault is null, $"{volume.Fault}");
        Assert.Empty(log.All);
        crashes.Add((device.Crash(random), [.. workers.Select(worker => worker.Done)]));
        for (int i = 0; i < crashes.Count; i++)
        {
            Examine(crashes[i].Image, workers, crashes[i].Synced, mode, $"seed {seed}, crash {i}");
        }
    }

    private static void Examine(MemoryDevice image, ConcurrencyWorker[] workers, int[] synced, DataMode mode, string what)
    {
        var log = new LogLines();
        using ProtectedVolume volume = Open(image, mode, log);
        Assert.True(volume.Recovery.LostBlocks.Count == 0 && volume.Recovery.DamagedDescriptors == 0, what);
        var fs = new PosixFileSystem(CatalogStore.Open(volume), TimeProvider.System, log);
        fs.RecoverOrphans();
        var driver = new Driver(fs);
        for (int i = 0; i < workers.Length; i++)
        {
            workers[i].AssertIsPrefix(driver, synced[i], what);
        }

        volume.Close();
        Assert.Equal(0, volume.Status().Mismatches);
    }

    private static VolatileDevice Format(DataMode mode, LogLines log)
    {
        using var memory = new MemoryDevice(48 << 20);
        VolumeFormatter.Format(memory, Key, new VolumeFormatOptions { JournalBytes = 96 * 4096 });
        using ProtectedVolume volume = Open(memory, mode, log);
        CatalogStore.Format(volume, Timestamp.Now(TimeProvider.System), 5);
        var driver = new Driver(new PosixFileSystem(CatalogStore.Open(volume), TimeProvider.System));
        for (int i = 0; i < Workers; i++)
        {
            driver.Mkdir(InodeNumber.Root, $"worker{i}");
        }

        volume.Close();
        return new VolatileDevice(memory.Bytes);
    }

    private static ProtectedVolume Open(IDevice device, DataMode mode, LogLines log) =>
        ProtectedVolume.Open(device, Key, new VolumeOptions { Deferred = true, DataMode = mode, InPlaceThreshold = 8192, CacheBytes = 0, CommitInterval = TimeSpan.FromMilliseconds(200) });
}
