using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Keys;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli;

/// <summary>A device whose key slots have been opened: held, locked against other users, and nothing of it read but the
/// header.</summary>
internal sealed class UnlockedDevice : IDisposable
{
    private UnlockedDevice(FileDevice device, VolumeHeader header, KeySlotTable slots, MasterKey key)
    {
        Device = device;
        Header = header;
        Slots = slots;
        Key = key;
    }

    public FileDevice Device { get; }

    public VolumeHeader Header { get; }

    public KeySlotTable Slots { get; }

    public MasterKey Key { get; }

    /// <summary>Opens, locks and unlocks. Where one copy of the key slots is damaged and the device writable, the good
    /// one replaces it, and <paramref name="note"/> receives a line about it.</summary>
    public static UnlockedDevice Open(string path, KeySource key, bool readOnly, Action<string>? note = null, bool busyPoll = false)
    {
        FileDevice device = FileDevice.Open(path, new FileDeviceOptions { ReadOnly = readOnly, BusyPoll = busyPoll });
        try
        {
            VolumeHeader header = ReadHeader(device);
            KeySlotTable slots = KeySlotTable.Read(device);
            MasterKey master;
            using (Credential credential = Credentials.Open(key, header.Superblock.Uuid, path))
            {
                master = Unlock(slots, credential, path);
            }

            if (slots.NeedsRepair && !readOnly)
            {
                slots.Write(device, master);
                note?.Invoke($"{path}: one copy of the key slots was damaged or old and has been replaced");
            }

            return new UnlockedDevice(device, header, slots, master);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    private static MasterKey Unlock(KeySlotTable slots, Credential credential, string path)
    {
        try
        {
            return slots.Unlock(credential);
        }
        catch (WrongKeyException e)
        {
            throw new CommandFailure(Cause.WrongKey, $"{path}: wrong key or passphrase: {e.Message}", e);
        }
    }

    public void Dispose()
    {
        Key.Dispose();
        Device.Dispose();
    }

    /// <summary>A device without a superblock but with key slots of ours is a damaged volume, not a foreign one.</summary>
    private static VolumeHeader ReadHeader(FileDevice device)
    {
        if (VolumeHeader.Read(device) is { } header)
        {
            return header;
        }

        try
        {
            _ = KeySlotTable.Read(device);
        }
        catch (Exception e) when (e is IntegrityException or DeviceException)
        {
            throw VolumeHeader.NotAVolume(device.Name);
        }

        throw new CommandFailure(Cause.Integrity, $"{device.Name}: both superblocks are damaged");
    }
}

/// <summary>An unlocked device with the volume on it, replayed and ready.</summary>
internal sealed class OpenVolume : IDisposable
{
    private OpenVolume(UnlockedDevice unlocked, ProtectedVolume volume)
    {
        Unlocked = unlocked;
        Volume = volume;
    }

    public UnlockedDevice Unlocked { get; }

    public ProtectedVolume Volume { get; }

    /// <param name="unlocked">The device; this object takes it.</param>
    /// <param name="options">How to open.</param>
    /// <param name="below">What a crash test puts between volume and device.</param>
    public static OpenVolume Open(UnlockedDevice unlocked, VolumeOptions options, Func<IDevice, IDevice>? below = null)
    {
        try
        {
            IDevice device = below?.Invoke(unlocked.Device) ?? unlocked.Device;
            return new OpenVolume(unlocked, ProtectedVolume.Open(device, unlocked.Key.Bytes, options));
        }
        catch
        {
            unlocked.Dispose();
            throw;
        }
    }

    /// <summary>Without <see cref="ProtectedVolume.Close"/> before it, like a crash.</summary>
    public void Dispose()
    {
        Volume.Dispose();
        Unlocked.Dispose();
    }
}
