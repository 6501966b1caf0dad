// Promise: a crash and one bad superblock together still leave the volume, with everything acknowledged: whatever arrived of
// the un-flushed writes, the copy that was not being written, and the other one where it is older, lead to the same content.
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>Crash states whose first superblock is lost too.</summary>
internal sealed class DamagedCrash(IntegrityFsSubject subject)
{
    /// <summary>Goes round a small journal several times.</summary>
    public const string Workload = "creat a; sync; begin; write a 0 60000 19; sync; write a 0 60000 20; sync; write a 0 60000 21; sync; checkpoint; write a 0 60000 22; sync; write a 0 30000 23; sync; write a 0 60000 24; sync; write a 0 60000 25; sync";

    /// <summary>Images mounted.</summary>
    public long States { get; private set; }

    /// <summary>The first violation, or null.</summary>
    public Violation? Explore(ulong seed)
    {
        var formatted = new PageImage(subject.DeviceLength);
        subject.Format(new ImageDevice(formatted));
        Workload workload = CrashTesting.Workload.Parse("damaged-crash", Workload);
        Recording recording = LockstepRun.Record(subject, formatted, workload, new RecordOptions());
        var matcher = new HistoryMatcher(recording);
        var profile = new CrashProfile { ExhaustiveUnits = 2, PairUnits = 0, Samples = 4, Torn = false };
        PageImage durable = recording.Base.Copy();
        foreach (CrashPoint point in recording.Points)
        {
            StateHasher.MakeDurable(point.NewlyDurable, durable);
            if (point.Pending.Any(unit => unit.Offset < SuperblockLayout.Size))
            {
                // Copy A itself was being written: then B must not be lost.
                continue;
            }

            foreach (CrashState state in CrashStates.Enumerate(point, profile, seed, 12))
            {
                if (TearsSecond(point, state))
                {
                    // The crash has taken B: then A must not be lost.
                    continue;
                }

                var image = new PageImage(durable);
                state.Apply(point, image);
                image.Write(VolumeGeometry.SuperblockOffset(0), new byte[SuperblockLayout.Size]);
                if (Examine(image, recording, matcher, point, state) is { } what)
                {
                    return new Violation(workload.Id, workload.ToString(), state.Describe(point), "P4", "with superblock A lost: " + what);
                }
            }
        }

        return null;
    }

    private static bool TearsSecond(CrashPoint point, CrashState state)
    {
        for (int i = 0; i < state.Masks.Length; i++)
        {
            if (point.Pending[i].Offset == VolumeGeometry.SuperblockOffset(1) && state.Masks[i] != 0 && state.Masks[i] != point.Pending[i].Whole)
            {
                return true;
            }
        }

        return false;
    }

    private string? Examine(PageImage image, Recording recording, HistoryMatcher matcher, CrashPoint point, CrashState state)
    {
        States++;
        try
        {
            using IMountedSubject mounted = subject.Mount(new ImageDevice(image), new ManualClock(), readOnly: false);
            TreeSnapshot tree = TreeSnapshot.Take(mounted.Files);
            int least = recording.Least(point);
            int most = Math.Max(least, recording.Most(point, state));
            return tree.Problems.Count > 0 ? string.Join("; ", tree.Problems)
                : matcher.Matches(tree, least, most) ? null
                : matcher.Explain(tree, least, most);
        }
        catch (IOException error)
        {
            return error.Message;
        }
        catch (CorruptFormatException error)
        {
            return error.Message;
        }
    }
}
