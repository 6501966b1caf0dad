using System.Buffers.Binary;
using System.Collections.Immutable;
using System.IO.Hashing;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting.Tests;

/// <summary>What is wrong with a toy store.</summary>
internal enum ToyDefect
{
    None,
    AcknowledgeBeforeFlush,
    NoChecksum,
    ChecksumOfHeaderOnly,
    OneSlot,
    OldestSlotWins,
    DataSyncDoesNothing,
    XattrsAreNotSaved,
    OrphansAreNotFreed,
    MountRewritesInPlace,
    RenameSavedInTwoSteps,
    InodeNumbersComeBack,
    ReadOnlyMountWrites,
}

/// <summary>A small store to test the engine with: the whole model, written alternately to two slots with a generation and a
/// checksum at each sync. Correct without a defect; each defect breaks one promise.</summary>
internal sealed class ToySubject(ToyDefect defect) : ICrashSubject
{
    public string Name => $"toy {defect}";

    public long DeviceLength => 1 << 19;

    public bool JournalsEverything => false;

    public void Format(IDevice device)
    {
        using var store = new ToyStore(device, new ManualClock(), defect, create: true, readOnly: false);
        store.Save();
        store.Save();
    }

    public IMountedSubject Mount(IDevice device, TimeProvider clock, bool readOnly) =>
        new ToyStore(device, clock, defect, create: false, readOnly);

    public DeviceRegion? RegionOf(long offset) => null;
}

internal sealed class ToyStore : IMountedSubject
{
    private const int Header = 512;
    private const ulong Magic = 0x70796f54;

    private readonly IDevice _device;
    private readonly ToyDefect _defect;
    private readonly bool _readOnly;
    private readonly ModelFileSystem _model;
    private ModelState? _saved;
    private ulong _generation;

    public ToyStore(IDevice device, TimeProvider clock, ToyDefect defect, bool create, bool readOnly)
    {
        _device = device;
        _defect = defect;
        _readOnly = readOnly;
        ModelState state = create ? ModelState.Empty(Timestamp.Now(clock)) : Load();
        if (defect != ToyDefect.OrphansAreNotFreed)
        {
            state = state.AfterCrash();
        }

        if (defect == ToyDefect.InodeNumbersComeBack)
        {
            state = state with { NextInode = state.Nodes.Keys.Max() + 1 };
        }

        _model = new ModelFileSystem(clock, state) { OnSync = Synchronise };
        Files = _model;
        if ((defect == ToyDefect.MountRewritesInPlace && !create && !readOnly) || (readOnly && defect == ToyDefect.ReadOnlyMountWrites))
        {
            // The newest slot is written again where it is, without its new checksum being safe.
            _generation--;
            device.Write(SlotOffset(_generation + 1), new byte[Header]);
            Save();
        }
    }

    public IFileSystem Files { get; }

    public long FreeBlocks => 1000 - _model.State.Nodes.Values.Sum(node => (node.Size + 4095) / 4096);

    private long SlotLength => _device.Length / 2;

    public string LastError => "";

    public void Check(ICollection<string> problems)
    {
    }

    public void Checkpoint() => Save();

    public void Close()
    {
        if (!_readOnly)
        {
            Save();
        }
    }

    public void Dispose()
    {
    }

    public void Save()
    {
        if (_defect == ToyDefect.RenameSavedInTwoSteps && _saved is { } before)
        {
            Write(before with { Nodes = before.Nodes.SetItem(1, _model.State.Nodes[1]) });
            _device.Flush();
        }

        Write(_model.State);
        _saved = _model.State;
        if (_defect != ToyDefect.AcknowledgeBeforeFlush)
        {
            _device.Flush();
        }
    }

    private Errno Synchronise(bool dataOnly)
    {
        if (dataOnly && _defect == ToyDefect.DataSyncDoesNothing)
        {
            return Errno.OK;
        }

        try
        {
            Save();
            return Errno.OK;
        }
        catch (DeviceException)
        {
            return Errno.EIO;
        }
    }

