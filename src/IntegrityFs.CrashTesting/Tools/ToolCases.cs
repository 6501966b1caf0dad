// Promise: for each tool that writes: on what it starts, how it works, what may be there after a crash of it.
//   mkfs      the old volume, whole; or nothing that opens; or the new volume, empty. Never a volume with wrong content.
//   keys      a credential that was valid before and after opens at every moment; at the end the new table counts.
//   fsck      (and every mount) what its repair gives; a repair that was cut off can be done again and gives the same.
//   unmount   everything that was there.
using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Keys;
using IntegrityFs.Volume;

namespace IntegrityFs.CrashTesting;

/// <summary>The tools.</summary>
internal static class ToolCases
{
    private const int FactsOfEmptyVolume = 2;

    private static readonly SubjectOptions s_new = AttackCampaign.SmallVolume with { Identity = 7 };

    public static IEnumerable<ToolCase> All()
    {
        Victim closed = Victim.Make(new IntegrityFsSubject(AttackCampaign.SmallVolume), crashed: false);
        Victim crashed = Victim.Make(new IntegrityFsSubject(AttackCampaign.SmallVolume), crashed: true);
        yield return MakeVolume("mkfs on a blank device", new PageImage(AttackCampaign.SmallVolume.DeviceLength), null);
        yield return MakeVolume("mkfs over a volume", closed.Image, closed);
        yield return MakeVolume("mkfs over a crashed volume", crashed.Image, crashed);
        foreach (Victim victim in new[] { closed, crashed })
        {
            foreach ((string what, Action<KeySlotTable, MasterKey, Credential> change) in KeyChanges())
            {
                yield return ChangeKeys($"key {what}, {victim.Name} volume", victim, victim.Image, what, change);
            }

            yield return ChangeKeys($"key add with one bad copy, {victim.Name} volume", victim, Damaged(victim, KeySlotsLayout.DeviceByteOfCopyA + 9000), "add", KeyChanges().First().Change);
        }

        yield return Repair("fsck -p, replay", crashed, crashed.Image, false);
        yield return Repair("fsck -p, bad superblock A", crashed, Damaged(crashed, VolumeGeometry.SuperblockOffset(0) + 700), false);
        yield return Repair("fsck -p, bad superblock B", closed, Damaged(closed, VolumeGeometry.SuperblockOffset(1) + 700), false);
        yield return Repair("fsck -p, bad tag node", crashed, Damaged(crashed, crashed.Zones.Pages(AttackZone.TagLive)[0] * (long)PageImage.PageSize), false);
        yield return Repair("fsck -p, bad key slots", closed, Damaged(closed, KeySlotsLayout.DeviceByteOfCopyB + 100), false);
        yield return Repair("fsck -p, superblock B older", closed, BetweenSuperblocks(closed), false);
        PageImage gap = crashed.Image.Copy();
        foreach (int page in crashed.Transactions[1])
        {
            gap.Write(page * (long)PageImage.PageSize, new byte[PageImage.PageSize]);
        }

        yield return Repair("fsck -y, hole in the journal", crashed, gap, true);
        yield return Unmount();
    }

    private static PageImage Damaged(Victim victim, long offset)
    {
        PageImage image = victim.Image.Copy();
        byte[] bytes = new byte[16];
        image.Read(offset, bytes);
        image.Write(offset, bytes.Select(b => (byte)~b).ToArray());
        return image;
    }

    private static ToolCase MakeVolume(string name, PageImage before, Victim? old)
    {
        var subject = new IntegrityFsSubject(s_new);
        return new ToolCase(name, before, device => Format(subject, device), (image, complete) =>
        {
            TreeFacts? former = old is null ? null : TryOpen(image, old.Subject);
            if (former is not null && (former.HasGaps || former.Contradiction(old!.Facts[^1]) is not null))
            {
                return "the old volume opens, but is not whole";
            }

            TreeFacts? fresh = TryOpen(image, subject);
            return former is not null && fresh is not null ? "both volumes open"
                : fresh is not null && fresh.Count != FactsOfEmptyVolume ? $"the new volume is not empty: {fresh.Count} facts"
                : fresh is not null && !UnlocksNew(image) ? "the new volume opens, but its key slots do not"
                : complete && fresh is null ? "the new volume does not open"
                : null;
        });
    }

