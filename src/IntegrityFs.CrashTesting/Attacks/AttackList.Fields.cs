// Promise: as AttackList.cs says; every field of the superblock and of the key slots, in one copy, the other, and both,
// set to other values: higher, lower, zero, all ones; and superblocks that are right but for the key of their MAC.
using System.Buffers.Binary;
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.CrashTesting;

internal sealed partial class AttackList
{
    private static readonly (string Name, int Offset, int Size)[] s_superblock =
    [
        ("magic", SuperblockLayout.MagicOffset, SuperblockLayout.MagicSize), ("version", SuperblockLayout.VersionOffset, SuperblockLayout.VersionSize),
        ("algorithm", SuperblockLayout.AlgorithmOffset, SuperblockLayout.AlgorithmSize), ("uuid", SuperblockLayout.UuidOffset, SuperblockLayout.UuidSize),
        ("label", SuperblockLayout.LabelOffset, SuperblockLayout.LabelSize), ("block-size", SuperblockLayout.BlockSizeOffset, SuperblockLayout.BlockSizeSize),
        ("incompatible", SuperblockLayout.IncompatibleOffset, SuperblockLayout.IncompatibleSize),
        ("read-only-compatible", SuperblockLayout.ReadOnlyCompatibleOffset, SuperblockLayout.ReadOnlyCompatibleSize),
        ("state", SuperblockLayout.StateOffset, SuperblockLayout.StateSize), ("device-length", SuperblockLayout.DeviceLengthOffset, SuperblockLayout.DeviceLengthSize),
        ("journal-blocks", SuperblockLayout.JournalBlocksOffset, SuperblockLayout.JournalBlocksSize),
        ("generation", SuperblockLayout.GenerationOffset, SuperblockLayout.GenerationSize), ("next-sequence", SuperblockLayout.NextSequenceOffset, SuperblockLayout.NextSequenceSize),
        ("tail", SuperblockLayout.TailOffset, SuperblockLayout.TailSize), ("chain", SuperblockLayout.ChainOffset, SuperblockLayout.ChainSize),
        ("root", SuperblockLayout.RootOffset, SuperblockLayout.RootSize), ("created", SuperblockLayout.CreatedOffset, SuperblockLayout.CreatedSize),
        ("written", SuperblockLayout.WrittenOffset, SuperblockLayout.WrittenSize), ("mounts", SuperblockLayout.MountCountOffset, SuperblockLayout.MountCountSize),
        ("recoveries", SuperblockLayout.RecoveryCountOffset, SuperblockLayout.RecoveryCountSize),
        ("mismatches", SuperblockLayout.MismatchCountOffset, SuperblockLayout.MismatchCountSize),
        ("reserved", SuperblockLayout.ReservedOffset, 8), ("mac", SuperblockLayout.MacOffset, SuperblockLayout.MacSize),
    ];

    private static readonly (string Name, int Offset, int Size)[] s_slotTable =
    [
        ("magic", KeySlotsLayout.MagicOffset, KeySlotsLayout.MagicSize), ("version", KeySlotsLayout.VersionOffset, KeySlotsLayout.VersionSize),
        ("slots", KeySlotsLayout.SlotCountOffset, KeySlotsLayout.SlotCountSize), ("uuid", KeySlotsLayout.VolumeUuidOffset, KeySlotsLayout.VolumeUuidSize),
        ("generation", KeySlotsLayout.GenerationOffset, KeySlotsLayout.GenerationSize), ("mac", KeySlotsLayout.MacOffset, KeySlotsLayout.MacSize),
        ("header-reserved", KeySlotsLayout.HeaderReservedOffset, 8), ("reserved", KeySlotsLayout.ReservedOffset, 8),
    ];

    private static readonly (string Name, int Offset, int Size)[] s_slot =
    [
        ("kind", KeySlotLayout.KindOffset, KeySlotLayout.KindSize), ("derivation", KeySlotLayout.DerivationOffset, KeySlotLayout.DerivationSize),
        ("memory", KeySlotLayout.MemoryKibOffset, KeySlotLayout.MemoryKibSize), ("passes", KeySlotLayout.PassesOffset, KeySlotLayout.PassesSize),
        ("lanes", KeySlotLayout.LanesOffset, KeySlotLayout.LanesSize), ("wrap", KeySlotLayout.WrapOffset, KeySlotLayout.WrapSize),
        ("salt", KeySlotLayout.SaltOffset, KeySlotLayout.SaltSize), ("nonce", KeySlotLayout.NonceOffset, KeySlotLayout.NonceSize),
        ("key", KeySlotLayout.WrappedKeyOffset, KeySlotLayout.WrappedKeySize), ("tag", KeySlotLayout.WrapTagOffset, KeySlotLayout.WrapTagSize),
        ("label-length", KeySlotLayout.LabelLengthOffset, KeySlotLayout.LabelLengthSize), ("label", KeySlotLayout.LabelOffset, 8),
        ("data-length", KeySlotLayout.KindDataLengthOffset, KeySlotLayout.KindDataLengthSize), ("data", KeySlotLayout.KindDataOffset, 8),
        ("reserved", KeySlotLayout.ReservedOffset, 8),
    ];

