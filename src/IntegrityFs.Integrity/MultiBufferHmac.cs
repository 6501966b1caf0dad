// Promise: the tags that Authenticator computes, several at a time, each lane of the processor's vector or SHA unit with a
// block of its own. Never a wrong tag silently: what the library does not report as completed is left to the caller, and the
// library is not used again in this process.
// Cost: a copy of each block behind its header, because the library wants a message in one piece (0.1 µs for 4 KiB, in the
// processor's cache), and half to three quarters of the time of one HMAC after the other; a single block too is faster than
// with OpenSSL, which makes and frees a copy of its keyed state for each. No managed allocation; 70 KiB of memory for blocks of
// 4 KiB, with the key's two states in it, zeroed on dispose, and two managers.
// Threads: one at a time.
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using IntegrityFs.Format;

namespace IntegrityFs.Integrity;

/// <summary>HMAC-SHA-256 of many blocks under one key, by the multi-buffer library.</summary>
internal sealed unsafe class MultiBufferHmac : IDisposable
{
    /// <summary>Bytes of the largest block that it takes: messages of the library are shorter than 65,535 bytes.</summary>
    public const int LargestBlock = 32768;

    /// <summary>Blocks at once, as many as the widest processors have lanes.</summary>
    public const int Lanes = 16;

    private const int Line = 64;
    private const int StateSize = 32;

    // One line more than it needs, so that the lanes do not all begin at the same place in the processor's cache.
    private const int LaneOverhead = 2 * Line;

    private const int AlgorithmHmacSha256 = 3;
    private const int StatusCompleted = 3;

    private readonly MultiBufferLibrary _library;
    private readonly int _fixedBytes;
    private readonly byte* _states;
    private readonly byte* _macs;
    private readonly byte* _jobs;
    private readonly nint[] _managers = new nint[2];
    private bool _failed;
    private byte* _scratch;
    private int _scratchBytes;
    private int _blockSize;

    /// <summary>Derives the two states of the key, in memory of its own.</summary>
    public MultiBufferHmac(MultiBufferLibrary library, ReadOnlySpan<byte> key)
    {
        _library = library;
        foreach (MultiBufferKernels kernels in library.Available)
        {
            _managers[(int)kernels] = library.Lend(kernels);
            if (_managers[(int)kernels] == 0)
            {
                Fail("its manager cannot be made");
                return;
            }
        }

        _fixedBytes = (2 * StateSize) + (Lanes * (StateSize + library.JobSize));
        _states = (byte*)NativeMemory.AlignedAlloc((nuint)_fixedBytes, Line);
        _macs = _states + (2 * StateSize);
        _jobs = _macs + (Lanes * StateSize);
        DeriveState(key, 0x36, _states);
        DeriveState(key, 0x5c, _states + StateSize);
    }

    /// <summary>Sets the tags of the first blocks of <paramref name="work"/>, as many as it is faster for, and returns their
    /// number. The rest, and all where <paramref name="blockSize"/> is above <see cref="LargestBlock"/>, is for others.</summary>
    public int TagSome(Span<TagWork> work, int blockSize)
    {
        int done = 0;
        while (done < work.Length && blockSize is > 0 and <= LargestBlock && _library.Refusal is null)
        {
            int count = Math.Min(Lanes, work.Length - done);
            if (_library.FastestFor(count) is not { } kernels || !TagBatch(work.Slice(done, count), blockSize, kernels))
            {
                break;
            }

            done += count;
        }

        return done;
    }

