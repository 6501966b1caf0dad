using System.CommandLine;
using System.Runtime.InteropServices;
using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Keys;
using IntegrityFs.Volume;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Commands;

/// <summary>What a new volume is to be.</summary>
internal sealed record MkfsRequest(
    string Path, KeySource Key, long? Size, int BlockSize, long JournalSize, string Label, Guid Uuid, bool Force, bool Json);

/// <summary>Creates a volume. Refuses to overwrite anybody's data unless told to, before anything is written.</summary>
internal static class MkfsCommand
{
    public const long LeastSize = 1 << 20;

    public static Command Build()
    {
        var keys = new KeyOptions();
        Argument<string> volume = SharedOptions.Volume();
        var size = new Option<string?>("--size", "-s") { Description = "Create the image file with this size (1G)", HelpName = "SIZE" };
        var blockSize = new Option<string?>("--block-size", "-b") { Description = "Bytes in a block, 4096 (default) to 65536", HelpName = "BYTES" };
        var journalSize = new Option<string?>("--journal-size", "-J") { Description = "Size of the journal (64M)", HelpName = "SIZE" };
        var label = new Option<string?>("--label", "-L") { Description = "Name of the volume, up to 64 bytes", HelpName = "LABEL" };
        var uuid = new Option<string?>("--uuid", "-U") { Description = "Identity; random by default", HelpName = "UUID" };
        var force = new Option<bool>("--force", "-f", "-F") { Description = "Overwrite a volume or foreign file system" };
        Option<bool> json = SharedOptions.Json();
        var quiet = new Option<bool>("--quiet", "-q") { Description = "Print nothing" };
        var command = new Command("mkfs", "Create a volume") { volume, size, blockSize, journalSize, label, uuid, force, json, quiet };
        keys.AddTo(command);
        command.SetAction(parsed =>
        {
            MkfsRequest request = Parse(
                parsed.GetRequiredValue(volume), keys.Get(parsed), parsed.GetValue(size), parsed.GetValue(blockSize),
                parsed.GetValue(journalSize), parsed.GetValue(label), parsed.GetValue(uuid), parsed.GetValue(force), parsed.GetValue(json));
            string summary = Create(request);
            if (!parsed.GetValue(quiet))
            {
                Console.Out.Write(request.Json ? summary : JsonText.ForPeople(summary));
            }

            return 0;
        });
        return command;
    }

    /// <summary>Checks every value before anything is opened.</summary>
    internal static MkfsRequest Parse(
        string path, KeySource key, string? size, string? blockSize, string? journalSize, string? label, string? uuid, bool force, bool json)
    {
        long block = blockSize is null ? VolumeGeometry.MinBlockSize : SizeText.Parse("--block-size", blockSize);
        if (block < VolumeGeometry.MinBlockSize || block > VolumeGeometry.MaxBlockSize || !long.IsPow2(block))
        {
            throw new CommandFailure(Cause.Usage, $"--block-size: a power of two from {VolumeGeometry.MinBlockSize} to {VolumeGeometry.MaxBlockSize}");
        }

        if (!Superblock.IsValidLabel(label ?? ""))
        {
            throw new CommandFailure(Cause.Usage, $"--label: at most {SuperblockLayout.LabelSize} bytes, without control characters");
        }

        Guid identity = Guid.NewGuid();
        if (uuid is not null && (!Guid.TryParseExact(uuid, "D", out identity) || identity == Guid.Empty))
        {
            throw new CommandFailure(Cause.Usage, $"--uuid: '{uuid}' is not a UUID");
        }

        long? bytes = size is null ? null : SizeText.Parse("--size", size);
        if (bytes < LeastSize)
        {
            throw new CommandFailure(Cause.Unsuitable, $"--size: a volume has at least {SizeText.Describe(LeastSize)}");
        }

        long journal = journalSize is null ? 0 : SizeText.Parse("--journal-size", journalSize);
        if (journalSize is not null && journal / block is < VolumeGeometry.MinJournalBlocks or > VolumeGeometry.MaxJournalBlocks)
        {
            throw new CommandFailure(Cause.Unsuitable, $"--journal-size: {VolumeGeometry.MinJournalBlocks} to {VolumeGeometry.MaxJournalBlocks} blocks of {block} bytes");
        }

        return new MkfsRequest(path, key, bytes, (int)block, journal, label ?? "", identity, force, json);
    }

    internal static string Create(MkfsRequest request)
    {
        bool exists = File.Exists(request.Path);
        SignatureReport? signatures = exists ? CheckTarget(request) : null;
        if (!exists)
        {
            CheckNew(request);
        }

        // Asked for before the first change, so that a wrong key file leaves everything as it was.
        using Credential credential = Credentials.ForNewSlot(request.Key, "--key-file FILE, --passphrase or --passphrase-file FILE");
        if (!exists)
        {
            FileDevice.CreateImage(request.Path, request.Size!.Value);
        }

        try
        {
            return Format(request, credential, signatures);
        }
        catch when (!exists)
        {
            File.Delete(request.Path);
            throw;
        }
    }

    private static void CheckNew(MkfsRequest request)
    {
        if (Directory.Exists(request.Path))
        {
            throw new CommandFailure(Cause.Usage, $"{request.Path}: is a directory");
        }

        if (request.Size is null)
        {
            throw new CommandFailure(Cause.Usage, $"{request.Path}: no such file or device; give --size to create an image");
        }

        CheckGeometry(request, request.Size.Value);
    }

