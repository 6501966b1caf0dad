// Reading key slot tables. Everything here is unauthenticated until the table's MAC has been verified with the key that
// one of its slots gave, so the checks below only make sure that nothing in the bytes can mislead the code that tries:
// lengths lie inside their fields, text is text, and what is reserved is zero. Exactly one byte string is the encoding
// of a table, so a damaged copy never looks like a good one.
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace IntegrityFs.Format;

/// <summary>What opens a slot.</summary>
public enum KeySlotKind : uint
{
    /// <summary>The slot is empty.</summary>
    Empty = 0,

    /// <summary>Key material of high entropy: a key file, or the same bytes from elsewhere.</summary>
    KeyMaterial = 1,

    /// <summary>A passphrase.</summary>
    Passphrase = 2,
}

/// <summary>How the wrapping key is made from the credential.</summary>
public enum KeySlotDerivation : uint
{
    /// <summary>Not a derivation.</summary>
    None = 0,

    /// <summary>HKDF-SHA-256 with the slot's 32-byte salt.</summary>
    HkdfSha256 = 1,

    /// <summary>Argon2id version 1.3 with the first 16 bytes of the slot's salt.</summary>
    Argon2Id = 2,
}

/// <summary>How the master key is wrapped.</summary>
public enum KeySlotWrap : uint
{
    /// <summary>Not a wrapping.</summary>
    None = 0,

    /// <summary>AES-256-GCM, the rest of the slot as associated data.</summary>
    Aes256Gcm = 1,
}

/// <summary>A key slot table as bytes.</summary>
public readonly ref struct KeySlotsView(ReadOnlySpan<byte> area)
{
    private readonly ReadOnlySpan<byte> _area = area;

    /// <summary>The volume that the table belongs to.</summary>
    public Guid VolumeUuid =>
        new(_area.Slice(KeySlotsLayout.VolumeUuidOffset, KeySlotsLayout.VolumeUuidSize), bigEndian: true);

    /// <summary>Rises with each write of the table.</summary>
    public ulong Generation => BinaryPrimitives.ReadUInt64LittleEndian(_area[KeySlotsLayout.GenerationOffset..]);

    /// <summary>HMAC-SHA-256 over the area with this field zeroed.</summary>
    public ReadOnlySpan<byte> Mac => _area.Slice(KeySlotsLayout.MacOffset, KeySlotsLayout.MacSize);

    /// <summary>Slot <paramref name="index"/>.</summary>
    public KeySlotView Slot(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)KeySlotsLayout.SlotCountValue);
        return new(_area.Slice(KeySlotsLayout.SlotsOffset + index * KeySlotLayout.Size, KeySlotLayout.Size));
    }

    /// <summary>The first rule that <paramref name="area"/> breaks, in words; null where it is well-formed.</summary>
    public static string? BrokenRule(ReadOnlySpan<byte> area)
    {
        if (area.Length != KeySlotsLayout.Size
            || !area[..KeySlotsLayout.MagicSize].SequenceEqual(KeySlotsLayout.Magic))
        {
            return "no key slot table";
        }

        uint version = BinaryPrimitives.ReadUInt32LittleEndian(area[KeySlotsLayout.VersionOffset..]);
        uint slots = BinaryPrimitives.ReadUInt32LittleEndian(area[KeySlotsLayout.SlotCountOffset..]);
        var view = new KeySlotsView(area);
        if (version != KeySlotsLayout.CurrentVersion || slots != KeySlotsLayout.SlotCountValue)
        {
            return string.Create(
                CultureInfo.InvariantCulture, $"version {version} with {slots} slots is not supported");
        }

        if (view.VolumeUuid == Guid.Empty || view.Generation == 0)
        {
            return "no volume or no generation";
        }

        if (!IsZero(area.Slice(KeySlotsLayout.HeaderReservedOffset, KeySlotsLayout.HeaderReservedSize))
            || !IsZero(area.Slice(KeySlotsLayout.ReservedOffset, KeySlotsLayout.ReservedSize)))
        {
            return "reserved bytes are not zero";
        }

        for (int i = 0; i < KeySlotsLayout.SlotCountValue; i++)
        {
            string? rule = view.Slot(i).BrokenRule();
            if (rule is not null)
            {
                return string.Create(CultureInfo.InvariantCulture, $"slot {i}: {rule}");
            }
        }

        return null;
    }

    internal static bool IsZero(ReadOnlySpan<byte> bytes) => !bytes.ContainsAnyExcept((byte)0);
}