    /// <summary>As mkfs does it: superblocks, key slots, root directory, closed.</summary>
    private static void Format(IntegrityFsSubject subject, IDevice device)
    {
        using MasterKey key = MasterKey.FromBytes(subject.MasterKey);
        using Credential credential = NewCredential();
        KeySlotTable slots = KeySlotTable.Create(Victim.UuidOf(subject));
        slots.Add(credential, key, "", null, bytes => Fill(11, bytes));
        var clock = new ManualClock();
        VolumeFormatter.Format(device, key.Bytes, new VolumeFormatOptions
        {
            BlockSize = subject.Options.BlockSize,
            JournalBytes = subject.Options.JournalBytes,
            Uuid = Victim.UuidOf(subject),
            Created = clock.GetUtcNow(),
        });
        slots.Write(device, key);
        using ProtectedVolume volume = ProtectedVolume.Open(device, key.Bytes, subject.VolumeOptionsFor(clock, readOnly: false));
        CatalogStore.Format(volume, Timestamp.Now(clock), 0x5EED);
        volume.Close();
    }

    private static bool UnlocksNew(PageImage image)
    {
        try
        {
            using Credential credential = NewCredential();
            KeySlotTable.Read(new ImageDevice(image)).Unlock(credential).Dispose();
            return true;
        }
        catch (Exception error) when (error is WrongKeyException or IntegrityException)
        {
            return false;
        }
    }

    /// <summary>What a mount of a copy shows; null where it is refused.</summary>
    private static TreeFacts? TryOpen(PageImage image, IntegrityFsSubject subject)
    {
        try
        {
            using VolumeSession session = VolumeSession.Open(new ImageDevice(new PageImage(image)), subject.MasterKey, subject);
            return TreeFacts.Read(session.Files);
        }
        catch (Exception error) when (error is IntegrityException or CorruptFormatException)
        {
            return null;
        }
    }

    private static IEnumerable<(string What, Action<KeySlotTable, MasterKey, Credential> Change)> KeyChanges()
    {
        yield return ("add", (slots, key, added) => slots.Add(added, key, "added", null, bytes => Fill(3, bytes)));
        yield return ("remove", (slots, _, _) => slots.Remove(2));
        yield return ("change", (slots, key, added) => slots.Change(2, added, key, "changed", null, bytes => Fill(4, bytes)));
    }

    private static ToolCase ChangeKeys(string name, Victim victim, PageImage before, string what, Action<KeySlotTable, MasterKey, Credential> change) =>
        new(name, before, device =>
        {
            using Credential added = NewCredential();
            KeySlotTable slots = KeySlotTable.Read(device);
            using MasterKey key = slots.Unlock(victim.Credential);
            if (slots.NeedsRepair)
            {
                slots.Write(device, key);
            }

            change(slots, key, added);
            slots.Write(device, key);
        }, (image, complete) =>
        {
            KeySlotTable slots = KeySlotTable.Read(new ImageDevice(image));
            using MasterKey key = slots.Unlock(victim.Credential);
            return !key.Bytes.SequenceEqual(victim.Subject.MasterKey) ? "the key is another one"
                : !complete ? null
                : slots.NeedsRepair ? "one copy is bad at the end"
                : what != "remove" && !UnlocksNew(image) ? "the new credential does not open"
                : what == "remove" && slots.Slots.Any(slot => slot.Index == 2) ? "the removed slot is there"
                : null;
        });

