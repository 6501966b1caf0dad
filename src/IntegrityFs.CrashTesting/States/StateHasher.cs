// Promise: two states of one trace have the same hash if and only if (up to 64-bit collisions) they are the same image.
// The image's hash is the sum over all sectors of H(sector number, content), so a state costs only its changed sectors.
using System.IO.Hashing;

namespace IntegrityFs.CrashTesting;

/// <summary>Hashes the crash states of one point against the image that holds everything durable.</summary>
internal sealed class StateHasher
{
    private readonly CrashPoint _point;
    private readonly int[][] _slots;
    private readonly ulong[][] _hashes;
    private readonly ulong[] _base;
    private readonly ulong[] _final;
    private readonly int[] _slotOfSector;

    public StateHasher(CrashPoint point, PageImage durable)
    {
        _point = point;
        _slots = new int[point.Pending.Count][];
        _hashes = new ulong[point.Pending.Count][];
        var slots = new Dictionary<long, int>();
        var bases = new List<ulong>();
        byte[] sector = new byte[CrashState.SectorSize];
        for (int i = 0; i < point.Pending.Count; i++)
        {
            WriteUnit unit = point.Pending[i];
            _slots[i] = new int[unit.Sectors];
            _hashes[i] = new ulong[unit.Sectors];
            for (int s = 0; s < unit.Sectors; s++)
            {
                long offset = unit.Offset + (s * CrashState.SectorSize);
                if (!slots.TryGetValue(offset, out int slot))
                {
                    slot = slots.Count;
                    slots.Add(offset, slot);
                    durable.Read(offset, sector);
                    bases.Add(HashSector(offset, sector));
                }

                _slots[i][s] = slot;
                _hashes[i][s] = HashSector(offset, unit.Data.Span.Slice(s * CrashState.SectorSize, CrashState.SectorSize));
            }
        }

        _base = [.. bases];
        _final = new ulong[_base.Length];
        _slotOfSector = new int[durable.Length / CrashState.SectorSize];
        Array.Fill(_slotOfSector, -1);
        foreach ((long offset, int slot) in slots)
        {
            _slotOfSector[offset / CrashState.SectorSize] = slot;
        }
    }

    /// <summary>How many sectors may differ at this point.</summary>
    public int SlotCount => _base.Length;

    /// <summary>The number of such a sector, −1 for one that cannot differ.</summary>
    public int SlotAt(long offset) => _slotOfSector[offset / CrashState.SectorSize];

    /// <summary>Identity of the content of a sector in the state whose <see cref="Delta"/> was computed last.</summary>
    public ulong ContentOf(int slot) => _final[slot];

    /// <summary>What the state adds to the hash of the durable image.</summary>
    public ulong Delta(CrashState state)
    {
        _base.CopyTo(_final, 0);
        for (int i = 0; i < _point.Pending.Count; i++)
        {
            for (int s = 0; s < _slots[i].Length; s++)
            {
                if (((state.Masks[i] >> s) & 1) != 0)
                {
                    _final[_slots[i][s]] = _hashes[i][s];
                }
                else if (state.Garbage is { } garbage && ((garbage[i] >> s) & 1) != 0)
                {
                    _final[_slots[i][s]] = ~_hashes[i][s];
                }
            }
        }

        ulong delta = 0;
        for (int i = 0; i < _base.Length; i++)
        {
            delta += _final[i] - _base[i];
        }

        return delta;
    }

    /// <summary>Makes units durable: writes them and returns what that adds to the image's hash.</summary>
    public static ulong MakeDurable(IReadOnlyList<WriteUnit> units, PageImage image)
    {
        ulong delta = 0;
        byte[] old = new byte[CrashState.SectorSize];
        foreach (WriteUnit unit in units)
        {
            for (int s = 0; s < unit.Sectors; s++)
            {
                long offset = unit.Offset + (s * CrashState.SectorSize);
                image.Read(offset, old);
                delta += HashSector(offset, unit.Data.Span.Slice(s * CrashState.SectorSize, CrashState.SectorSize))
                    - HashSector(offset, old);
            }

            image.Write(unit.Offset, unit.Data.Span);
        }

        return delta;
    }

    private static ulong HashSector(long offset, ReadOnlySpan<byte> content) =>
        SeededRandom.Mix(XxHash3.HashToUInt64(content, offset));
}
