using IntegrityFs.Device;
using IntegrityFs.Format;
using static IntegrityFs.Keys.Tests.KeyFixture;

namespace IntegrityFs.Keys.Tests;

/// <summary>Crashes and failures while the table is written.</summary>
public sealed class KeySlotWriteTests
{
    /// <summary>A device that stops taking writes after some sectors: a crash, torn at a sector.</summary>
    private sealed class DyingDevice(MemoryDevice device, long sectorsLeft) : IDevice
    {
        private long _sectorsLeft = sectorsLeft;

        public long Length => device.Length;

        public int SectorSize => device.SectorSize;

        public bool IsReadOnly => false;

        public string Name => "dying";

        public void Read(long offset, Span<byte> buffer) => device.Read(offset, buffer);

        public void Write(long offset, ReadOnlySpan<byte> data)
        {
            int length = (int)Math.Min(data.Length, _sectorsLeft * SectorSize);
            device.Write(offset, data[..length]);
            _sectorsLeft -= length / SectorSize;
            if (length < data.Length)
            {
                throw new DeviceException(Errno.EIO, DeviceOperation.Write, offset, "dying: no more");
            }
        }

        public void WriteGather(long offset, ReadOnlySpan<IoSegment> segments) =>
            throw new InvalidOperationException("the key slots do not gather");

        public void Flush() => device.Flush();

        public void Dispose() => device.Dispose();
    }

    [Fact]
    public void A_crash_at_any_sector_leaves_a_table_that_opens_with_the_old_or_the_new_credential()
    {
        using MasterKey key = Key();
        MemoryDevice before = MakeDevice(key, 1);
        using KeyFileCredential old = Material(1);
        using KeyFileCredential young = Material(2);
        const int sectors = 2 * KeySlotsLayout.Size / 512;
        for (int left = 0; left <= sectors; left++)
        {
            MemoryDevice device = before.Clone();
            KeySlotTable table = KeySlotTable.Read(device);
            table.Unlock(old).Dispose();
            table.Change(0, young, key, random: Random(left));
            var dying = new DyingDevice(device, left);
            if (left < sectors)
            {
                Assert.Throws<DeviceException>(() => table.Write(dying, key));
            }
            else
            {
                table.Write(dying, key);
            }

            // Exactly one of the two opens: a credential that was replaced is not accepted beside its successor.
            byte[]? byOld = TryOpen(device, 1);
            byte[]? byYoung = TryOpen(device, 2);
            Assert.True(byOld is null != byYoung is null, $"with {left} sectors written");
            Assert.True((byOld ?? byYoung).AsSpan().SequenceEqual(key.Bytes));
        }
    }

    [Fact]
    public void The_copy_that_a_crash_left_behind_is_reported_as_outdated_and_brought_up_to_date()
    {
        using MasterKey key = Key();
        MemoryDevice device = MakeDevice(key, 1);
        using KeyFileCredential credential = Material(1);
        KeySlotTable table = KeySlotTable.Read(device);
        table.Unlock(credential).Dispose();
        Assert.False(table.NeedsRepair);
        Assert.Throws<DeviceException>(() => table.Write(new DyingDevice(device, KeySlotsLayout.Size / 512), key));

        KeySlotTable after = KeySlotTable.Read(device);
        after.Unlock(credential).Dispose();
        Assert.Single(after.CopyStates, KeySlotCopyState.Good);
        Assert.Single(after.CopyStates, KeySlotCopyState.Outdated);
        after.Write(device, key);
        KeySlotTable healed = KeySlotTable.Read(device);
        healed.Unlock(credential).Dispose();
        Assert.False(healed.NeedsRepair);
        Assert.Equal(after.Generation, healed.Generation);
    }

    [Fact]
    public void A_write_that_failed_can_be_repeated()
    {
        using MasterKey key = Key();
        MemoryDevice device = MakeDevice(key, 1);
        using KeyFileCredential credential = Material(1);
        KeySlotTable table = KeySlotTable.Read(device);
        table.Unlock(credential).Dispose();
        for (int left = 0; left < 240; left += 40)
        {
            Assert.Throws<DeviceException>(() => table.Write(new DyingDevice(device, left), key));
            Assert.NotNull(TryOpen(device, 1));
        }

        table.Write(device, key);
        Assert.False(table.NeedsRepair);
        Assert.NotNull(TryOpen(device, 1));
    }

    [Fact]
    public void Each_copy_is_flushed_before_the_other_is_touched()
    {
        using MasterKey key = Key();
        MemoryDevice device = MakeDevice(key, 1);
        Assert.Equal(3, device.FlushCount);
    }
}
