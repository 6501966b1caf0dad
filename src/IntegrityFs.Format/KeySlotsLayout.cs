// Where everything stands in the two copies of the key slot table. Each constant follows from the one before it; the
// tables of docs/FORMAT.md say the same and a test compares the two.
namespace IntegrityFs.Format;

/// <summary>The key slot table: one area of 61,440 bytes, present twice and byte for byte the same.</summary>
public static class KeySlotsLayout
{
    /// <summary>Byte of the device at which copy A starts.</summary>
    public const long DeviceByteOfCopyA = 4096;

    /// <summary>Byte of the device at which copy B starts.</summary>
    public const long DeviceByteOfCopyB = 65536 + 4096;

    /// <summary>Number of copies.</summary>
    public const int Copies = 2;

    /// <summary>The only version there is.</summary>
    public const uint CurrentVersion = 1;

    /// <summary>Number of slots.</summary>
    public const int SlotCountValue = 8;

    public const int MagicOffset = 0;
    public const int MagicSize = 8;

    public const int VersionOffset = MagicOffset + MagicSize;
    public const int VersionSize = 4;

    public const int SlotCountOffset = VersionOffset + VersionSize;
    public const int SlotCountSize = 4;

    public const int VolumeUuidOffset = SlotCountOffset + SlotCountSize;
    public const int VolumeUuidSize = 16;

    public const int GenerationOffset = VolumeUuidOffset + VolumeUuidSize;
    public const int GenerationSize = 8;

    public const int MacOffset = GenerationOffset + GenerationSize;
    public const int MacSize = 32;

    public const int HeaderReservedOffset = MacOffset + MacSize;
    public const int HeaderReservedSize = 4096 - HeaderReservedOffset;

    public const int SlotsOffset = HeaderReservedOffset + HeaderReservedSize;
    public const int SlotsSize = SlotCountValue * KeySlotLayout.Size;

    public const int ReservedOffset = SlotsOffset + SlotsSize;
    public const int ReservedSize = Size - ReservedOffset;

    /// <summary>Bytes of one copy.</summary>
    public const int Size = 61440;

    /// <summary>First bytes of a table.</summary>
    public static ReadOnlySpan<byte> Magic => "IFSKEYS\n"u8;
}

/// <summary>One key slot. An empty slot is all zeros.</summary>
public static class KeySlotLayout
{
    public const int KindOffset = 0;
    public const int KindSize = 4;

    public const int DerivationOffset = KindOffset + KindSize;
    public const int DerivationSize = 4;

    public const int MemoryKibOffset = DerivationOffset + DerivationSize;
    public const int MemoryKibSize = 4;

    public const int PassesOffset = MemoryKibOffset + MemoryKibSize;
    public const int PassesSize = 4;

    public const int LanesOffset = PassesOffset + PassesSize;
    public const int LanesSize = 4;

    public const int WrapOffset = LanesOffset + LanesSize;
    public const int WrapSize = 4;

    public const int SaltOffset = WrapOffset + WrapSize;
    public const int SaltSize = 32;

    public const int NonceOffset = SaltOffset + SaltSize;
    public const int NonceSize = 12;

    public const int WrappedKeyOffset = NonceOffset + NonceSize;
    public const int WrappedKeySize = 32;

    public const int WrapTagOffset = WrappedKeyOffset + WrappedKeySize;
    public const int WrapTagSize = 16;

    public const int LabelLengthOffset = WrapTagOffset + WrapTagSize;
    public const int LabelLengthSize = 4;

    public const int LabelOffset = LabelLengthOffset + LabelLengthSize;
    public const int LabelSize = 64;

    public const int KindDataLengthOffset = LabelOffset + LabelSize;
    public const int KindDataLengthSize = 4;

    public const int KindDataOffset = KindDataLengthOffset + KindDataLengthSize;
    public const int KindDataSize = 2048;

    public const int ReservedOffset = KindDataOffset + KindDataSize;
    public const int ReservedSize = Size - ReservedOffset;

    /// <summary>Bytes of one slot.</summary>
    public const int Size = 4096;
}