    private static readonly string[] s_copies = ["a", "b", "both"];

    private static readonly (string Name, Action<byte[]> Change)[] s_changes =
    [
        ("+1", bytes => Add(bytes, 1)), ("-1", bytes => Add(bytes, ulong.MaxValue)),
        ("zero", Array.Clear), ("ones", bytes => Array.Fill(bytes, (byte)0xff)),
    ];

    private IEnumerable<Attack> Fields()
    {
        foreach ((string name, int offset, int size) in s_superblock)
        {
            foreach (Attack attack in OfField("super." + name, AttackZone.Superblock, [VolumeGeometry.SuperblockOffset(0) + offset, VolumeGeometry.SuperblockOffset(1) + offset], size, false))
            {
                yield return attack;
            }
        }

        foreach ((string name, int offset, int size) in s_slotTable)
        {
            foreach (Attack attack in OfField("slots." + name, AttackZone.KeySlots, [KeySlotsLayout.DeviceByteOfCopyA + offset, KeySlotsLayout.DeviceByteOfCopyB + offset], size, false))
            {
                yield return attack;
            }
        }

        foreach (int slot in new[] { 0, 2 })
        {
            foreach ((string name, int offset, int size) in s_slot)
            {
                long at = KeySlotsLayout.SlotsOffset + (slot * (long)KeySlotLayout.Size) + offset;
                foreach (Attack attack in OfField($"slot{slot}.{name}", AttackZone.KeySlots, [KeySlotsLayout.DeviceByteOfCopyA + at, KeySlotsLayout.DeviceByteOfCopyB + at], size, slot == 2))
                {
                    yield return attack;
                }
            }
        }

        foreach (Attack attack in Resigned())
        {
            yield return attack;
        }
    }

    private IEnumerable<Attack> OfField(string name, AttackZone zone, long[] offsets, int size, bool withPassphrase)
    {
        byte[] original = new byte[size];
        victim.Image.Read(offsets[0], original);
        foreach ((string change, Action<byte[]> apply) in s_changes)
        {
            byte[] changed = (byte[])original.Clone();
            apply(changed);
            if (changed.AsSpan().SequenceEqual(original))
            {
                continue;
            }

            for (int copy = 0; copy < s_copies.Length; copy++)
            {
                int which = copy;
                yield return new Attack($"field:{name}:{change}:{s_copies[copy]}", "field", zone, image =>
                {
                    if (which != 1)
                    {
                        image.Write(offsets[0], changed);
                    }

                    if (which != 0)
                    {
                        image.Write(offsets[1], changed);
                    }
                }, WithPassphrase: withPassphrase);
            }
        }
    }

    /// <summary>Everything as the attacker likes it, signed with a key of his own.</summary>
    private IEnumerable<Attack> Resigned()
    {
        foreach ((string name, int offset, int size) in s_superblock)
        {
            if (name is "mac" or "magic")
            {
                continue;
            }

            yield return new Attack($"resigned:{name}", "field", AttackZone.Superblock, image =>
            {
                byte[] block = new byte[SuperblockLayout.Size];
                image.Read(0, block);
                Add(block.AsSpan(offset, size), 1);
                var uuid = new Guid(block.AsSpan(SuperblockLayout.UuidOffset, SuperblockLayout.UuidSize), bigEndian: true);
                using var keys = new SubKeys(new byte[SubKeys.MasterKeySize], uuid);
                using var authenticator = new Authenticator(keys);
                authenticator.MacOfSuperblock(block, block.AsSpan(SuperblockLayout.MacOffset, SuperblockLayout.MacSize));
                image.Write(VolumeGeometry.SuperblockOffset(0), block);
                image.Write(VolumeGeometry.SuperblockOffset(1), block);
            });
        }
    }

    private static void Add(Span<byte> bytes, ulong value)
    {
        if (bytes.Length >= 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, BinaryPrimitives.ReadUInt64LittleEndian(bytes) + value);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, BinaryPrimitives.ReadUInt32LittleEndian(bytes) + (uint)value);
        }
    }
}
