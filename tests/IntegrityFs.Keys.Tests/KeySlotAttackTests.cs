using IntegrityFs.Device;
using IntegrityFs.Format;
using static IntegrityFs.Keys.Tests.KeyFixture;

namespace IntegrityFs.Keys.Tests;

/// <summary>What somebody with the device but without the key may do to the slots.</summary>
public sealed class KeySlotAttackTests
{
    // The bytes in use of header and slots 0 .. 2, and some of every reserved range. Each byte of the area is flipped in
    // some test; the unused slots and the tail are zeros that are checked alike, so there every 97th is enough.
    private static IEnumerable<int> Positions()
    {
        for (int at = 0; at < KeySlotsLayout.Size; at++)
        {
            int within = at % KeySlotLayout.Size;
            bool dense = at < KeySlotsLayout.SlotsOffset + 3 * KeySlotLayout.Size
                && within < KeySlotLayout.KindDataOffset + 8;
            if (dense || at % 97 == 0)
            {
                yield return at;
            }
        }
    }

    [Theory]
    [InlineData(CopyA)]
    [InlineData(CopyB)]
    public void Any_flipped_byte_of_one_copy_is_outvoted_reported_and_healed_by_the_other(int copy)
    {
        using MasterKey key = Key();
        MemoryDevice device = MakeDevice(key, 1, 2, 3);
        byte[] good = device.Bytes.ToArray();
        using KeyFileCredential credential = Material(2);
        int damaged = copy == CopyA ? 0 : 1;
        foreach (int at in Positions())
        {
            device[copy + at] ^= (byte)(1 << (at % 8));
            KeySlotTable table = KeySlotTable.Read(device);
            using MasterKey back = table.Unlock(credential);
            Assert.True(back.Bytes.SequenceEqual(key.Bytes), $"wrong key at {at}");
            Assert.Equal(KeySlotCopyState.Damaged, table.CopyStates[damaged]);
            Assert.Equal(KeySlotCopyState.Good, table.CopyStates[1 - damaged]);
            Assert.True(table.NeedsRepair);
            device[copy + at] = good[copy + at];
        }

        device[copy + 100] ^= 1;
        KeySlotTable last = KeySlotTable.Read(device);
        last.Unlock(credential).Dispose();
        last.Write(device, key);
        Assert.False(last.NeedsRepair);
        Assert.True(device.Bytes.Slice(CopyA, KeySlotsLayout.Size)
            .SequenceEqual(device.Bytes.Slice(CopyB, KeySlotsLayout.Size)));
    }

    [Fact]
    public void The_same_byte_flipped_in_both_copies_is_refused_and_never_gives_another_key()
    {
        using MasterKey key = Key();
        MemoryDevice device = MakeDevice(key, 1, 2, 3);
        foreach (int at in Positions())
        {
            byte flip = (byte)(1 << (at % 8));
            device[CopyA + at] ^= flip;
            device[CopyB + at] ^= flip;
            Assert.Null(TryOpen(device, 2));
            device[CopyA + at] ^= flip;
            device[CopyB + at] ^= flip;
        }

        Assert.NotNull(TryOpen(device, 2));
    }

    [Fact]
    public void Random_damage_to_both_copies_never_gives_another_key()
    {
        using MasterKey key = Key();
        MemoryDevice original = MakeDevice(key, 1, 2);
        for (int seed = 0; seed < 300; seed++)
        {
            MemoryDevice device = original.Clone();
            var random = new Random(seed);
            int hits = random.Next(1, 6);
            for (int i = 0; i < hits; i++)
            {
                int copy = random.Next(2) == 0 ? CopyA : CopyB;
                int length = 1 << random.Next(0, 13);
                int at = random.Next(0, KeySlotsLayout.Size - length);
                random.NextBytes(device.Slice(copy + at, length));
            }

            byte[]? back = TryOpen(device, 1);
            Assert.True(back is null || back.AsSpan().SequenceEqual(key.Bytes), $"wrong key with seed {seed}");
        }
    }

