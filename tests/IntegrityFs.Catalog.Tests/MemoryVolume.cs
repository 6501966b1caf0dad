// A volume in memory for tests of the catalog floor: does what the door promises and checks what the door demands.
// Every broken rule throws VolumeRuleException and is remembered: Dispose throws it again where the code under test
// swallowed it. Leases that outlive their scope, or the volume, are broken rules. After Modify, an older lease on the
// same block shows poison. Nothing is allocated on the managed heap once a volume is warm.
using System.Runtime.InteropServices;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Tests;

internal sealed unsafe partial class MemoryVolume : IVolume, ILeaseOwner, IDisposable
{
    private const byte Poison = 0xDE;

    private readonly MemoryVolumeOptions _options;
    private readonly SharedGate _gate = new();
    private readonly Lock _sync = new();
    private readonly Operation _operation;
    private readonly nint _raw;
    private readonly nint _frames;
    private readonly Stack<int> _freeFrames;
    private readonly int[] _frameLeases;
    private readonly bool[] _frameAbandoned;
    private readonly int[] _frameOf;
    private readonly BlockPurpose[] _purpose;
    private readonly bool[] _allocated;
    private readonly bool[] _unreadable;
    private readonly byte[] _root;
    private readonly Queue<Token> _tokens = new();
    private readonly Random? _fragmenter;
    private long _free;
    private int _leases;
    private string? _violation;
    private bool _disposed;

    public bool IsAllocated(BlockNumber block) => _allocated[block.Value];

    public bool IsReserved(BlockNumber block) => block.Value == 0;

    public MemoryVolume(MemoryVolumeOptions? options = null)
    {
        _options = options ?? new MemoryVolumeOptions();
        int total = _options.TotalBlocks;
        int frames = total + (3 * _options.MaxOperationBlocks) + 64;
        _raw = (nint)NativeMemory.AllocZeroed((nuint)(((long)frames * _options.BlockSize) + 4096));
        _frames = (_raw + 4095) & ~4095;
        _frameLeases = new int[frames];
        _frameAbandoned = new bool[frames];
        _freeFrames = new Stack<int>(frames);
        for (int f = frames - 1; f >= total; f--)
        {
            _freeFrames.Push(f);
        }

        _frameOf = new int[total];
        for (int b = 0; b < total; b++)
        {
            _frameOf[b] = b;
        }

        _purpose = new BlockPurpose[total];
        _allocated = new bool[total];
        _unreadable = new bool[total];
        _allocated[0] = true;
        _purpose[0] = BlockPurpose.State;
        _free = total - 1;
        _root = new byte[_options.RootSize];
        _fragmenter = _options.FragmentSeed == 0 ? null : new Random(_options.FragmentSeed);
        for (int i = 0; i < 64; i++)
        {
            _tokens.Enqueue(new Token());
        }

        _operation = new Operation(this);
    }

    public MemoryVolumeCounters Counters;

    public int BlockSize => _options.BlockSize;

    public long TotalBlocks => _options.TotalBlocks;

    public long FreeBlocks => Interlocked.Read(ref _free);

    public bool IsReadOnly { get; set; }

    public Guid Uuid { get; init; } = new("6b1f2a52-55a4-4c1e-9d1b-6f6f3f2f0c11");

    public int MaxOperationBlocks => _options.MaxOperationBlocks;

    public int RootSize => _options.RootSize;

    /// <summary>Called after each operation has left the scope's content final: true for completed, false for undone.
    /// For trees that live outside the blocks.</summary>
    public event Action<bool>? OperationEnded;

    /// <summary>Operations that may still begin before Begin throws <see cref="SimulatedCrashException"/>.</summary>
    public long BeginsUntilCrash { get; set; } = long.MaxValue;

    /// <summary>Asked by each Begin that would succeed (blocks, allocations): a result other than OK is returned instead.</summary>
    public Func<int, int, Errno>? RefuseBegin { get; set; }

    /// <summary>Blocks leased now.</summary>
    public int LeasesHeld => _leases;

    // ---- what tests do to the medium ----

    public bool IsAllocated(long block) => _allocated[block];

    public BlockPurpose PurposeOf(long block) => _purpose[block];

    /// <summary>The block fails its verification until it is written whole.</summary>
    public void MarkUnreadable(long block) => _unreadable[block] = true;

    public bool IsUnreadable(long block) => _unreadable[block];

