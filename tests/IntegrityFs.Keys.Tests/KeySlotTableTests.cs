using CsCheck;
using IntegrityFs.Device;
using IntegrityFs.Format;
using static IntegrityFs.Keys.Tests.KeyFixture;

namespace IntegrityFs.Keys.Tests;

public sealed class KeySlotTableTests
{
    [Fact]
    public void Every_credential_that_was_added_opens_the_volume_and_no_other_does()
    {
        using MasterKey key = Key();
        MemoryDevice device = MakeDevice(key, 1, 2, 3);
        foreach (int material in (int[])[1, 2, 3])
        {
            Assert.Equal(key.Bytes.ToArray(), TryOpen(device, material));
        }

        using KeyFileCredential wrong = Material(4);
        KeySlotTable table = KeySlotTable.Read(device);
        Assert.Throws<WrongKeyException>(() => table.Unlock(wrong));
        Assert.False(table.IsAuthentic);
    }

    [Fact]
    public void A_passphrase_opens_its_slot_and_a_different_one_does_not()
    {
        using MasterKey key = Key();
        var device = new MemoryDevice(1 << 18);
        KeySlotTable table = KeySlotTable.Create(Uuid);
        using PassphraseCredential right = Passphrase("correct horse");
        Assert.Equal(0, table.Add(right, key, "people", PassphraseCost.Least));
        table.Write(device, key);

        using MasterKey back = KeySlotTable.Read(device).Unlock(right);
        Assert.Equal(key.Bytes.ToArray(), back.Bytes.ToArray());
        using PassphraseCredential wrong = Passphrase("correct horsf");
        Assert.Throws<WrongKeyException>(() => KeySlotTable.Read(device).Unlock(wrong));
        KeySlotDescription slot = Assert.Single(KeySlotTable.Read(device).Slots);
        Assert.Equal(KeySlotKind.Passphrase, slot.Kind);
        Assert.Equal(KeySlotDerivation.Argon2Id, slot.Derivation);
        Assert.Equal("people", slot.Label);
        Assert.Equal(PassphraseCost.Least, new PassphraseCost((int)slot.MemoryKib, (int)slot.Passes));
    }

    [Fact]
    public void A_passphrase_never_opens_the_slot_of_key_material_with_the_same_bytes()
    {
        using MasterKey key = Key();
        byte[] bytes = new byte[64];
        new Random(1).NextBytes(bytes);
        MemoryDevice device = MakeDevice(key, 1);
        using var passphrase = new PassphraseCredential(bytes);
        Assert.Throws<WrongKeyException>(() => KeySlotTable.Read(device).Unlock(passphrase));
    }

    [Fact]
    public void Any_sequence_of_changes_leaves_exactly_the_credentials_that_a_list_would_hold()
    {
        Gen<(int Kind, int Slot, int Material)> step = Gen.Select(Gen.Int[0, 3], Gen.Int[0, 7], Gen.Int[1, 30]);
        step.List[1, 20].Sample(steps =>
        {
            using MasterKey key = Key();
            MemoryDevice device = MakeDevice(key, 100);
            KeySlotTable table = Unlock(device, 100, key);
            int?[] model = new int?[KeySlotTable.SlotCount];
            model[0] = 100;
            foreach ((int kind, int slot, int material) in steps)
            {
                Apply(table, key, model, kind, slot, material);
            }

            table.Write(device, key);
            for (int material = 1; material <= 30; material++)
            {
                bool opens = TryOpen(device, material) is { } found && found.AsSpan().SequenceEqual(key.Bytes);
                Assert.Equal(Array.Exists(model, m => m == material), opens);
            }
        }, iter: 40, threads: 1);
    }

    private static KeySlotTable Unlock(IDevice device, int material, MasterKey key)
    {
        KeySlotTable table = KeySlotTable.Read(device);
        using KeyFileCredential credential = Material(material);
        using MasterKey back = table.Unlock(credential);
        Assert.Equal(key.Bytes.ToArray(), back.Bytes.ToArray());
        return table;
    }

    private static void Apply(KeySlotTable table, MasterKey key, int?[] model, int kind, int slot, int material)
    {
        using KeyFileCredential credential = Material(material);
        int used = model.Count(m => m is not null);
        if (kind <= 1)
        {
            if (used == KeySlotTable.SlotCount)
            {
                Assert.Throws<KeySlotException>(() => table.Add(credential, key));
                return;
            }

            model[table.Add(credential, key)] = material;
        }
        else if (kind == 2)
        {
            if (model[slot] is null)
            {
                Assert.Throws<KeySlotException>(() => table.Change(slot, credential, key));
                return;
            }

            table.Change(slot, credential, key);
            model[slot] = material;
        }
        else if (used == 1 && model[slot] is not null)
        {
            Assert.Throws<KeySlotException>(() => table.Remove(slot));
        }
        else
        {
            Assert.Equal(model[slot] is not null, table.Remove(slot));
            model[slot] = null;
        }
    }