    [Fact]
    public void A_slot_moved_to_another_place_or_volume_does_not_open()
    {
        using MasterKey key = Key();
        using MasterKey otherKey = Key(2);
        MemoryDevice device = MakeDevice(key, 1);
        MemoryDevice other = MakeDevice(Guid.Parse("11111111-2222-4333-8444-555555555555"), otherKey, 7);
        int slot = KeySlotsLayout.SlotsOffset;
        foreach (int copy in (int[])[CopyA, CopyB])
        {
            other.Slice(copy + slot, KeySlotLayout.Size)
                .CopyTo(device.Slice(copy + slot + KeySlotLayout.Size, KeySlotLayout.Size));
        }

        Assert.Null(TryOpen(device, 7));

        MemoryDevice moved = MakeDevice(key, 1);
        foreach (int copy in (int[])[CopyA, CopyB])
        {
            moved.Slice(copy + slot, KeySlotLayout.Size)
                .CopyTo(moved.Slice(copy + slot + KeySlotLayout.Size, KeySlotLayout.Size));
            moved.Slice(copy + slot, KeySlotLayout.Size).Clear();
        }

        Assert.Null(TryOpen(moved, 1));
    }

    [Fact]
    public void The_table_of_another_volume_is_refused_and_where_one_copy_is_left_that_one_counts()
    {
        using MasterKey key = Key();
        using MasterKey otherKey = Key(2);
        MemoryDevice device = MakeDevice(key, 1);
        MemoryDevice other = MakeDevice(Guid.Parse("11111111-2222-4333-8444-555555555555"), otherKey, 1);
        other.Slice(CopyA, KeySlotsLayout.Size).CopyTo(device.Slice(CopyA, KeySlotsLayout.Size));
        using KeyFileCredential credential = Material(1);
        KeySlotTable table = KeySlotTable.Read(device, Uuid);
        using MasterKey back = table.Unlock(credential);
        Assert.Equal(key.Bytes.ToArray(), back.Bytes.ToArray());
        Assert.Equal(KeySlotCopyState.Damaged, table.CopyStates[0]);

        other.Slice(CopyB, KeySlotsLayout.Size).CopyTo(device.Slice(CopyB, KeySlotsLayout.Size));
        Assert.Throws<IntegrityException>(() => KeySlotTable.Read(device, Uuid));
    }