    /// <summary>As fsck does it: key slots, then everything that opening repairs, orphans, a look at everything, closed.</summary>
    private static ToolCase Repair(string name, Victim victim, PageImage before, bool all)
    {
        TreeFacts? result = null;
        return new ToolCase(name, before, device =>
        {
            TreeFacts seen = Check(device, victim, all);
            result ??= seen;
        }, (image, complete) =>
        {
            // Before the repair a mount may refuse; it may not show anything else.
            string? mounted = TryOpen(image, victim.Subject)?.Contradiction(result!);
            TreeFacts again = Check(new ImageDevice(image), victim, all);
            return mounted ?? again.Contradiction(result!)
                ?? (again.HasGaps ? "unreadable after repair: " + string.Join("; ", again.Gaps) : null)
                ?? (complete && TryOpen(image, victim.Subject) is null ? "the repaired volume does not mount" : null);
        });
    }

    private static TreeFacts Check(IDevice device, Victim victim, bool all)
    {
        KeySlotTable slots = KeySlotTable.Read(device);
        using MasterKey key = slots.Unlock(victim.Credential);
        if (slots.NeedsRepair)
        {
            slots.Write(device, key);
        }

        using VolumeSession session = VolumeSession.Open(device, key.Bytes, victim.Subject, acceptGap: all);
        TreeFacts facts = TreeFacts.Read(session.Files);
        session.Close();
        return session.Volume.Fault is { } fault ? throw new IOException("repair: " + fault.Message, fault) : facts;
    }

    private static ToolCase Unmount()
    {
        Victim victim = Victim.Make(new IntegrityFsSubject(AttackCampaign.SmallVolume), crashed: false);
        TreeFacts? expected = null;
        return new ToolCase("unmount", victim.Image, device =>
        {
            using VolumeSession session = VolumeSession.Open(device, victim.Subject.MasterKey, victim.Subject);
            Use(session.Files);
            expected ??= TreeFacts.Read(session.Files);
            session.Close();
            if (session.Volume.Fault is { } fault)
            {
                throw new IOException("unmount: " + fault.Message, fault);
            }
        }, (image, complete) =>
        {
            using IMountedSubject mounted = victim.Subject.Mount(new ImageDevice(image), new ManualClock(), readOnly: false);
            TreeFacts seen = TreeFacts.Read(mounted.Files);
            return seen.HasGaps ? "unreadable: " + string.Join("; ", seen.Gaps)
                : complete ? seen.Contradiction(expected!)
                : null;
        });
    }

    private static void Use(IFileSystem files)
    {
        var executor = new OperationExecutor(files);
        foreach (Operation operation in Workload.Parse("w", "write etc/policy 0 9000 30; creat etc/late; write etc/late 0 4096 31; unlink etc/link").Operations)
        {
            if (executor.Execute(operation).Error is var error and not Errno.OK)
            {
                throw new IOException($"'{operation}' returned {error}");
            }
        }
    }

    /// <summary>A crash between the two superblocks of a checkpoint: A is new, B names the tree before.</summary>
    private static PageImage BetweenSuperblocks(Victim victim)
    {
        var trace = new Trace();
        using (VolumeSession session = VolumeSession.Open(new RecordingDevice(new ImageDevice(new PageImage(victim.Image)), trace), victim.Subject.MasterKey, victim.Subject))
        {
            Use(session.Files);
            session.Files.SyncFileSystem();
            trace.Mark("checkpoint");
            session.Volume.Checkpoint();
        }

        PageImage image = victim.Image.Copy();
        bool marked = false;
        foreach (TraceEvent item in trace.Events)
        {
            marked |= item.Kind == TraceEventKind.Mark;
            if (item.Kind == TraceEventKind.Write)
            {
                image.Write(item.Offset, item.Data.Span);
                if (marked && item.Offset == VolumeGeometry.SuperblockOffset(0))
                {
                    return image;
                }
            }
        }

        throw new InvalidOperationException("the checkpoint wrote no superblock");
    }

    private static KeyFileCredential NewCredential() =>
        KeyFileCredential.FromBytes(Enumerable.Range(0, 40).Select(i => (byte)(200 - i)).ToArray());

    private static void Fill(ulong seed, Span<byte> bytes)
    {
        var random = new SeededRandom(seed);
        foreach (ref byte b in bytes)
        {
            b = (byte)random.Next();
        }
    }
}
