using System.CommandLine;
using IntegrityFs.Device;
using IntegrityFs.Keys;

namespace IntegrityFs.Cli.Commands;

/// <summary>Lists, adds, changes and removes key slots. Data is not touched, because the slots all wrap the same master key.</summary>
internal static class KeyCommand
{
    private const string NewKeyOptions = "--new-key-file FILE, --new-passphrase or --new-passphrase-file FILE";

    public static Command Build() => new("key", "List, add, change and remove key slots") { BuildList(), BuildAdd(), BuildChange(), BuildRemove() };

    private static Command BuildList()
    {
        var keys = new KeyOptions();
        Argument<string> volume = SharedOptions.Volume();
        Option<bool> json = SharedOptions.Json();
        var command = new Command("list", "Show the key slots; authenticated where a key is given") { volume, json };
        keys.AddTo(command);
        command.SetAction(parsed =>
        {
            string list = List(parsed.GetRequiredValue(volume), keys.Get(parsed));
            Console.Out.Write(parsed.GetValue(json) ? list : JsonText.ForPeople(list));
            return 0;
        });
        return command;
    }

    private static Command BuildAdd()
    {
        var keys = new KeyOptions();
        var newKeys = new KeyOptions("new-");
        Argument<string> volume = SharedOptions.Volume();
        var label = new Option<string?>("--label") { Description = "Name of the slot", HelpName = "LABEL" };
        var command = new Command("add", "Add a key slot") { volume, label };
        keys.AddTo(command);
        newKeys.AddTo(command);
        command.SetAction(parsed =>
        {
            using UnlockedDevice device = UnlockedDevice.Open(parsed.GetRequiredValue(volume), keys.Get(parsed), readOnly: false, Note);
            using Credential credential = Credentials.ForNewSlot(newKeys.Get(parsed), NewKeyOptions);
            int slot = device.Slots.Add(credential, device.Key, parsed.GetValue(label) ?? "");
            device.Slots.Write(device.Device, device.Key);
            Console.Out.WriteLine($"slot {slot} added");
            return 0;
        });
        return command;
    }

    private static Command BuildChange()
    {
        var keys = new KeyOptions();
        var newKeys = new KeyOptions("new-");
        var slot = new Argument<int>("SLOT") { Description = "Number of the slot" };
        Argument<string> volume = SharedOptions.Volume();
        var command = new Command("change", "Replace the key or passphrase of a slot") { slot, volume };
        keys.AddTo(command);
        newKeys.AddTo(command);
        command.SetAction(parsed =>
        {
            using UnlockedDevice device = UnlockedDevice.Open(parsed.GetRequiredValue(volume), keys.Get(parsed), readOnly: false, Note);
            int number = parsed.GetValue(slot);
            if (!device.Slots.Slots.Any(s => s.Index == number))
            {
                throw EmptySlot(number);
            }

            using Credential credential = Credentials.ForNewSlot(newKeys.Get(parsed), NewKeyOptions);
            device.Slots.Change(number, credential, device.Key);
            device.Slots.Write(device.Device, device.Key);
            Console.Out.WriteLine($"slot {number} changed");
            return 0;
        });
        return command;
    }

    private static CommandFailure EmptySlot(int number) => new(Cause.Unsuitable, $"slot {number} is empty");

    private static Command BuildRemove()
    {
        var keys = new KeyOptions();
        var slot = new Argument<int>("SLOT") { Description = "Number of the slot" };
        Argument<string> volume = SharedOptions.Volume();
        var command = new Command("remove", "Remove a key slot, but not the last") { slot, volume };
        keys.AddTo(command);
        command.SetAction(parsed =>
        {
            using UnlockedDevice device = UnlockedDevice.Open(parsed.GetRequiredValue(volume), keys.Get(parsed), readOnly: false, Note);
            int number = parsed.GetValue(slot);
            if (number is < 0 or >= KeySlotTable.SlotCount || !device.Slots.Remove(number))
            {
                throw EmptySlot(number);
            }

            device.Slots.Write(device.Device, device.Key);
            Console.Out.WriteLine($"slot {number} removed");
            return 0;
        });
        return command;
    }

    /// <summary>Without a key what stands there, which is then not authenticated; also of a mounted volume.</summary>
    private static string List(string path, KeySource key)
    {
        using FileDevice device = FileDevice.Open(path, new FileDeviceOptions { ReadOnly = true, Unlocked = true, Direct = false });
        VolumeHeader header = VolumeHeader.Read(device) ?? throw VolumeHeader.NotAVolume(path);
        KeySlotTable slots = KeySlotTable.Read(device);
        if (key is not KeySource.Unspecified)
        {
            using Credential credential = Credentials.Open(key, header.Superblock.Uuid, path);
            slots.Unlock(credential).Dispose();
        }

        return Describe(slots);
    }

    internal static string Describe(KeySlotTable slots) => JsonText.Object(json =>
    {
        json.WriteString("uuid", slots.VolumeUuid);
        json.WriteBoolean("authenticated", slots.IsAuthentic);
        json.WriteStartArray("copies");
        foreach (KeySlotCopyState state in slots.CopyStates)
        {
            json.WriteStringValue(state.ToString().ToLowerInvariant());
        }

        json.WriteEndArray();
        json.WriteStartArray("slots");
        foreach (KeySlotDescription slot in slots.Slots)
        {
            json.WriteStartObject();
            json.WriteNumber("slot", slot.Index);
            json.WriteString("kind", slot.Kind.ToString());
            json.WriteString("derivation", slot.Derivation.ToString());
            if (slot.MemoryKib > 0)
            {
                json.WriteNumber("memoryKib", slot.MemoryKib);
                json.WriteNumber("passes", slot.Passes);
            }

            json.WriteString("label", slot.Label);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    private static void Note(string line) => Console.Error.WriteLine($"integrityfs key: {line}");
}
