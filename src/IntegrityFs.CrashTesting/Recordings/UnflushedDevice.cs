// Promise: knows at every moment what a power failure could take, and takes it on command: every write since the last
// flush that covers it, whole or torn at sectors, in any combination. After the command nothing reaches the device.
using System.Runtime.InteropServices;
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>A device whose un-flushed writes can be taken back.</summary>
public sealed class UnflushedDevice(IDevice inner) : IDevice
{
    private const int Sector = 512;

    private readonly Lock _gate = new();
    private readonly List<(long Number, long Offset, byte[] Old, byte[] New)> _pending = [];
    private long _writes;
    private bool _failed;

    /// <inheritdoc/>
    public long Length => inner.Length;

    /// <inheritdoc/>
    public int SectorSize => inner.SectorSize;

    /// <inheritdoc/>
    public bool IsReadOnly => inner.IsReadOnly;

    /// <inheritdoc/>
    public string Name => inner.Name;

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            CheckPower();
            byte[] old = new byte[data.Length];
            inner.Read(offset, old);
            inner.Write(offset, data);
            _pending.Add((_writes++, offset, old, data.ToArray()));
        }
    }

    /// <inheritdoc/>
    public void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        foreach (IoSegment segment in segments)
        {
            byte[] data = new byte[segment.Length];
            Marshal.Copy(segment.Address, data, 0, data.Length);
            Write(offset, data);
            offset += data.Length;
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        long covered;
        lock (_gate)
        {
            CheckPower();
            covered = _writes;
        }

        inner.Flush();
        lock (_gate)
        {
            CheckPower();
            _pending.RemoveAll(write => write.Number < covered);
        }
    }

    /// <summary>Power fails now: nothing is written any more.</summary>
    /// <returns>What is to be written to the device to make it as the crash left it, in order, and how many writes were
    /// lost or torn.</returns>
    public (IReadOnlyList<(long Offset, byte[] Data)> Repairs, int Lost) Fail(CrashPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        lock (_gate)
        {
            _failed = true;
            var repairs = new List<(long Offset, byte[] Data)>();
            for (int i = _pending.Count - 1; i >= 0; i--)
            {
                repairs.Add((_pending[i].Offset, _pending[i].Old));
            }

            var random = new SeededRandom(plan.Seed);
            int keep = 1 + (int)random.Below(15);
            int lost = 0;
            for (int i = 0; i < _pending.Count; i++)
            {
                bool stays = plan.Loss == CrashLoss.None || (plan.Loss == CrashLoss.Random && (int)random.Below(16) < keep);
                bool torn = stays && plan.Torn && (i == _pending.Count - 1 || (plan.Loss == CrashLoss.Random && random.Below(4) == 0));
                lost += stays && !torn ? 0 : 1;
                if (stays)
                {
                    int sectors = _pending[i].New.Length / Sector;
                    int length = torn ? (int)random.Below((ulong)sectors) * Sector : _pending[i].New.Length;
                    repairs.Add((_pending[i].Offset, _pending[i].New[..length]));
                }
            }

            return (repairs, lost);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => inner.Dispose();

    private void CheckPower()
    {
        if (_failed)
        {
            throw new DeviceException(Errno.EIO, DeviceOperation.Write, -1, "power has failed, on command");
        }
    }
}
