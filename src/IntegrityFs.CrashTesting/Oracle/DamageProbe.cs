// Promise (I9): damage to a transaction that was durable, and that a later durable one proves to have been, is never
// taken for the torn end of the log. In the journal of a crash image, pages of such a transaction are spoiled: its first
// (descriptor), its last (the copy) and one between, in every combination. Recovery must refuse the volume, or show errors,
// or show a state that the crash allows; it must not quietly show an older one.
namespace IntegrityFs.CrashTesting;

/// <summary>Damages durable transactions in the journal.</summary>
internal sealed class DamageProbe(ICrashSubject subject, StateExaminer examiner, ulong seed)
{
    private const int MaxPoints = 2;

    private readonly List<List<WriteUnit>> _durable = [];
    private readonly SeededRandom _random = new(seed ^ 0xDA3A6E);
    private int _points;

    /// <summary>Images mounted.</summary>
    public long Mounts { get; private set; }

    /// <summary>Takes note of what is durable at this point and, at a few points, spoils it.</summary>
    /// <param name="recording">The run.</param>
    /// <param name="point">The point; its pending writes are all taken for lost.</param>
    /// <param name="durable">The image at the point.</param>
    /// <param name="allowed">Whether a tree may be there after a crash.</param>
    public Violation? Examine(Recording recording, CrashPoint point, PageImage durable, Func<TreeSnapshot, bool> allowed)
    {
        List<WriteUnit> journal = [.. point.NewlyDurable.Where(unit => subject.RegionOf(unit.Offset) == DeviceRegion.Journal)];
        if (journal.Count > 0)
        {
            _durable.Add(journal);
        }

        if (journal.Count == 0 || _durable.Count < 2 || _points >= MaxPoints)
        {
            return null;
        }

        _points++;
        List<WriteUnit> victim = _durable[^2];
        WriteUnit between = victim[victim.Count > 2 ? 1 + (int)_random.Below((ulong)victim.Count - 2) : 0];
        for (int combination = 1; combination < 8; combination++)
        {
            List<WriteUnit> spoiled = [];
            Choose(1, victim[0]);
            Choose(2, between);
            Choose(4, victim[^1]);
            if (Judge(durable, spoiled, allowed) is { } message)
            {
                string where = string.Join(" and ", spoiled.Select(unit => subject.Explain(unit, recording.Trace.Events)));
                return new Violation(recording.Workload.Id, recording.Workload.ToString(), "", "I9", $"with damage to {where} at crash point {point.Number}: {message}")
                {
                    Seed = seed,
                    Options = subject.Options,
                };
            }

            void Choose(int bit, WriteUnit unit)
            {
                if ((combination & bit) != 0)
                {
                    spoiled.Add(unit);
                }
            }
        }

        return null;
    }

    private string? Judge(PageImage durable, List<WriteUnit> spoiled, Func<TreeSnapshot, bool> allowed)
    {
        Mounts++;
        var image = new PageImage(durable);
        byte[] sector = new byte[CrashState.SectorSize];
        foreach (WriteUnit unit in spoiled)
        {
            image.Read(unit.Offset, sector);
            sector[200] ^= 0x40;
            image.Write(unit.Offset, sector);
        }

        Examination result = examiner.Recover(image, null, close: false);
        image.Reset();
        return result.Rule is not null || allowed(result.Tree!)
            ? null
            : "the journal's damaged transaction was taken for the end of the log: an older state is shown and nothing is reported";
    }
}
