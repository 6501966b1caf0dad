// The key slot table promises:
// 1. Unlock returns the volume's master key or throws; a key that does not authenticate the whole table is never
//    returned (Salvage is the one exception, and is asked for by name).
// 2. Two copies, of which one is always whole: Write never touches both between two flushes, and begins with the copy
//    that is not the good one. Of two authentic copies the one with the higher generation is right, and the credentials
//    of the other no longer count.
// 3. A damaged or outdated copy is reported by CopyStates and healed by Write.
// 4. The last slot that this version can open is never removed.
// Not thread safe: one owner at a time.
using System.Security.Cryptography;
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Keys;

/// <summary>The eight key slots of a volume.</summary>
public sealed class KeySlotTable
{
    private readonly byte[] _area;
    private readonly KeySlotCandidates? _candidates;
    private readonly KeySlotCopyState[] _states;
    private byte[]? _checkValue;
    private bool _authentic;
    // The copy that must not be touched before the other one is whole.
    private int _keep;

    private KeySlotTable(byte[] area, KeySlotCandidates? candidates, KeySlotCopyState[] states)
    {
        _area = area;
        _candidates = candidates;
        _states = states;
    }

    /// <summary>Number of slots.</summary>
    public const int SlotCount = KeySlotsLayout.SlotCountValue;

    /// <summary>The volume that the table belongs to.</summary>
    public Guid VolumeUuid => View.VolumeUuid;

    /// <summary>Rises with each <see cref="Write"/>.</summary>
    public ulong Generation => View.Generation;

    /// <summary>True after a successful <see cref="Unlock"/>, or for a new table.</summary>
    public bool IsAuthentic => _authentic;

    /// <summary>The state of copy A and of copy B.</summary>
    public IReadOnlyList<KeySlotCopyState> CopyStates => _states;

    /// <summary>True where <see cref="Write"/> is needed to have two good copies.</summary>
    public bool NeedsRepair => _authentic && Array.Exists(_states, state => state != KeySlotCopyState.Good);

    /// <summary>The slots in use.</summary>
    public IReadOnlyList<KeySlotDescription> Slots
    {
        get
        {
            var slots = new List<KeySlotDescription>();
            for (int i = 0; i < SlotCount; i++)
            {
                KeySlotView slot = View.Slot(i);
                if (!slot.IsEmpty)
                {
                    slots.Add(new(i, slot.Kind, slot.Derivation, slot.MemoryKib, slot.Passes, slot.Label));
                }
            }

            return slots;
        }
    }

    private KeySlotsView View => new(_area);

    /// <summary>A new table without slots.</summary>
    public static KeySlotTable Create(Guid volumeUuid)
    {
        if (volumeUuid == Guid.Empty)
        {
            throw new ArgumentException("a volume needs a UUID", nameof(volumeUuid));
        }

        byte[] area = new byte[KeySlotsLayout.Size];
        KeySlotsCodec.Initialize(area, volumeUuid);
        return new KeySlotTable(area, null, [KeySlotCopyState.Absent, KeySlotCopyState.Absent])
        {
            _authentic = true,
        };
    }

    /// <summary>Reads both copies. What is returned is unauthenticated until <see cref="Unlock"/>.</summary>
    /// <param name="device">The volume's device.</param>
    /// <param name="volumeUuid">What the superblock says: a copy of another volume counts as damaged. Null: not known.
    /// </param>
    /// <exception cref="IntegrityException">Neither copy is well-formed.</exception>
    /// <exception cref="DeviceException">Neither copy can be read.</exception>
    public static KeySlotTable Read(IDevice device, Guid? volumeUuid = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        KeySlotCandidates candidates = KeySlotCandidates.Read(device, volumeUuid);
        return new KeySlotTable((byte[])candidates.Preferred.Clone(), candidates, candidates.States());
    }