/// <summary>One slot of a table as bytes.</summary>
public readonly ref struct KeySlotView(ReadOnlySpan<byte> slot)
{
    private readonly ReadOnlySpan<byte> _slot = slot;

    /// <summary>All bytes of the slot.</summary>
    public ReadOnlySpan<byte> Bytes => _slot;

    /// <summary>What opens it. May be a number that this version does not know.</summary>
    public KeySlotKind Kind => (KeySlotKind)Number(KeySlotLayout.KindOffset);

    /// <summary>True for a kind that this version can open.</summary>
    public bool IsKnown => Kind is KeySlotKind.KeyMaterial or KeySlotKind.Passphrase;

    /// <summary>True where nothing is in it.</summary>
    public bool IsEmpty => Kind == KeySlotKind.Empty;

    /// <summary>How its wrapping key is made.</summary>
    public KeySlotDerivation Derivation => (KeySlotDerivation)Number(KeySlotLayout.DerivationOffset);

    /// <summary>Argon2id: memory in KiB; else 0.</summary>
    public uint MemoryKib => Number(KeySlotLayout.MemoryKibOffset);

    /// <summary>Argon2id: passes; else 0.</summary>
    public uint Passes => Number(KeySlotLayout.PassesOffset);

    /// <summary>Argon2id: lanes; else 0.</summary>
    public uint Lanes => Number(KeySlotLayout.LanesOffset);

    /// <summary>How the master key is wrapped.</summary>
    public KeySlotWrap Wrap => (KeySlotWrap)Number(KeySlotLayout.WrapOffset);

    /// <summary>Salt of the derivation.</summary>
    public ReadOnlySpan<byte> Salt => _slot.Slice(KeySlotLayout.SaltOffset, KeySlotLayout.SaltSize);

    /// <summary>Nonce of the wrapping.</summary>
    public ReadOnlySpan<byte> Nonce => _slot.Slice(KeySlotLayout.NonceOffset, KeySlotLayout.NonceSize);

    /// <summary>The master key, wrapped.</summary>
    public ReadOnlySpan<byte> WrappedKey => _slot.Slice(KeySlotLayout.WrappedKeyOffset, KeySlotLayout.WrappedKeySize);

    /// <summary>Authentication tag of the wrapping.</summary>
    public ReadOnlySpan<byte> WrapTag => _slot.Slice(KeySlotLayout.WrapTagOffset, KeySlotLayout.WrapTagSize);

    /// <summary>Its name, for people.</summary>
    public string Label => Encoding.UTF8.GetString(
        _slot.Slice(KeySlotLayout.LabelOffset, Math.Min((int)Number(KeySlotLayout.LabelLengthOffset), KeySlotLayout.LabelSize)));

    /// <summary>True where <paramref name="label"/> may be the label of a slot: at most 64 bytes of UTF-8 without
    /// control characters, because tools print it on terminals.</summary>
    public static bool IsLabel(ReadOnlySpan<byte> label)
    {
        if (label.Length > KeySlotLayout.LabelSize || !Utf8.IsValid(label))
        {
            return false;
        }

        foreach (Rune rune in Encoding.UTF8.GetString(label).EnumerateRunes())
        {
            if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
                or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
            {
                return false;
            }
        }

        return true;
    }

    internal string? BrokenRule()
    {
        if (IsEmpty)
        {
            return KeySlotsView.IsZero(_slot) ? null : "an empty slot is not zero";
        }

        uint label = Number(KeySlotLayout.LabelLengthOffset);
        uint data = Number(KeySlotLayout.KindDataLengthOffset);
        if (label > KeySlotLayout.LabelSize || data > KeySlotLayout.KindDataSize)
        {
            return "a length is too large";
        }

        if (!IsLabel(_slot.Slice(KeySlotLayout.LabelOffset, (int)label))
            || !KeySlotsView.IsZero(_slot[(KeySlotLayout.LabelOffset + (int)label)..KeySlotLayout.KindDataLengthOffset]))
        {
            return "the label is not text";
        }

        if (!KeySlotsView.IsZero(_slot[(KeySlotLayout.KindDataOffset + (int)data)..]))
        {
            return "reserved bytes are not zero";
        }

        return IsKnown ? BrokenRuleOfKnownKind(data) : null;
    }

    private string? BrokenRuleOfKnownKind(uint data)
    {
        if (Wrap != KeySlotWrap.Aes256Gcm || data != 0)
        {
            return "unknown wrapping";
        }

        return Kind == KeySlotKind.Passphrase
            ? Derivation == KeySlotDerivation.Argon2Id ? null : "a passphrase without Argon2id"
            : Derivation == KeySlotDerivation.HkdfSha256 && (MemoryKib | Passes | Lanes) == 0
                ? null
                : "key material without HKDF-SHA-256";
    }

    private uint Number(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_slot[offset..]);
}
