// Promise: on a nearly full volume, with blocks reused as soon as they may be, a checkpoint begins (on another thread, as the
// checkpointer's) at every write of new content in place. Afterwards, and after a crash right behind each such write,
// everything must read as the model says. Which moment is fixed by the device, so the same run gives the same race.
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>Checkpoints in the middle of commits.</summary>
internal sealed class CheckpointRace(IntegrityFsSubject subject)
{
    private const string Setup = "creat a; write a 0 60000 1; sync";
    private const string Steps = "write a 0 60000 2; sync; unlink a; creat b; write b 0 60000 3; sync; write b 0 60000 4; sync; unlink b; sync; creat c; write c 0 60000 5; sync";

    /// <summary>A volume on which one transaction can free and write as much as the steps do.</summary>
    public static SubjectOptions Roomy { get; } = new()
    {
        DeviceLength = 8 << 20,
        JournalBytes = 1024 * 4096,
        CacheBytes = 8 << 20,
        DataMode = Volume.DataMode.Auto,
    };

    /// <summary>Images judged.</summary>
    public long States { get; private set; }

    /// <summary>The first violation, or null.</summary>
    /// <param name="freeBlocks">Blocks left free before the steps begin.</param>
    public Violation? Explore(long freeBlocks)
    {
        var formatted = new PageImage(subject.DeviceLength);
        subject.Format(new ImageDevice(formatted));
        var image = new PageImage(formatted);
        var device = new RacingDevice(new ImageDevice(image), subject);
        var clock = new ManualClock();
        clock.SetStep(1);
        var crashes = new List<(PageImage Image, int Done)>();
        var allowed = new List<TreeFacts>();
        using (IMountedSubject mounted = subject.Mount(device, clock, readOnly: false))
        {
            var executor = new OperationExecutor(mounted.Files);
            Do(executor, Setup);
            executor.Execute(Operation.Parse("creat filler"));
            foreach (int size in new[] { 65536, 4096 })
            {
                while (mounted.FreeBlocks > freeBlocks + (size / 4096) && executor.Execute(Operation.Parse($"append filler {size} 9")).Error == Errno.OK)
                {
                }
            }

            mounted.Files.SyncFileSystem();
            allowed.Add(TreeFacts.Read(mounted.Files));
            device.Checkpoint = mounted.Checkpoint;
            device.Crash = () => crashes.Add((image.Copy(), allowed.Count - 1));
            foreach (Operation operation in Workload.Parse("race", Steps).Operations)
            {
                if (executor.Execute(operation).Error is var error and not Errno.OK)
                {
                    device.Finish();
                    return Violated(operation.ToString(), $"returned {error}: {mounted.LastError}");
                }

                allowed.Add(TreeFacts.Read(mounted.Files));
            }

            device.Finish();
            if (device.Failure is { } failure)
            {
                return Violated("checkpoint", failure);
            }
        }

        foreach ((PageImage crashed, int done) in crashes.Append((image, allowed.Count - 1)))
        {
            if (Judge(crashed, allowed.Take(done + 2)) is { } what)
            {
                return Violated($"after step {done}", what);
            }
        }

        return null;
    }

    private string? Judge(PageImage image, IEnumerable<TreeFacts> allowed)
    {
        States++;
        try
        {
            using IMountedSubject mounted = subject.Mount(new ImageDevice(new PageImage(image)), new ManualClock(), readOnly: false);
            TreeFacts seen = TreeFacts.Read(mounted.Files);
            return seen.HasGaps ? "unreadable: " + string.Join("; ", seen.Gaps.Take(3))
                : allowed.Any(facts => seen.Contradiction(facts) is null) ? null
                : "no state of the history";
        }
        catch (Exception error) when (error is IOException or CorruptFormatException)
        {
            return error.Message;
        }
    }

    private static Violation Violated(string state, string what) => new("checkpoint-race", Setup + "; begin; " + Steps, state, "P2", what);

    private static void Do(OperationExecutor executor, string text)
    {
        foreach (Operation operation in Workload.Parse("race", text).Operations)
        {
            executor.Execute(operation);
        }
    }

    private sealed class RacingDevice(IDevice inner, IntegrityFsSubject subject) : IDevice
    {
        private int _racing;
        private Thread? _other;

        /// <summary>What a checkpoint threw.</summary>
        public string? Failure { get; private set; }

        /// <summary>No more races; returns when the last checkpoint has ended.</summary>
        public void Finish()
        {
            Checkpoint = null;
            _other?.Join();
        }

        public Action? Checkpoint { get; set; }

        public Action? Crash { get; set; }

        public long Length => inner.Length;

        public int SectorSize => inner.SectorSize;

        public bool IsReadOnly => inner.IsReadOnly;

        public string Name => inner.Name;

        public void Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

        public void Write(long offset, ReadOnlySpan<byte> data) => inner.Write(offset, data);

        /// <summary>Commits gather what they write in place; checkpoints do not gather.</summary>
        public void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
        {
            inner.WriteGather(offset, segments);
            Race(offset);
        }

        public void Flush() => inner.Flush();

        public void Dispose() => inner.Dispose();

        private void Race(long offset)
        {
            if (Checkpoint is not { } checkpoint || subject.RegionOf(offset) != DeviceRegion.Blocks || Interlocked.Exchange(ref _racing, 1) != 0)
            {
                return;
            }

            Crash?.Invoke();
            _other = new Thread(Run, 16 << 20);
            _other.Start(checkpoint);

            // A checkpoint that waits for this commit comes after it: then there is no race to lose.
            _other.Join(TimeSpan.FromSeconds(10));
        }

        private void Run(object? checkpoint)
        {
            try
            {
                ((Action)checkpoint!)();
            }
            catch (Exception error)
            {
                Failure ??= $"{error.GetType().Name}: {error.Message}";
            }

            Volatile.Write(ref _racing, 0);
        }
    }
}