    /// <summary>Reads a table from a backup that <see cref="Export"/> made.</summary>
    /// <exception cref="IntegrityException">It is not well-formed.</exception>
    public static KeySlotTable Import(ReadOnlySpan<byte> backup)
    {
        KeySlotCandidates candidates = KeySlotCandidates.Of(backup.ToArray());
        return new KeySlotTable(backup.ToArray(), candidates, [KeySlotCopyState.Absent, KeySlotCopyState.Absent]);
    }

    /// <summary>Bytes of a backup of the table. Whoever has it and a credential of that time opens the volume.</summary>
    public byte[] Export(MasterKey key)
    {
        CheckKey(key);
        KeySlotCrypto.ComputeMac(_area, key.Bytes, KeySlotsCodec.Mac(_area));
        return (byte[])_area.Clone();
    }

    /// <summary>Opens a slot and authenticates the table.</summary>
    /// <exception cref="WrongKeyException">No slot opens.</exception>
    /// <exception cref="IntegrityException">A slot opens but neither copy of the table is authentic, or no slot opens
    /// and some have had their parameters changed.</exception>
    public MasterKey Unlock(Credential credential)
    {
        ArgumentNullException.ThrowIfNull(credential);
        KeySlotCandidates candidates = _candidates
            ?? throw new KeySlotException("a new table has nothing to unlock");
        MasterKey key = candidates.Unlock(credential, out int winner);
        candidates[winner]!.CopyTo(_area, 0);
        Adopt(key);
        for (int i = 0; i < KeySlotsLayout.Copies; i++)
        {
            if (_states[i] != KeySlotCopyState.Absent)
            {
                _states[i] = candidates.StateUnder(i, winner, key.Bytes);
            }
        }

        _keep = winner;
        return key;
    }

    /// <summary>For a table of which both copies are damaged: opens a slot that is whole in itself, drops all others,
    /// and treats the result as authentic. To be used only on an operator's explicit demand.</summary>
    /// <exception cref="WrongKeyException">No slot opens.</exception>
    public MasterKey Salvage(Credential credential)
    {
        ArgumentNullException.ThrowIfNull(credential);
        KeySlotCandidates candidates = _candidates
            ?? throw new KeySlotException("a new table has nothing to salvage");
        MasterKey key = candidates.OpenAnySlot(credential, out int copy, out int slot);
        byte[] whole = candidates[copy]!;
        KeySlotsCodec.Initialize(_area, new KeySlotsView(whole).VolumeUuid);
        KeySlotsCodec.WriteGeneration(_area, Math.Min(candidates.HighestGeneration, uint.MaxValue) + 1);
        new KeySlotsView(whole).Slot(slot).Bytes.CopyTo(KeySlotsCodec.Slot(_area, slot));
        Adopt(key);
        Array.Fill(_states, KeySlotCopyState.Damaged);
        _keep = copy;
        return key;
    }

    /// <summary>Puts <paramref name="key"/> under a further credential; in memory, until <see cref="Write"/>.</summary>
    /// <param name="credential">What will open the slot.</param>
    /// <param name="key">The volume's master key.</param>
    /// <param name="label">Its name: at most 64 bytes of UTF-8 without control characters.</param>
    /// <param name="cost">What stretching a passphrase costs; null for the default.</param>
    /// <param name="random">Source of salt and nonce; null for the operating system's.</param>
    /// <returns>The slot's number.</returns>
    /// <exception cref="KeySlotException">All slots are in use.</exception>
    public int Add(
        Credential credential, MasterKey key, string label = "", PassphraseCost? cost = null, RandomFill? random = null)
    {
        ArgumentNullException.ThrowIfNull(credential);
        CheckKey(key);
        for (int i = 0; i < SlotCount; i++)
        {
            if (View.Slot(i).IsEmpty)
            {
                Fill(i, credential, key, label, cost, random);
                return i;
            }
        }

        throw new KeySlotException($"all {SlotCount} key slots are in use");
    }