    /// <summary>Whether there is anything that -f would have to be given for. The lock is taken, so a mounted volume is
    /// noticed here.</summary>
    private static SignatureReport CheckTarget(MkfsRequest request)
    {
        using FileDevice device = FileDevice.Open(request.Path, new FileDeviceOptions());
        if (device.IsBlockDevice)
        {
            CheckUnused(request.Path);
        }

        if (!request.Force && VolumeHeader.HasMagic(device))
        {
            throw new CommandFailure(Cause.WouldOverwrite, $"{request.Path}: already holds an IntegrityFs volume; -f overwrites it");
        }

        SignatureReport signatures = DeviceSignatures.Probe(request.Path);
        if (!request.Force && signatures.Found.Count > 0)
        {
            throw new CommandFailure(Cause.WouldOverwrite, $"{request.Path}: holds {string.Join(", ", signatures.Found.Select(s => s.Type))}; -f overwrites it");
        }

        if (!request.Force && !signatures.Checked)
        {
            throw new CommandFailure(Cause.WouldOverwrite, $"{request.Path}: cannot tell whether it is in use ({signatures.Reason}); -f overwrites it");
        }

        if (request.Size is { } size && size != device.Length)
        {
            if (device.IsBlockDevice)
            {
                throw new CommandFailure(Cause.Usage, $"{request.Path}: --size is for image files");
            }

            // The file's own length: a device of less than a sector has none.
            if (!request.Force && new FileInfo(request.Path).Length is > 0 and var length)
            {
                throw new CommandFailure(Cause.WouldOverwrite, $"{request.Path}: exists with {length} bytes; -f makes it {size}");
            }
        }

        CheckGeometry(request, request.Size ?? device.Length);
        return signatures;
    }

    /// <summary>The kernel's own claim on a block device (a mount of another type, LVM, md), which a lock does not show.</summary>
    private static void CheckUnused(string path)
    {
        const int ReadOnlyExclusive = 0x80; // O_RDONLY | O_EXCL
        int descriptor = Native.Posix.Open(path, ReadOnlyExclusive | 0x80000 /* O_CLOEXEC */);
        if (descriptor < 0)
        {
            int error = Marshal.GetLastPInvokeError();
            const int Busy = 16;
            throw new CommandFailure(error == Busy ? Cause.InUse : Cause.System, $"{path}: {(error == Busy ? "in use by the system (mounted, or part of another device)" : Native.Posix.Describe(error))}");
        }

        new Microsoft.Win32.SafeHandles.SafeFileHandle(descriptor, ownsHandle: true).Dispose();
    }

    private static void CheckGeometry(MkfsRequest request, long length)
    {
        long journal = request.JournalSize == 0 ? VolumeGeometry.MinJournalBlocks : request.JournalSize / request.BlockSize;
        try
        {
            VolumeGeometry.Create(request.BlockSize, length, journal);
        }
        catch (CorruptFormatException e)
        {
            throw new CommandFailure(Cause.Unsuitable, $"{request.Path}: {e.Message}", e);
        }
    }

    private static string Format(MkfsRequest request, Credential credential, SignatureReport? signatures)
    {
        if (request.Size is { } size)
        {
            Resize(request.Path, size);
        }

        using FileDevice device = FileDevice.Open(request.Path, new FileDeviceOptions());
        using MasterKey key = MasterKey.Generate();
        KeySlotTable slots = KeySlotTable.Create(request.Uuid);
        slots.Add(credential, key);
        DeviceSignatures.Wipe(device, signatures);
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        VolumeFormatter.Format(device, key.Bytes, new VolumeFormatOptions
        {
            BlockSize = request.BlockSize,
            JournalBytes = request.JournalSize,
            Label = request.Label,
            Uuid = request.Uuid,
            Created = now,
        });
        slots.Write(device, key);
        using ProtectedVolume volume = ProtectedVolume.Open(device, key.Bytes, new VolumeOptions { CacheBytes = 4 << 20 });
        Span<byte> seed = stackalloc byte[sizeof(ulong)];
        System.Security.Cryptography.RandomNumberGenerator.Fill(seed);
        CatalogStore.Format(volume, Timestamp.Now(TimeProvider.System), BitConverter.ToUInt64(seed));
        SetRootOwner(volume, (uint)geteuid(), (uint)getegid());
        VolumeStatus status = volume.Status();
        volume.Close();
        return Summarise(request, device, status);
    }

    /// <summary>A user's volume is the user's: otherwise nobody but root could write to it.</summary>
    private static void SetRootOwner(ProtectedVolume volume, uint user, uint group)
    {
        if ((user | group) == 0)
        {
            return;
        }

        CatalogStore catalog = CatalogStore.Open(volume);
        if (catalog.BeginWrite(1, out CatalogOperation operation) != Errno.OK)
        {
            return;
        }

        using (operation)
        {
            if (catalog.TryGetInode(InodeNumber.Root, out InodeRecord root))
            {
                root.Uid = user;
                root.Gid = group;
                operation.PutInode(InodeNumber.Root, root);
                operation.Complete();
            }
        }
    }

    private static void Resize(string path, long size)
    {
        using FileStream stream = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        if (stream.Length != size)
        {
            stream.SetLength(size);
            stream.Flush(flushToDisk: true);
        }
    }

    private static string Summarise(MkfsRequest request, FileDevice device, VolumeStatus status) => JsonText.Object(json =>
    {
        json.WriteString("device", Path.GetFullPath(request.Path));
        json.WriteString("uuid", status.Uuid);
        json.WriteString("label", status.Label);
        json.WriteNumber("size", device.Length);
        json.WriteNumber("blockSize", status.BlockSize);
        json.WriteNumber("blocks", status.TotalBlocks);
        json.WriteNumber("freeBlocks", status.FreeBlocks);
        json.WriteNumber("journalSize", status.JournalBlocks * status.BlockSize);
        json.WriteString("tagAlgorithm", "HMAC-SHA-256, 192 bits");
        json.WriteString("freshness", "not anchored");
    });
}
