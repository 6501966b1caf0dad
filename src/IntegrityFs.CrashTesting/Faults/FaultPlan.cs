// Promise: one planned misbehaviour, in words that can be read back, and the device that behaves so.
using System.Globalization;
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>What goes wrong in a run: one <see cref="Fault"/>, a stale read, or a buffer that is refused.</summary>
/// <param name="Fault">The fault of the device; for the two others only its number and whether it is sticky count.</param>
/// <param name="Stale">The read shows what stood there before the last write.</param>
/// <param name="Memory">No memory for the n-th further buffer of the block cache.</param>
internal readonly record struct FaultPlan(Fault Fault, bool Stale = false, bool Memory = false)
{
    public DeviceOperation Operation => Fault.Operation;

    /// <summary>The device (or memory) says that it failed.</summary>
    public bool Fails => !Stale && (Memory || Fault.Kind is FaultKind.Error or FaultKind.ShortWrite);

    /// <summary>The device does something else than it says.</summary>
    public bool Lies => !Fails && !(Stale || Fault is { Kind: FaultKind.BitRot, Operation: DeviceOperation.Read });

    /// <inheritdoc/>
    public override string ToString() =>
        Memory ? Numbered("Refused buffer ") : Stale ? Numbered("Stale on Read ") : Fault.ToString();

    private string Numbered(string what) =>
        string.Create(CultureInfo.InvariantCulture, $"{what}{Fault.Number}{(Fault.Sticky ? "+" : "")}");
}

/// <summary>A device under a plan.</summary>
internal sealed class PlannedFault
{
    private readonly FaultDevice _counter;
    private readonly StaleDevice? _stale;
    private readonly FaultPlan _plan;
    private int _buffers;
    private int _refused;

    public PlannedFault(FaultPlan plan, IDevice inner)
    {
        _plan = plan;
        _stale = plan.Stale ? new StaleDevice(inner, plan.Fault.Number, plan.Fault.Sticky) : null;
        bool ofDevice = !plan.Stale && !plan.Memory;
        _counter = new FaultDevice(_stale ?? inner, ofDevice ? plan.Fault : plan.Fault with { Number = int.MaxValue });
    }

    public IDevice Device => _counter;

    public bool Armed
    {
        get => _counter.Armed;
        set
        {
            _counter.Armed = value;
            if (_stale is not null)
            {
                _stale.Armed = value;
            }
        }
    }

    public int Happened => _counter.Happened + (_stale?.Happened ?? 0) + _refused;

    public int Count(DeviceOperation operation) => _counter.Count(operation);

    /// <summary>Further buffers that the block cache asked for.</summary>
    public int Buffers => _buffers;

    /// <summary>What the block cache asks before it takes more memory.</summary>
    public bool AllowBuffer()
    {
        if (!Armed)
        {
            return true;
        }

        int number = _buffers++;
        bool refuse = _plan.Memory && (number == _plan.Fault.Number || (_plan.Fault.Sticky && number > _plan.Fault.Number));
        _refused += refuse ? 1 : 0;
        return !refuse;
    }
}