    /// <summary>Replaces the credential of a slot; in memory, until <see cref="Write"/>.</summary>
    /// <exception cref="KeySlotException">The slot is empty.</exception>
    public void Change(
        int slot, Credential credential, MasterKey key, string? label = null, PassphraseCost? cost = null,
        RandomFill? random = null)
    {
        ArgumentNullException.ThrowIfNull(credential);
        CheckKey(key);
        if (View.Slot(slot).IsEmpty)
        {
            throw new KeySlotException($"key slot {slot} is empty");
        }

        Fill(slot, credential, key, label ?? View.Slot(slot).Label, cost, random);
    }

    /// <summary>Empties a slot; in memory, until <see cref="Write"/>. False where it was empty.</summary>
    /// <exception cref="KeySlotException">It is the last that can be opened.</exception>
    public bool Remove(int slot)
    {
        CheckAuthentic();
        KeySlotView view = View.Slot(slot);
        if (view.IsEmpty)
        {
            return false;
        }

        int others = 0;
        for (int i = 0; i < SlotCount; i++)
        {
            others += i != slot && View.Slot(i).IsKnown ? 1 : 0;
        }

        if (others == 0)
        {
            throw new KeySlotException($"key slot {slot} is the last one that opens the volume; add another first");
        }

        KeySlotsCodec.Slot(_area, slot).Clear();
        return true;
    }

    /// <summary>Writes both copies, each followed by a flush, under the next generation.</summary>
    /// <exception cref="DeviceException">A write or flush failed; at least one copy is still whole.</exception>
    public void Write(IDevice device, MasterKey key)
    {
        ArgumentNullException.ThrowIfNull(device);
        CheckKey(key);
        if (Slots.Count == 0)
        {
            throw new KeySlotException("a volume needs at least one key slot");
        }

        KeySlotsCodec.WriteGeneration(_area, checked(Generation + 1));
        KeySlotCrypto.ComputeMac(_area, key.Bytes, KeySlotsCodec.Mac(_area));
        int last = _keep;

        // The copy that is kept may stand in the device's cache only, where whoever wrote it was killed.
        device.Flush();
        WriteCopy(device, 1 - last);
        WriteCopy(device, last);
    }

    private void WriteCopy(IDevice device, int copy)
    {
        _states[copy] = KeySlotCopyState.Damaged;
        device.Write(KeySlotCandidates.DeviceByte(copy), _area);
        device.Flush();
        _states[copy] = KeySlotCopyState.Good;
        _keep = copy;
    }

    private void Fill(
        int slot, Credential credential, MasterKey key, string label, PassphraseCost? cost, RandomFill? random)
    {
        random ??= RandomNumberGenerator.Fill;
        KeySlotFields fields = credential.FieldsOfNewSlot(label, cost ?? PassphraseCost.Default);
        byte[] draft = (byte[])_area.Clone();
        Span<byte> bytes = KeySlotsCodec.Slot(draft, slot);
        KeySlotsCodec.WriteSlot(bytes, fields);
        random(KeySlotsCodec.Salt(bytes));
        random(KeySlotsCodec.Nonce(bytes));
        using var wrapping = new SecretMemory(Credential.WrappingKeySize);
        credential.DeriveWrappingKey(new KeySlotsView(draft).Slot(slot), wrapping.Span);
        KeySlotCrypto.Wrap(draft, slot, wrapping.Span, key.Bytes);
        bytes.CopyTo(KeySlotsCodec.Slot(_area, slot));
    }

    private void Adopt(MasterKey key)
    {
        _authentic = true;
        _checkValue = KeySlotCrypto.CheckValue(_area, key.Bytes);
    }

    private void CheckAuthentic()
    {
        if (!_authentic)
        {
            throw new KeySlotException("the key slots must be unlocked before they are changed");
        }
    }

    /// <summary>Every slot must hold the same key: one that held another would open a volume that does not exist.</summary>
    private void CheckKey(MasterKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        CheckAuthentic();
        byte[] value = KeySlotCrypto.CheckValue(_area, key.Bytes);
        if (!CryptographicOperations.FixedTimeEquals(_checkValue ??= value, value))
        {
            throw new KeySlotException("this is not the master key of the volume");
        }
    }
}
