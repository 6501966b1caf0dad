// The one or two copies of the table that were read, and the search through them. Copies are tried from the highest
// claimed generation down; the claim decides only the order, the MAC decides the result. A slot that did not open in
// one copy is not tried again in an equal other one, so that a wrong passphrase costs one round of Argon2id a slot.
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Keys;

/// <summary>Copies of a key slot table that may or may not be authentic.</summary>
internal sealed class KeySlotCandidates
{
    private readonly byte[]?[] _copies;

    private KeySlotCandidates(byte[]?[] copies) => _copies = copies;

    internal byte[]? this[int copy] => _copies[copy];

    internal byte[] Preferred => _copies[Order()[0]]!;

    internal ulong HighestGeneration => new KeySlotsView(Preferred).Generation;

    internal static long DeviceByte(int copy) =>
        copy == 0 ? KeySlotsLayout.DeviceByteOfCopyA : KeySlotsLayout.DeviceByteOfCopyB;

    /// <summary>A single copy, from a backup.</summary>
    internal static KeySlotCandidates Of(byte[] area)
    {
        string? rule = KeySlotsView.BrokenRule(area);
        return rule is null
            ? new KeySlotCandidates([area, null])
            : throw new IntegrityException(Zone.KeySlots, 0, $"backup of the key slots: {rule}");
    }

    internal static KeySlotCandidates Read(IDevice device, Guid? volumeUuid)
    {
        if (device.Length < KeySlotsLayout.DeviceByteOfCopyB + KeySlotsLayout.Size)
        {
            throw new IntegrityException(
                Zone.KeySlots, 0, $"{device.Name}: too small to hold an IntegrityFs volume: {device.Length} bytes");
        }

        byte[]?[] copies = new byte[]?[KeySlotsLayout.Copies];
        string[] reasons = new string[KeySlotsLayout.Copies];
        DeviceException? failure = null;
        for (int i = 0; i < copies.Length; i++)
        {
            byte[] area = new byte[KeySlotsLayout.Size];
            try
            {
                device.Read(DeviceByte(i), area);
                string? rule = KeySlotsView.BrokenRule(area)
                    ?? (new KeySlotsView(area).VolumeUuid == (volumeUuid ?? new KeySlotsView(area).VolumeUuid)
                        ? null
                        : "belongs to another volume");
                copies[i] = rule is null ? area : null;
                reasons[i] = rule ?? "";
            }
            catch (DeviceException error)
            {
                failure = error;
                reasons[i] = error.Message;
            }
        }

        if (copies[0] is not null || copies[1] is not null)
        {
            return new KeySlotCandidates(copies);
        }

        throw failure is not null && reasons[0] != "" && Array.TrueForAll(reasons, r => r == failure.Message)
            ? failure
            : new IntegrityException(
                Zone.KeySlots, 0, $"{device.Name}: key slots: copy A: {reasons[0]}; copy B: {reasons[1]}");
    }

    internal KeySlotCopyState[] States()
    {
        var states = new KeySlotCopyState[_copies.Length];
        for (int i = 0; i < states.Length; i++)
        {
            states[i] = _copies[i] is null ? KeySlotCopyState.Damaged : KeySlotCopyState.Unchecked;
        }

        return states;
    }

    /// <summary>What copy <paramref name="copy"/> is, now that <paramref name="winner"/> is known to be right.</summary>
    internal KeySlotCopyState StateUnder(int copy, int winner, ReadOnlySpan<byte> masterKey)
    {
        byte[]? area = _copies[copy];
        if (area is null || !IsOfVolume(area, _copies[winner]!) || !KeySlotCrypto.IsAuthentic(area, masterKey))
        {
            return KeySlotCopyState.Damaged;
        }

        return area.AsSpan().SequenceEqual(_copies[winner]) ? KeySlotCopyState.Good : KeySlotCopyState.Outdated;
    }