    [Theory]
    [InlineData(KeySlotLayout.MemoryKibOffset, 8u)]
    [InlineData(KeySlotLayout.MemoryKibOffset, 19u * 1024 - 1)]
    [InlineData(KeySlotLayout.MemoryKibOffset, uint.MaxValue)]
    [InlineData(KeySlotLayout.MemoryKibOffset, 1024u * 1024 + 1)]
    [InlineData(KeySlotLayout.PassesOffset, 0u)]
    [InlineData(KeySlotLayout.PassesOffset, 1u)]
    [InlineData(KeySlotLayout.PassesOffset, 33u)]
    [InlineData(KeySlotLayout.PassesOffset, uint.MaxValue)]
    [InlineData(KeySlotLayout.LanesOffset, 0u)]
    [InlineData(KeySlotLayout.LanesOffset, 2u)]
    public void A_slot_whose_cost_was_changed_is_refused_before_the_passphrase_is_used(int field, uint value)
    {
        using MasterKey key = Key();
        var device = new MemoryDevice(1 << 18);
        KeySlotTable table = KeySlotTable.Create(Uuid);
        using PassphraseCredential passphrase = Passphrase("secret");
        table.Add(passphrase, key, cost: PassphraseCost.Least);
        table.Write(device, key);
        foreach (int copy in (int[])[CopyA, CopyB])
        {
            BitConverter.TryWriteBytes(device.Slice(copy + KeySlotsLayout.SlotsOffset + field, 4), value);
        }

        IntegrityException refused =
            Assert.Throws<IntegrityException>(() => KeySlotTable.Read(device).Unlock(passphrase));
        Assert.Contains("outside the bounds", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_slot_whose_cost_was_raised_within_the_bounds_does_not_open()
    {
        using MasterKey key = Key();
        var device = new MemoryDevice(1 << 18);
        KeySlotTable table = KeySlotTable.Create(Uuid);
        using PassphraseCredential passphrase = Passphrase("secret");
        table.Add(passphrase, key, cost: PassphraseCost.Least);
        table.Write(device, key);
        device[CopyA + KeySlotsLayout.SlotsOffset + KeySlotLayout.PassesOffset] = 3;
        device[CopyB + KeySlotsLayout.SlotsOffset + KeySlotLayout.PassesOffset] = 3;
        Assert.Throws<WrongKeyException>(() => KeySlotTable.Read(device).Unlock(passphrase));
    }

    [Fact]
    public void New_slots_below_the_lower_bound_cannot_be_made()
    {
        using MasterKey key = Key();
        using PassphraseCredential passphrase = Passphrase("secret");
        KeySlotTable table = KeySlotTable.Create(Uuid);
        Assert.Throws<CredentialException>(
            () => table.Add(passphrase, key, cost: new PassphraseCost(PassphraseCost.Least.MemoryKib - 1, 3)));
        Assert.Throws<CredentialException>(
            () => table.Add(passphrase, key, cost: new PassphraseCost(PassphraseCost.Least.MemoryKib, 1)));
        Assert.Empty(table.Slots);
    }

    [Fact]
    public void A_table_made_without_the_key_is_refused_though_one_of_its_slots_opens()
    {
        using MasterKey key = Key();
        MemoryDevice device = MakeDevice(key, 1, 2);
        // Slot 1 is taken out in both copies: slot 0 still opens, and the MAC says that something is missing.
        foreach (int copy in (int[])[CopyA, CopyB])
        {
            device.Slice(copy + KeySlotsLayout.SlotsOffset + KeySlotLayout.Size, KeySlotLayout.Size).Clear();
        }

        using KeyFileCredential credential = Material(1);
        IntegrityException refused =
            Assert.Throws<IntegrityException>(() => KeySlotTable.Read(device).Unlock(credential));
        Assert.Equal(Zone.KeySlots, refused.Zone);

        KeySlotTable salvaged = KeySlotTable.Read(device);
        using MasterKey back = salvaged.Salvage(credential);
        Assert.Equal(key.Bytes.ToArray(), back.Bytes.ToArray());
        Assert.Equal(0, Assert.Single(salvaged.Slots).Index);
        salvaged.Write(device, back);
        Assert.Equal(key.Bytes.ToArray(), TryOpen(device, 1));
    }

    [Fact]
    public void A_slot_of_a_kind_from_the_future_is_kept_and_not_tried()
    {
        using MasterKey key = Key();
        MemoryDevice device = MakeDevice(key, 1);
        byte[] area = device.Slice(CopyA, KeySlotsLayout.Size).ToArray();
        Span<byte> slot = KeySlotsCodec.Slot(area, 5);
        slot[KeySlotLayout.KindOffset] = 77;
        slot[KeySlotLayout.KindDataLengthOffset] = 3;
        slot[KeySlotLayout.KindDataOffset] = 9;
        KeySlotCrypto.ComputeMac(area, key.Bytes, KeySlotsCodec.Mac(area));
        area.CopyTo(device.Slice(CopyA, area.Length));
        area.CopyTo(device.Slice(CopyB, area.Length));

        KeySlotTable table = KeySlotTable.Read(device);
        using KeyFileCredential credential = Material(1);
        using MasterKey back = table.Unlock(credential);
        Assert.Equal((KeySlotKind)77, table.Slots[1].Kind);
        Assert.Throws<KeySlotException>(() => table.Remove(0));
        table.Write(device, back);
        Assert.Equal(9, device[CopyB + KeySlotsLayout.SlotsOffset + 5 * KeySlotLayout.Size + KeySlotLayout.KindDataOffset]);
    }
}