    /// <summary>Sets the tags of at most <see cref="Lanes"/> blocks of at most <see cref="LargestBlock"/> bytes. False where the
    /// library fails: then none of them is set, and the library is refused from now on.</summary>
    internal bool TagBatch(Span<TagWork> work, int blockSize, MultiBufferKernels kernels)
    {
        if (_failed)
        {
            return false;
        }

        if (_blockSize != blockSize)
        {
            PrepareFor(blockSize);
        }

        byte* message = _scratch;
        for (int i = 0; i < work.Length; i++)
        {
            ref TagWork item = ref work[i];
            Authenticator.WriteBlockHeader(new Span<byte>(message, Authenticator.HeaderSize), item.Purpose, item.Block, item.Version, blockSize);
            NativeMemory.Copy((void*)item.Content, message + Authenticator.HeaderSize, (nuint)blockSize);
            JobOf(i)->Status = 0;
            message += blockSize + LaneOverhead;
        }

        nint manager = _managers[(int)kernels];
        var submit = *(delegate* unmanaged<nint, byte*, uint, int, uint>*)(manager + MultiBufferLibrary.BurstOffset);
        bool completed = submit(manager, _jobs, (uint)work.Length, AlgorithmHmacSha256) == work.Length;
        for (int i = 0; i < work.Length; i++)
        {
            completed &= JobOf(i)->Status == StatusCompleted;
        }

        if (!completed)
        {
            Fail("it has not completed a batch");
            return false;
        }

        for (int i = 0; i < work.Length; i++)
        {
            work[i].Tag = Tag.Read(new ReadOnlySpan<byte>(_macs + (i * StateSize), StateSize));
        }

        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_states != null)
        {
            CryptographicOperations.ZeroMemory(new Span<byte>(_states, _fixedBytes));
            NativeMemory.AlignedFree(_states);
            Release();
        }

        foreach (MultiBufferKernels kernels in _library.Available)
        {
            if (!_failed)
            {
                _library.TakeBack(kernels, _managers[(int)kernels]);
            }
        }
    }

    private void Fail(string reason)
    {
        _failed = true;
        _library.Distrust(reason);
    }

    private Job* JobOf(int lane) => (Job*)(_jobs + (lane * _library.JobSize));

    /// <summary>Makes place for blocks of that size; only the content of a job's message changes from batch to batch.</summary>
    private void PrepareFor(int blockSize)
    {
        int lane = blockSize + LaneOverhead;
        if (_scratchBytes < Lanes * lane)
        {
            Release();
            _scratch = (byte*)NativeMemory.AlignedAlloc((nuint)(Lanes * lane), Line);
            _scratchBytes = Lanes * lane;
        }

        NativeMemory.Clear(_jobs, (nuint)(Lanes * _library.JobSize));
        for (int i = 0; i < Lanes; i++)
        {
            *JobOf(i) = new Job
            {
                Source = _scratch + (i * lane),
                HashLength = (ulong)(Authenticator.HeaderSize + blockSize),
                Mac = _macs + (i * StateSize),
                MacLength = StateSize,
                InnerState = _states,
                OuterState = _states + StateSize,
                CipherMode = Job.NoCipher,
                Direction = Job.Encrypt,
                Algorithm = AlgorithmHmacSha256,
                Order = Job.HashFirst,
            };
        }

        _blockSize = blockSize;
    }

    /// <summary>The state of SHA-256 after the padded key (RFC 2104), computed by the library.</summary>
    private void DeriveState(ReadOnlySpan<byte> key, byte pad, byte* state)
    {
        Span<byte> block = stackalloc byte[Line];
        block.Fill(pad);
        for (int i = 0; i < key.Length; i++)
        {
            block[i] ^= key[i];
        }

        nint manager = _managers[(int)_library.Available[0]];
        var oneBlock = *(delegate* unmanaged<byte*, byte*, void>*)(manager + MultiBufferLibrary.OneBlockOffset);
        fixed (byte* start = block)
        {
            oneBlock(start, state);
        }

        CryptographicOperations.ZeroMemory(block);
    }

    private void Release()
    {
        if (_scratch != null)
        {
            CryptographicOperations.ZeroMemory(new Span<byte>(_scratch, _scratchBytes));
            NativeMemory.AlignedFree(_scratch);
            _scratch = null;
            _scratchBytes = 0;
        }
    }

    /// <summary>The beginning of an IMB_JOB, with what an HMAC needs of it; the rest is zero.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 152)]
    private struct Job
    {
        internal const int NoCipher = 3;
        internal const int Encrypt = 1;
        internal const int HashFirst = 2;

        [FieldOffset(24)]
        internal byte* Source;
        [FieldOffset(64)]
        internal ulong HashLength;
        [FieldOffset(88)]
        internal byte* Mac;
        [FieldOffset(96)]
        internal ulong MacLength;
        [FieldOffset(104)]
        internal byte* InnerState;
        [FieldOffset(112)]
        internal byte* OuterState;
        [FieldOffset(128)]
        internal int Status;
        [FieldOffset(132)]
        internal int CipherMode;
        [FieldOffset(136)]
        internal int Direction;
        [FieldOffset(140)]
        internal int Algorithm;
        [FieldOffset(144)]
        internal int Order;
    }
}
