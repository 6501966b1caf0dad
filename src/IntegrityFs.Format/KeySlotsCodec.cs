// Writing key slot tables. Whatever is not written is zero.
using System.Buffers.Binary;
using System.Text;

namespace IntegrityFs.Format;

/// <summary>The fields of a slot that come before the key is wrapped; they are the wrapping's associated data.</summary>
/// <param name="Kind">What opens it.</param>
/// <param name="Derivation">How the wrapping key is made.</param>
/// <param name="MemoryKib">Argon2id: memory in KiB; else 0.</param>
/// <param name="Passes">Argon2id: passes; else 0.</param>
/// <param name="Lanes">Argon2id: lanes; else 0.</param>
/// <param name="Label">Its name: see <see cref="KeySlotView.IsLabel"/>.</param>
public readonly record struct KeySlotFields(
    KeySlotKind Kind, KeySlotDerivation Derivation, uint MemoryKib, uint Passes, uint Lanes, string Label);

/// <summary>Writes key slot tables.</summary>
public static class KeySlotsCodec
{
    /// <summary>Makes <paramref name="area"/> an empty table of generation 1 without a MAC.</summary>
    public static void Initialize(Span<byte> area, Guid volumeUuid)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(area.Length, KeySlotsLayout.Size);
        area.Clear();
        KeySlotsLayout.Magic.CopyTo(area);
        BinaryPrimitives.WriteUInt32LittleEndian(area[KeySlotsLayout.VersionOffset..], KeySlotsLayout.CurrentVersion);
        BinaryPrimitives.WriteUInt32LittleEndian(area[KeySlotsLayout.SlotCountOffset..], KeySlotsLayout.SlotCountValue);
        volumeUuid.TryWriteBytes(
            area.Slice(KeySlotsLayout.VolumeUuidOffset, KeySlotsLayout.VolumeUuidSize), bigEndian: true, out _);
        WriteGeneration(area, 1);
    }

    /// <summary>Sets the generation.</summary>
    public static void WriteGeneration(Span<byte> area, ulong generation) =>
        BinaryPrimitives.WriteUInt64LittleEndian(area[KeySlotsLayout.GenerationOffset..], generation);

    /// <summary>The field for the MAC.</summary>
    public static Span<byte> Mac(Span<byte> area) => area.Slice(KeySlotsLayout.MacOffset, KeySlotsLayout.MacSize);

    /// <summary>The bytes of slot <paramref name="index"/>.</summary>
    public static Span<byte> Slot(Span<byte> area, int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)KeySlotsLayout.SlotCountValue);
        return area.Slice(KeySlotsLayout.SlotsOffset + index * KeySlotLayout.Size, KeySlotLayout.Size);
    }

    /// <summary>Writes the fields of a slot; salt, nonce, key and tag are zero afterwards.</summary>
    public static void WriteSlot(Span<byte> slot, in KeySlotFields fields)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(slot.Length, KeySlotLayout.Size);
        byte[] label = Encoding.UTF8.GetBytes(fields.Label);
        if (!KeySlotView.IsLabel(label))
        {
            throw new ArgumentException("a label has at most 64 bytes of UTF-8 and no control characters");
        }

        slot.Clear();
        Number(slot, KeySlotLayout.KindOffset, (uint)fields.Kind);
        Number(slot, KeySlotLayout.DerivationOffset, (uint)fields.Derivation);
        Number(slot, KeySlotLayout.MemoryKibOffset, fields.MemoryKib);
        Number(slot, KeySlotLayout.PassesOffset, fields.Passes);
        Number(slot, KeySlotLayout.LanesOffset, fields.Lanes);
        Number(slot, KeySlotLayout.WrapOffset, (uint)KeySlotWrap.Aes256Gcm);
        Number(slot, KeySlotLayout.LabelLengthOffset, (uint)label.Length);
        label.CopyTo(slot[KeySlotLayout.LabelOffset..]);
    }

    /// <summary>The field for the salt.</summary>
    public static Span<byte> Salt(Span<byte> slot) => slot.Slice(KeySlotLayout.SaltOffset, KeySlotLayout.SaltSize);

    /// <summary>The field for the nonce.</summary>
    public static Span<byte> Nonce(Span<byte> slot) => slot.Slice(KeySlotLayout.NonceOffset, KeySlotLayout.NonceSize);

    /// <summary>The field for the wrapped key.</summary>
    public static Span<byte> WrappedKey(Span<byte> slot) =>
        slot.Slice(KeySlotLayout.WrappedKeyOffset, KeySlotLayout.WrappedKeySize);

    /// <summary>The field for the tag of the wrapping.</summary>
    public static Span<byte> WrapTag(Span<byte> slot) =>
        slot.Slice(KeySlotLayout.WrapTagOffset, KeySlotLayout.WrapTagSize);

    private static void Number(Span<byte> slot, int offset, uint value) =>
        BinaryPrimitives.WriteUInt32LittleEndian(slot[offset..], value);
}
