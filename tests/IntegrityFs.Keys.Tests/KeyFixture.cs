using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.Keys.Tests;

/// <summary>Deterministic volumes with key slots, and cheap credentials.</summary>
internal static class KeyFixture
{
    internal const int CopyA = (int)KeySlotsLayout.DeviceByteOfCopyA;
    internal const int CopyB = (int)KeySlotsLayout.DeviceByteOfCopyB;

    internal static readonly Guid Uuid = new("0b1e2d3c-4a59-4687-b5a4-c3d2e1f00918");

    internal static RandomFill Random(int seed)
    {
        var random = new Random(seed);
        return random.NextBytes;
    }

    internal static KeyFileCredential Material(int seed)
    {
        byte[] bytes = new byte[64];
        new Random(seed).NextBytes(bytes);
        return KeyFileCredential.FromBytes(bytes);
    }

    internal static PassphraseCredential Passphrase(string text) => new(System.Text.Encoding.UTF8.GetBytes(text));

    internal static MasterKey Key(int seed = 1) => MasterKey.Generate(Random(seed));

    /// <summary>A device whose table has slots 0 .. n−1 for the materials given.</summary>
    internal static MemoryDevice MakeDevice(MasterKey key, params int[] materials) => MakeDevice(Uuid, key, materials);

    internal static MemoryDevice MakeDevice(Guid uuid, MasterKey key, params int[] materials)
    {
        var device = new MemoryDevice(1 << 18);
        KeySlotTable table = KeySlotTable.Create(uuid);
        foreach (int material in materials)
        {
            using KeyFileCredential credential = Material(material);
            table.Add(credential, key, $"material {material}", random: Random(material));
        }

        table.Write(device, key);
        return device;
    }

    /// <summary>The key that the device gives for a material, or null where it is refused as damaged or wrong.</summary>
    internal static byte[]? TryOpen(IDevice device, int material)
    {
        using KeyFileCredential credential = Material(material);
        try
        {
            using MasterKey key = KeySlotTable.Read(device).Unlock(credential);
            return key.Bytes.ToArray();
        }
        catch (WrongKeyException)
        {
            return null;
        }
        catch (IntegrityException failure) when (failure.Zone == Zone.KeySlots)
        {
            return null;
        }
    }
}
