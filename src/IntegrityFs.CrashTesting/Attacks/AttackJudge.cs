// Promise: opens the attacked volume as its owner would (key slots first where they were touched), reads every fact, closes,
// opens again, and decides. Whatever is shown must be true; whatever is not shown must be an EIO that is explained. The
// second mount shows that nothing forged was made authentic by the first.
using System.Security.Cryptography;
using IntegrityFs.Format;
using IntegrityFs.Keys;

namespace IntegrityFs.CrashTesting;

/// <summary>Judges attacks on one victim. One per thread.</summary>
internal sealed class AttackJudge(Victim victim, PageImage image)
{
    private const long MostBytes = 256L << 20;

    /// <summary>What the attack came to, and why.</summary>
    public AttackOutcome Judge(Attack attack, out string message)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        var work = attack.Length == 0 ? new PageImage(image) : Resized(attack.Length);
        AttackOutcome outcome;
        try
        {
            attack.Apply(work);
            outcome = attack.Zone == AttackZone.KeySlots ? Unlock(attack, work, out message) : Mount(attack, work, out message);
        }
        catch (Exception error) when (error is IntegrityException or CorruptFormatException or WrongKeyException)
        {
            message = error.Message;
            outcome = message.Length is > 0 and < 400 && !message.Contains('\n', StringComparison.Ordinal) ? AttackOutcome.Refused : AttackOutcome.Broken;
        }
        catch (Exception error)
        {
            message = $"{error.GetType().Name}: {error.Message} {error.StackTrace?.Split('\n')[0].Trim()}";
            outcome = AttackOutcome.Broken;
        }

        work.Reset();
        if (outcome == AttackOutcome.Refused && attack.MustOpen)
        {
            message = "refused, though the other copy is whole: " + message;
            return AttackOutcome.Broken;
        }

        long used = GC.GetAllocatedBytesForCurrentThread() - before;
        if (used > MostBytes)
        {
            message = $"{used} bytes of memory were used";
            return AttackOutcome.Broken;
        }

        return outcome;
    }

    private PageImage Resized(long length)
    {
        var copy = new PageImage(length);
        for (int page = 0; page < Math.Min(copy.PageCount, image.PageCount); page++)
        {
            copy.Write((long)page * PageImage.PageSize, image.Page(page)[..(int)Math.Min(PageImage.PageSize, length - ((long)page * PageImage.PageSize))]);
        }

        return copy;
    }

    private AttackOutcome Unlock(Attack attack, PageImage work, out string message)
    {
        var device = new ImageDevice(work);
        KeySlotTable table = KeySlotTable.Read(device, Victim.UuidOf(victim.Subject));
        using (MasterKey key = table.Unlock(attack.WithPassphrase ? victim.Passphrase : victim.Credential))
        {
            if (!CryptographicOperations.FixedTimeEquals(key.Bytes, victim.Subject.MasterKey))
            {
                message = "the key slots gave a key that is not the volume's";
                return AttackOutcome.Broken;
            }
        }

        bool repaired = table.NeedsRepair;
        if (!attack.RollsBack && OpensWithRemoved(device))
        {
            message = "a credential that was removed opens the volume";
            return AttackOutcome.Broken;
        }

        message = "";
        return repaired ? AttackOutcome.Repaired : AttackOutcome.Unreferenced;
    }

    private bool OpensWithRemoved(ImageDevice device)
    {
        try
        {
            KeySlotTable.Read(device, Victim.UuidOf(victim.Subject)).Unlock(victim.RemovedCredential).Dispose();
            return true;
        }
        catch (Exception error) when (error is WrongKeyException or IntegrityException)
        {
            return false;
        }
    }

    private AttackOutcome Mount(Attack attack, PageImage work, out string message)
    {
        AttackOutcome first = Look(attack, work, close: true, out message);
        if (first == AttackOutcome.Broken)
        {
            return first;
        }

        AttackOutcome second = Look(attack, work, close: false, out string again);
        if (second == AttackOutcome.Broken)
        {
            message = "second mount: " + again;
            return second;
        }

        return first;
    }

    private AttackOutcome Look(Attack attack, PageImage work, bool close, out string message)
    {
        using VolumeSession session = VolumeSession.Open(new ImageDevice(work), victim.Subject.MasterKey, victim.Subject);
        TreeFacts seen = TreeFacts.Read(session.Files);
        AttackOutcome outcome = Decide(attack, seen, session, out message);
        if (close && outcome != AttackOutcome.Broken)
        {
            session.Close();
        }

        return outcome;
    }

    private AttackOutcome Decide(Attack attack, TreeFacts seen, VolumeSession session, out string message)
    {
        message = seen.Contradiction(victim.Facts[^1]) ?? "";
        if (message.Length == 0)
        {
            if (!seen.HasGaps)
            {
                return session.HasRepaired ? AttackOutcome.Repaired : AttackOutcome.Unreferenced;
            }

            message = string.Join("; ", session.Messages.Take(3));
            bool named = session.Messages.Any(line => line.Contains("block", StringComparison.Ordinal) || line.Contains("node", StringComparison.Ordinal));
            return named ? AttackOutcome.Error : AttackOutcome.Broken;
        }

        bool earlier = (attack.RollsBack || attack.Zone == AttackZone.JournalInUse) && victim.IsCrashed && victim.Facts.Exists(facts => seen.Contradiction(facts) is null);
        earlier |= attack.RollsBack && victim.EarlierFacts.Exists(facts => seen.Contradiction(facts) is null);
        if (!earlier)
        {
            message += string.Concat(victim.Facts.Select((facts, k) => $"; against state {k}: {seen.Contradiction(facts)}"))
                + $"; unreadable: {string.Join(", ", seen.Gaps.Take(3))}; said: {string.Join(", ", session.Messages.Take(3))}";
        }

        return earlier ? AttackOutcome.RolledBack : AttackOutcome.Broken;
    }
}