    private void Write(ModelState state)
    {
        byte[] payload = Serialise(state);
        byte[] slot = new byte[Header + ((payload.Length + 511) / 512 * 512)];
        payload.CopyTo(slot.AsSpan(Header));
        _generation++;
        BinaryPrimitives.WriteUInt64LittleEndian(slot, Magic);
        BinaryPrimitives.WriteUInt64LittleEndian(slot.AsSpan(8), _generation);
        BinaryPrimitives.WriteInt32LittleEndian(slot.AsSpan(16), payload.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(slot.AsSpan(24), Checksum(slot, payload.Length));
        _device.Write(SlotOffset(_generation), slot);
    }

    private ulong Checksum(byte[] slot, int length) => _defect switch
    {
        ToyDefect.NoChecksum => 1,
        ToyDefect.ChecksumOfHeaderOnly => XxHash3.HashToUInt64(slot.AsSpan(0, 24)),
        _ => XxHash3.HashToUInt64(slot.AsSpan(0, 24)) ^ XxHash3.HashToUInt64(slot.AsSpan(Header, length)),
    };

    private long SlotOffset(ulong generation) => _defect == ToyDefect.OneSlot || generation % 2 == 0 ? 0 : SlotLength;

    private ModelState Load()
    {
        ModelState? best = null;
        ulong bestGeneration = _defect == ToyDefect.OldestSlotWins ? ulong.MaxValue : 0;
        byte[] slot = new byte[SlotLength];
        for (int i = 0; i < 2; i++)
        {
            _device.Read(i * SlotLength, slot);
            ulong generation = BinaryPrimitives.ReadUInt64LittleEndian(slot.AsSpan(8));
            int length = BinaryPrimitives.ReadInt32LittleEndian(slot.AsSpan(16));
            bool valid = BinaryPrimitives.ReadUInt64LittleEndian(slot) == Magic && length > 0 && length <= SlotLength - Header
                && BinaryPrimitives.ReadUInt64LittleEndian(slot.AsSpan(24)) == Checksum(slot, length);
            bool better = _defect == ToyDefect.OldestSlotWins ? generation < bestGeneration : generation > bestGeneration;
            if (valid && better)
            {
                bestGeneration = generation;
                best = Deserialise(slot.AsSpan(Header, length).ToArray());
            }
        }

        _generation = bestGeneration;
        return best ?? throw new CorruptFormatException("no valid slot");
    }

    private byte[] Serialise(ModelState state)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(state.NextInode);
        writer.Write(state.Nodes.Count);
        foreach (ModelNode node in state.Nodes.Values.OrderBy(node => node.Inode))
        {
            writer.Write(node.Inode);
            foreach (uint value in new[] { node.Mode, node.Links, node.Uid, node.Gid, node.Rdev })
            {
                writer.Write(value);
            }

            writer.Write(node.Size);
            writer.Write(node.Parent);
            foreach (Timestamp time in new[] { node.Atime, node.Mtime, node.Ctime, node.Btime })
            {
                writer.Write(time.Seconds);
                writer.Write(time.Nanoseconds);
            }

            WriteBytes(writer, node.Target);
            byte[] content = new byte[node.IsRegular ? node.Size : 0];
            node.Content.Read(0, content);
            WriteBytes(writer, content);
            writer.Write(node.Entries.Count);
            foreach ((string name, ulong inode) in node.Entries)
            {
                writer.Write(name);
                writer.Write(inode);
            }

            writer.Write(_defect == ToyDefect.XattrsAreNotSaved ? 0 : node.Xattrs.Count);
            foreach ((string name, byte[] value) in _defect == ToyDefect.XattrsAreNotSaved ? [] : node.Xattrs.ToArray())
            {
                writer.Write(name);
                WriteBytes(writer, value);
            }
        }

        writer.Flush();
        return stream.ToArray();
    }

    private static void WriteBytes(BinaryWriter writer, byte[] bytes)
    {
        writer.Write(bytes.Length);
        writer.Write(bytes);
    }

    private static ModelState Deserialise(byte[] payload)
    {
        using var reader = new BinaryReader(new MemoryStream(payload));
        ulong next = reader.ReadUInt64();
        int count = reader.ReadInt32();
        ImmutableDictionary<ulong, ModelNode>.Builder nodes = ImmutableDictionary.CreateBuilder<ulong, ModelNode>();
        for (int i = 0; i < count; i++)
        {
            var node = new ModelNode
            {
                Inode = reader.ReadUInt64(),
                Mode = reader.ReadUInt32(),
                Links = reader.ReadUInt32(),
                Uid = reader.ReadUInt32(),
                Gid = reader.ReadUInt32(),
                Rdev = reader.ReadUInt32(),
                Size = reader.ReadInt64(),
                Parent = reader.ReadUInt64(),
                Atime = ReadTime(reader),
                Mtime = ReadTime(reader),
                Ctime = ReadTime(reader),
                Btime = ReadTime(reader),
                Target = reader.ReadBytes(reader.ReadInt32()),
                Content = ModelContent.Empty.Write(0, reader.ReadBytes(reader.ReadInt32())),
            };
            int entries = reader.ReadInt32();
            for (int e = 0; e < entries; e++)
            {
                node = node with { Entries = node.Entries.Add(reader.ReadString(), reader.ReadUInt64()) };
            }

            int xattrs = reader.ReadInt32();
            for (int x = 0; x < xattrs; x++)
            {
                node = node with { Xattrs = node.Xattrs.Add(reader.ReadString(), reader.ReadBytes(reader.ReadInt32())) };
            }

            nodes.Add(node.Inode, node);
        }

        return new ModelState(nodes.ToImmutable(), next);
    }

    private static Timestamp ReadTime(BinaryReader reader) => new(reader.ReadInt64(), reader.ReadUInt32());
}
