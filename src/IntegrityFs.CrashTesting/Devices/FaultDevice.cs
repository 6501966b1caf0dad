// Promise: fails, loses, tears or spoils exactly the calls that the plan names, counted from arming, and nothing else.
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>What a device does wrong.</summary>
public enum FaultKind
{
    /// <summary>EIO, nothing transferred.</summary>
    Error,

    /// <summary>EIO after the first half of the sectors was written.</summary>
    ShortWrite,

    /// <summary>Reported as done, not done (writes and flushes).</summary>
    Lost,

    /// <summary>Written one block further on.</summary>
    Misdirected,

    /// <summary>Written where it belongs and one block further on too.</summary>
    Duplicated,

    /// <summary>One bit of what is read or written is wrong.</summary>
    BitRot,
}

/// <summary>One planned fault.</summary>
/// <param name="Kind">What goes wrong.</param>
/// <param name="Operation">On which call: Read, Write or Flush.</param>
/// <param name="Number">On the how-manieth of those calls after arming; the first is 0.</param>
/// <param name="Sticky">On every later one, too.</param>
public readonly record struct Fault(FaultKind Kind, DeviceOperation Operation, int Number, bool Sticky)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Kind} on {Operation} {Number}{(Sticky ? "+" : "")}";
}

/// <summary>A device that misbehaves by plan.</summary>
public sealed class FaultDevice(IDevice inner, Fault fault) : IDevice
{
    private readonly Lock _gate = new();
    private readonly int[] _count = new int[4];

    /// <summary>False (at first): calls pass unharmed and are not counted.</summary>
    public bool Armed { get; set; }

    /// <summary>How many faults happened.</summary>
    public int Happened { get; private set; }

    /// <inheritdoc/>
    public long Length => inner.Length;

    /// <inheritdoc/>
    public int SectorSize => inner.SectorSize;

    /// <inheritdoc/>
    public bool IsReadOnly => inner.IsReadOnly;

    /// <inheritdoc/>
    public string Name => inner.Name;

    /// <summary>How many calls of a kind came since arming.</summary>
    public int Count(DeviceOperation operation) => _count[(int)operation];

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> buffer)
    {
        bool strikes = Strikes(DeviceOperation.Read);
        if (strikes && fault.Kind != FaultKind.BitRot)
        {
            throw Failure(DeviceOperation.Read, offset);
        }

        inner.Read(offset, buffer);
        if (strikes)
        {
            buffer[buffer.Length / 3] ^= 0x10;
        }
    }

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        if (!Strikes(DeviceOperation.Write))
        {
            inner.Write(offset, data);
            return;
        }

        long next = offset + PageImage.PageSize;
        switch (fault.Kind)
        {
            case FaultKind.Error:
                throw Failure(DeviceOperation.Write, offset);
            case FaultKind.ShortWrite:
                inner.Write(offset, data[..(data.Length / SectorSize / 2 * SectorSize)]);
                throw Failure(DeviceOperation.Write, offset);
            case FaultKind.Lost:
                return;
            case FaultKind.Misdirected:
                inner.Write(next + data.Length <= Length ? next : offset, data);
                return;
            case FaultKind.Duplicated:
                inner.Write(offset, data);
                inner.Write(next + data.Length <= Length ? next : offset, data);
                return;
            default:
                byte[] rotten = data.ToArray();
                rotten[rotten.Length / 3] ^= 0x10;
                inner.Write(offset, rotten);
                return;
        }
    }

    /// <inheritdoc/>
    public unsafe void WriteGather(long offset, ReadOnlySpan<IoSegment> segments)
    {
        // One call for the plan, however many segments it has.
        int length = 0;
        foreach (IoSegment segment in segments)
        {
            length = checked(length + segment.Length);
        }

        byte[] data = new byte[length];
        Span<byte> rest = data;
        foreach (IoSegment segment in segments)
        {
            new ReadOnlySpan<byte>((void*)segment.Address, segment.Length).CopyTo(rest);
            rest = rest[segment.Length..];
        }

        Write(offset, data);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        if (!Strikes(DeviceOperation.Flush))
        {
            inner.Flush();
        }
        else if (fault.Kind != FaultKind.Lost)
        {
            throw Failure(DeviceOperation.Flush, -1);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => inner.Dispose();

    private bool Strikes(DeviceOperation operation)
    {
        lock (_gate)
        {
            if (!Armed)
            {
                return false;
            }

            int number = _count[(int)operation]++;
            bool strikes = operation == fault.Operation
                && (number == fault.Number || (fault.Sticky && number > fault.Number));
            Happened += strikes ? 1 : 0;
            return strikes;
        }
    }

    private static DeviceException Failure(DeviceOperation operation, long offset) =>
        new(Errno.EIO, operation, offset, $"planned {operation} failure");
}