    /// <summary>The content of a block, to look at or to change behind everybody's back: stays "authentic".</summary>
    public Span<byte> Content(long block) => new((void*)Address(_frameOf[block]), BlockSize);

    /// <summary>The root area, likewise.</summary>
    public Span<byte> RootContent => _root;

    /// <summary>Takes free blocks away so that only <paramref name="free"/> are left; returns those taken.</summary>
    public List<BlockNumber> FillUpTo(long free)
    {
        var taken = new List<BlockNumber>();
        for (long b = TotalBlocks - 1; b > 0 && _free > free; b--)
        {
            if (!_allocated[b])
            {
                _allocated[b] = true;
                _purpose[b] = BlockPurpose.None;
                _free--;
                taken.Add(new BlockNumber(b));
            }
        }

        return taken;
    }

    /// <summary>Gives back what <see cref="FillUpTo"/> took.</summary>
    public void GiveBack(List<BlockNumber> taken)
    {
        foreach (BlockNumber block in taken)
        {
            _allocated[block.Value] = false;
            _free++;
        }
    }

    /// <summary>A volume with the same content, as after a crash: only completed operations are in it.</summary>
    public MemoryVolume Fork(MemoryVolumeOptions? options = null)
    {
        Check(!_gate.IsWriteLockHeld, "Fork inside an operation");
        var copy = new MemoryVolume(options ?? _options) { Uuid = Uuid };
        Check(copy.TotalBlocks == TotalBlocks && copy.BlockSize == BlockSize, "Fork with another shape");
        for (long b = 0; b < TotalBlocks; b++)
        {
            copy._allocated[b] = _allocated[b];
            copy._purpose[b] = _purpose[b];
            copy._unreadable[b] = _unreadable[b];
            if (_purpose[b] != BlockPurpose.None)
            {
                Content(b).CopyTo(copy.Content(b));
            }
        }

        copy._free = _free;
        _root.CopyTo(copy._root, 0);
        return copy;
    }

    /// <summary>Throws where a rule was broken, a lease is held, or a scope is still entered.</summary>
    public void AssertIdle()
    {
        if (_violation is not null)
        {
            throw new VolumeRuleException(_violation);
        }

        Check(_leases == 0, $"{_leases} leases leaked");
        Check(!_gate.IsReadLockHeld && !_gate.IsWriteLockHeld, "a scope was not left");
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        AssertIdle();
        _disposed = true;
        NativeMemory.Free((void*)_raw);
        _gate.Dispose();
    }

    // ---- the door ----

    public ReadScope EnterRead()
    {
        Check(!_gate.IsReadLockHeld && !_gate.IsWriteLockHeld, "scopes do not nest");
        _gate.EnterReadLock();
        return new ReadScope(_gate);
    }

    public Errno Begin(int blocks, int allocations, out IVolumeOperation operation)
    {
        operation = null!;
        Check(!_gate.IsReadLockHeld && !_gate.IsWriteLockHeld, "scopes do not nest");
        Check(blocks >= 1 && blocks <= MaxOperationBlocks, $"Begin({blocks} blocks) of at most {MaxOperationBlocks}");
        Check(allocations >= 0, $"Begin({blocks} blocks, {allocations} allocations)");
        if (BeginsUntilCrash <= 0)
        {
            throw new SimulatedCrashException();
        }

        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        _gate.EnterWriteLock();
        Errno refused = _free < allocations ? Errno.ENOSPC : RefuseBegin?.Invoke(blocks, allocations) ?? Errno.OK;
        if (refused != Errno.OK)
        {
            _gate.ExitWriteLock();
            return refused;
        }

        BeginsUntilCrash--;
        Counters.Begins++;
        CheckLeaseless();
        _operation.Start(blocks, allocations);
        operation = _operation;
        return Errno.OK;
    }

    public BlockLease Read(BlockNumber block, BlockPurpose purpose)
    {
        CheckInScope();
        lock (_sync)
        {
            Counters.Reads++;
            CheckReadable(block, purpose);
            int frame = _frameOf[block.Value];
            _frameLeases[frame]++;
            _leases++;
            Token token = _tokens.Count > 32 ? _tokens.Dequeue() : new Token();
            token.Frame = frame;
            token.Held = true;
            return new BlockLease(Address(frame), BlockSize, this, token);
        }
    }