    [Fact]
    public void Nothing_can_be_changed_before_the_table_is_unlocked_or_with_another_key()
    {
        using MasterKey key = Key();
        using MasterKey other = Key(2);
        MemoryDevice device = MakeDevice(key, 1, 2);
        using KeyFileCredential credential = Material(3);
        KeySlotTable locked = KeySlotTable.Read(device);
        Assert.Throws<KeySlotException>(() => locked.Add(credential, key));
        Assert.Throws<KeySlotException>(() => locked.Remove(0));
        Assert.Throws<KeySlotException>(() => locked.Write(device, key));
        KeySlotTable open = Unlock(device, 1, key);
        Assert.Throws<KeySlotException>(() => open.Add(credential, other));
        Assert.Throws<KeySlotException>(() => open.Write(device, other));
    }

    [Fact]
    public void A_table_without_slots_is_not_written()
    {
        using MasterKey key = Key();
        Assert.Throws<KeySlotException>(() => KeySlotTable.Create(Uuid).Write(new MemoryDevice(1 << 18), key));
    }

    [Fact]
    public void A_label_that_could_play_tricks_with_a_terminal_is_refused()
    {
        using MasterKey key = Key();
        using KeyFileCredential credential = Material(1);
        KeySlotTable table = KeySlotTable.Create(Uuid);
        Assert.Throws<ArgumentException>(() => table.Add(credential, key, "a\u001b[2J"));
        Assert.Throws<ArgumentException>(() => table.Add(credential, key, "\u202egnp.exe"));
        Assert.Throws<ArgumentException>(() => table.Add(credential, key, new string('x', 65)));
        table.Add(credential, key, new string('ä', 32));
        Assert.Equal(new string('ä', 32), table.Slots[0].Label);
    }

    [Fact]
    public void A_device_without_a_table_or_too_small_for_one_is_refused()
    {
        Assert.Throws<IntegrityException>(() => KeySlotTable.Read(new MemoryDevice(1 << 18)));
        Assert.Throws<IntegrityException>(() => KeySlotTable.Read(new MemoryDevice(4096)));
        Assert.Throws<IntegrityException>(() => KeySlotTable.Read(new MemoryDevice(131072 - 512)));
    }

    [Fact]
    public void A_backup_opens_with_the_credentials_of_its_time_and_restores_both_copies()
    {
        using MasterKey key = Key();
        MemoryDevice device = MakeDevice(key, 1);
        byte[] backup = Unlock(device, 1, key).Export(key);
        device.Bytes.Clear();
        KeySlotTable restored = KeySlotTable.Import(backup);
        using KeyFileCredential credential = Material(1);
        using MasterKey back = restored.Unlock(credential);
        Assert.True(restored.NeedsRepair);
        restored.Write(device, back);
        Assert.Equal(key.Bytes.ToArray(), TryOpen(device, 1));
        backup[KeySlotsLayout.SlotsOffset + KeySlotLayout.LabelOffset] ^= 1;
        Assert.Throws<WrongKeyException>(() => KeySlotTable.Import(backup).Unlock(credential));
    }

    [Fact]
    public void With_injected_randomness_the_bytes_are_the_same_each_time()
    {
        using MasterKey key = Key();
        Assert.Equal(MakeDevice(key, 1, 2).Bytes.ToArray(), MakeDevice(key, 1, 2).Bytes.ToArray());
    }

    [Fact]
    public void The_bytes_of_a_table_are_those_that_version_1_has_always_written()
    {
        using MasterKey key = MasterKey.FromBytes([.. Enumerable.Range(0, 32).Select(i => (byte)i)]);
        using KeyFileCredential credential = KeyFileCredential.FromBytes([.. Enumerable.Range(100, 32).Select(i => (byte)i)]);
        using var passphrase = new PassphraseCredential("passphrase"u8);
        var device = new MemoryDevice(1 << 18);
        KeySlotTable table = KeySlotTable.Create(Uuid);
        table.Add(credential, key, "golden", random: bytes => bytes.Fill(0x5A));
        table.Add(passphrase, key, "words", PassphraseCost.Least, bytes => bytes.Fill(0xA5));
        table.Write(device, key);
        byte[] hash = System.Security.Cryptography.SHA256.HashData(device.Slice(CopyA, KeySlotsLayout.Size));
        Assert.Equal("f44dd8bacbc3ed2e71cfac660e4d4f3d70d7ca0993b5f48171eb33bdde34bb44", Convert.ToHexStringLower(hash));
    }
}
