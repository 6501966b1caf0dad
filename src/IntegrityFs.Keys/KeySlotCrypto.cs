// The two constructions of the key slots. Both come whole from the platform's library.
// 1. A slot wraps the master key with AES-256-GCM under the credential's wrapping key; associated data are the purpose,
//    the volume, the slot's number, and every byte of the slot with the wrapped key and its tag zeroed. So a slot
//    opens only in its own place, volume and with its own parameters.
// 2. The table carries an HMAC-SHA-256 over all its bytes under a key that is derived from the master key, so whoever
//    has opened a slot knows that the other slots, the labels and the reserved bytes are the key holder's.
using System.Security.Cryptography;
using IntegrityFs.Format;

namespace IntegrityFs.Keys;

/// <summary>Wraps, unwraps and authenticates.</summary>
internal static class KeySlotCrypto
{
    private static ReadOnlySpan<byte> SlotPurpose => "integrityfs key slot v1\0"u8;

    private static ReadOnlySpan<byte> TablePurpose => "integrityfs key slots v1"u8;

    private static ReadOnlySpan<byte> CheckPurpose => "integrityfs key slots check v1"u8;

    /// <summary>Wraps <paramref name="key"/> into slot <paramref name="index"/>, whose fields, salt and nonce stand.</summary>
    internal static void Wrap(Span<byte> area, int index, ReadOnlySpan<byte> wrappingKey, ReadOnlySpan<byte> key)
    {
        Span<byte> slot = KeySlotsCodec.Slot(area, index);
        byte[] bound = AssociatedData(area, index);
        using var gcm = new AesGcm(wrappingKey, KeySlotLayout.WrapTagSize);
        gcm.Encrypt(
            KeySlotsCodec.Nonce(slot), key, KeySlotsCodec.WrappedKey(slot), KeySlotsCodec.WrapTag(slot), bound);
    }

    /// <summary>True where <paramref name="wrappingKey"/> opens the slot; <paramref name="key"/> then holds the key.</summary>
    internal static bool TryUnwrap(
        ReadOnlySpan<byte> area, int index, ReadOnlySpan<byte> wrappingKey, Span<byte> key)
    {
        KeySlotView slot = new KeySlotsView(area).Slot(index);
        byte[] bound = AssociatedData(area, index);
        using var gcm = new AesGcm(wrappingKey, KeySlotLayout.WrapTagSize);
        try
        {
            gcm.Decrypt(slot.Nonce, slot.WrappedKey, slot.WrapTag, key, bound);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    /// <summary>The MAC that belongs into <paramref name="area"/>.</summary>
    internal static void ComputeMac(ReadOnlySpan<byte> area, ReadOnlySpan<byte> masterKey, Span<byte> mac)
    {
        byte[] copy = area.ToArray();
        KeySlotsCodec.Mac(copy).Clear();
        Span<byte> subKey = stackalloc byte[HMACSHA256.HashSizeInBytes];
        DeriveSubKey(area, masterKey, TablePurpose, subKey);
        HMACSHA256.HashData(subKey, copy, mac);
        CryptographicOperations.ZeroMemory(subKey);
    }

    /// <summary>True where the table is exactly what a holder of the key wrote.</summary>
    internal static bool IsAuthentic(ReadOnlySpan<byte> area, ReadOnlySpan<byte> masterKey)
    {
        Span<byte> mac = stackalloc byte[KeySlotsLayout.MacSize];
        ComputeMac(area, masterKey, mac);
        return CryptographicOperations.FixedTimeEquals(mac, new KeySlotsView(area).Mac);
    }

    /// <summary>A value that tells this master key from any other and reveals nothing of it.</summary>
    internal static byte[] CheckValue(ReadOnlySpan<byte> area, ReadOnlySpan<byte> masterKey)
    {
        byte[] value = new byte[HMACSHA256.HashSizeInBytes];
        DeriveSubKey(area, masterKey, CheckPurpose, value);
        return value;
    }

    private static void DeriveSubKey(
        ReadOnlySpan<byte> area, ReadOnlySpan<byte> masterKey, ReadOnlySpan<byte> purpose, Span<byte> destination) =>
        HKDF.DeriveKey(
            HashAlgorithmName.SHA256, masterKey, destination,
            area.Slice(KeySlotsLayout.VolumeUuidOffset, KeySlotsLayout.VolumeUuidSize), purpose);

    private static byte[] AssociatedData(ReadOnlySpan<byte> area, int index)
    {
        int uuidAt = SlotPurpose.Length;
        int indexAt = uuidAt + KeySlotsLayout.VolumeUuidSize;
        int slotAt = indexAt + 1;
        byte[] data = new byte[slotAt + KeySlotLayout.Size];
        SlotPurpose.CopyTo(data);
        area.Slice(KeySlotsLayout.VolumeUuidOffset, KeySlotsLayout.VolumeUuidSize).CopyTo(data.AsSpan(uuidAt));
        data[indexAt] = (byte)index;
        Span<byte> slot = data.AsSpan(slotAt);
        new KeySlotsView(area).Slot(index).Bytes.CopyTo(slot);
        KeySlotsCodec.WrappedKey(slot).Clear();
        KeySlotsCodec.WrapTag(slot).Clear();
        return data;
    }
}