    public void Release(object token)
    {
        lock (_sync)
        {
            var lease = (Token)token;
            Check(lease.Held, "a lease was disposed twice");
            lease.Held = false;
            _leases--;
            if (--_frameLeases[lease.Frame] == 0 && _frameAbandoned[lease.Frame])
            {
                _frameAbandoned[lease.Frame] = false;
                _freeFrames.Push(lease.Frame);
            }

            _tokens.Enqueue(lease);
        }
    }

    public void ReadData(BlockRun run, Span<byte> destination, bool neighbours = false)
    {
        CheckInScope();
        Check(run.Count >= 1 && destination.Length == (long)run.Count * BlockSize, "ReadData: length is not the run's");
        lock (_sync)
        {
            Counters.DataBlocksRead += run.Count;
            fixed (byte* address = destination)
            {
                Counters.UnalignedDataReads += ((nint)address & 4095) == 0 ? 0 : 1;
            }

            destination.Fill(Poison);
            for (int i = 0; i < run.Count; i++)
            {
                CheckReadable(run.First + i, BlockPurpose.Data);
            }

            for (int i = 0; i < run.Count; i++)
            {
                Content((run.First + i).Value).CopyTo(destination.Slice(i * BlockSize, BlockSize));
            }
        }
    }

    public ReadOnlySpan<byte> ReadRoot()
    {
        CheckInScope();
        return _root;
    }

    public void Sync()
    {
        Check(!_gate.IsReadLockHeld && !_gate.IsWriteLockHeld, "Sync inside a scope");
        Interlocked.Increment(ref Counters.Syncs);
    }

    // ---- rules ----

    private nint Address(int frame) => _frames + (nint)((long)frame * BlockSize);

    private void Check(bool rule, string message)
    {
        if (!rule)
        {
            Break(message);
        }
    }

    private void Check(bool rule, [System.Runtime.CompilerServices.InterpolatedStringHandlerArgument("rule")] RuleMessage message)
    {
        if (!rule)
        {
            Break(message.ToString());
        }
    }

    private void Break(string message)
    {
        _violation ??= message;
        throw new VolumeRuleException(message);
    }

    private void CheckInScope()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Check(_gate.IsReadLockHeld || _gate.IsWriteLockHeld, "outside every scope");
    }

    private void CheckLeaseless()
    {
        if (_leases != 0)
        {
            int leaked = _leases;
            _gate.ExitWriteLock();
            Break($"{leaked} leases outlived their scope");
        }
    }

    /// <summary>In range and allocated, else a broken rule (strict) or what a real volume does.</summary>
    private void CheckAllocated(BlockNumber block)
    {
        if (block.Value <= 0 || block.Value >= TotalBlocks)
        {
            Check(!_options.Strict, $"block {block.Value} is outside the volume or the volume's own");
            throw new IntegrityException(Zone.Data, block.Value, $"block {block}: outside the volume");
        }

        if (!_allocated[block.Value])
        {
            Check(!_options.Strict, $"block {block.Value} is free");
            throw new IntegrityException(Zone.Data, block.Value, $"block {block}: free");
        }
    }

    private void CheckReadable(BlockNumber block, BlockPurpose purpose)
    {
        CheckAllocated(block);
        if (_unreadable[block.Value])
        {
            throw new IntegrityException(
                purpose == BlockPurpose.Data ? Zone.Data : Zone.Catalog, block.Value, $"block {block}: tag mismatch");
        }

        if (_purpose[block.Value] != purpose)
        {
            Check(!_options.Strict, $"block {block.Value} is {_purpose[block.Value]}, read as {purpose}");
            throw new IntegrityException(Zone.Data, block.Value, $"block {block}: tag mismatch");
        }
    }

    private sealed class Token
    {
        public int Frame;
        public bool Held;
    }

    /// <summary>Formats only where the rule is broken, so that checks cost no heap.</summary>
    [System.Runtime.CompilerServices.InterpolatedStringHandler]
    private readonly ref struct RuleMessage
    {
        private readonly System.Text.StringBuilder? _text;

        public RuleMessage(int literalLength, int formattedCount, bool rule, out bool enabled)
        {
            enabled = !rule;
            _text = enabled ? new System.Text.StringBuilder(literalLength + (8 * formattedCount)) : null;
        }

        public void AppendLiteral(string text) => _text!.Append(text);

        public void AppendFormatted<T>(T value) => _text!.Append(value);

        public override string ToString() => _text?.ToString() ?? string.Empty;
    }
}