    /// <summary>The master key, and the copy that it authenticates with the highest generation.</summary>
    internal MasterKey Unlock(Credential credential, out int winner)
    {
        var search = new Search(credential);
        foreach (int copy in Order())
        {
            for (int slot = 0; slot < KeySlotTable.SlotCount; slot++)
            {
                MasterKey? key = search.TryOpen(_copies[copy]!, slot);
                if (key is null)
                {
                    continue;
                }

                if (KeySlotCrypto.IsAuthentic(_copies[copy], key.Bytes))
                {
                    if (!IsSuperseded(copy, key.Bytes))
                    {
                        winner = copy;
                        return key;
                    }
                }
                else
                {
                    search.OpenedUnauthentic = true;
                }

                key.Dispose();
            }
        }

        throw search.Failure();
    }

    /// <summary>The master key from any slot that opens, whatever the rest of its table is.</summary>
    internal MasterKey OpenAnySlot(Credential credential, out int copy, out int slot)
    {
        var search = new Search(credential);
        foreach (int candidate in Order())
        {
            for (int i = 0; i < KeySlotTable.SlotCount; i++)
            {
                MasterKey? key = search.TryOpen(_copies[candidate]!, i);
                if (key is not null)
                {
                    copy = candidate;
                    slot = i;
                    return key;
                }
            }
        }

        throw search.Failure();
    }

    /// <summary>True where the other copy is authentic and newer. This one's slots may then open, but hold credentials
    /// that have been removed since.</summary>
    private bool IsSuperseded(int copy, ReadOnlySpan<byte> masterKey)
    {
        byte[]? other = _copies[1 - copy];
        return other is not null && IsOfVolume(other, _copies[copy]!)
            && new KeySlotsView(other).Generation > new KeySlotsView(_copies[copy]).Generation
            && KeySlotCrypto.IsAuthentic(other, masterKey);
    }

    private static bool IsOfVolume(byte[] area, byte[] other) =>
        new KeySlotsView(area).VolumeUuid == new KeySlotsView(other).VolumeUuid;

    private int[] Order()
    {
        if (_copies[0] is null || _copies[1] is null)
        {
            return [_copies[0] is null ? 1 : 0];
        }

        bool bFirst = new KeySlotsView(_copies[1]).Generation > new KeySlotsView(_copies[0]).Generation;
        return bFirst ? [1, 0] : [0, 1];
    }

    /// <summary>One search for a slot: the credential, and what was learned on the way.</summary>
    private sealed class Search(Credential credential)
    {
        private readonly List<(Guid Volume, int Index, byte[] Slot)> _failed = [];
        private string? _objection;

        internal bool OpenedUnauthentic { get; set; }

        internal MasterKey? TryOpen(byte[] area, int index)
        {
            KeySlotView slot = new KeySlotsView(area).Slot(index);
            if (slot.Kind != credential.Kind)
            {
                return null;
            }

            string? objection = credential.Objection(slot);
            if (objection is not null)
            {
                _objection ??= $"key slot {index}: {objection}";
                return null;
            }

            byte[] whole = slot.Bytes.ToArray();
            Guid volume = new KeySlotsView(area).VolumeUuid;
            if (_failed.Exists(
                tried => tried.Volume == volume && tried.Index == index && tried.Slot.AsSpan().SequenceEqual(whole)))
            {
                return null;
            }

            using var wrapping = new SecretMemory(Credential.WrappingKeySize);
            using var key = new SecretMemory(MasterKey.Size);
            credential.DeriveWrappingKey(slot, wrapping.Span);
            if (KeySlotCrypto.TryUnwrap(area, index, wrapping.Span, key.Span))
            {
                return MasterKey.FromBytes(key.Span);
            }

            _failed.Add((volume, index, whole));
            return null;
        }

        internal Exception Failure()
        {
            if (OpenedUnauthentic)
            {
                return new IntegrityException(
                    Zone.KeySlots, 0, "the key is right, but neither copy of the key slot table is authentic");
            }

            return _objection is not null
                ? new IntegrityException(Zone.KeySlots, 0, _objection)
                : new WrongKeyException("no key slot opens with this key");
        }
    }
}
