// Promise: Intel's Multi-Buffer Crypto library where it is installed, of a version whose layout is known, and has proved
// here that it computes HMAC-SHA-256; else a reason why not. Looked for once in a process.
// Layout: from the library's public header, version 1.3 (structures IMB_MGR and IMB_JOB); other versions are refused, because
// their structures have not been compared.
// Memory: a manager takes about 0.1 MiB; they are lent and taken back, because making one asks the processor what it can,
// which is slow in virtual machines. Nothing that makes tags stays in them: keys are in their borrower's memory.
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace IntegrityFs.Integrity;

/// <summary>The library's functions, and its managers to lend.</summary>
internal sealed unsafe class MultiBufferLibrary
{
    /// <summary>Where sha256_one_block stands in a manager.</summary>
    internal const int OneBlockOffset = 176;

    /// <summary>Where submit_hash_burst stands in a manager.</summary>
    internal const int BurstOffset = 1000;

    private const string FileName = "libIPSec_MB.so.1";
    private const uint KnownVersion = 0x010300;

    private static readonly Lazy<MultiBufferLibrary> s_process = new(static () => new MultiBufferLibrary());

    private readonly ConcurrentBag<nint> _managers = [];
    private readonly delegate* unmanaged<ulong, nint> _allocate;
    private readonly delegate* unmanaged<nint, int*, void> _initialize;

    private MultiBufferLibrary()
    {
        Refusal = Load(out _allocate, out _initialize);
        Refusal ??= Prove();
    }

    /// <summary>This process's.</summary>
    public static MultiBufferLibrary Process => s_process.Value;

    /// <summary>Why it is not used; null where it is.</summary>
    public string? Refusal { get; }

    /// <summary>True for versions whose structures are known: 1.3 and its corrections.</summary>
    /// <param name="version">As IMB_VERSION_NUM: one byte each for major, minor, patch.</param>
    public static bool IsKnown(uint version) => version >> 8 == KnownVersion >> 8;

    /// <summary>A manager for one thread at a time, until it is given back.</summary>
    public nint Lend() => _managers.TryTake(out nint manager) ? manager : Create();

    /// <summary>Takes a manager back.</summary>
    public void TakeBack(nint manager) => _managers.Add(manager);

    private static string? Load(out delegate* unmanaged<ulong, nint> allocate, out delegate* unmanaged<nint, int*, void> initialize)
    {
        allocate = null;
        initialize = null;
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return "it is for x86-64";
        }

        if (!NativeLibrary.TryLoad(FileName, out nint library))
        {
            return $"{FileName} is not installed";
        }

        if (!NativeLibrary.TryGetExport(library, "imb_get_version", out nint version)
            || !NativeLibrary.TryGetExport(library, "alloc_mb_mgr", out nint first)
            || !NativeLibrary.TryGetExport(library, "init_mb_mgr_auto", out nint second))
        {
            return $"{FileName} lacks a function";
        }

        uint number = ((delegate* unmanaged<uint>)version)();
        if (!IsKnown(number))
        {
            return $"{FileName} has version {number >> 16}.{(number >> 8) & 0xff}.{number & 0xff}; 1.3 is known";
        }

        allocate = (delegate* unmanaged<ulong, nint>)first;
        initialize = (delegate* unmanaged<nint, int*, void>)second;
        return null;
    }

    private nint Create()
    {
        nint manager = _allocate(0);
        if (manager == 0)
        {
            throw new OutOfMemoryException("no memory for a hash manager");
        }

        int architecture;
        _initialize(manager, &architecture);
        return manager;
    }

    /// <summary>Compares it with the runtime's HMAC over random keys and contents. About 0.5 ms.</summary>
    private string? Prove()
    {
        Span<byte> key = stackalloc byte[32];
        RandomNumberGenerator.Fill(key);
        using var engine = new MultiBufferHmac(this, key);
        (int Length, int Count)[] cases = [(512, 1), (512, 33), (4096, 1), (4096, 2), (4096, 3), (4096, 16), (4096, 17), (MultiBufferHmac.LargestBlock, 3)];
        foreach ((int length, int count) in cases)
        {
            if (!Agrees(engine, key, length, count))
            {
                return $"{FileName} computes another HMAC-SHA-256 than OpenSSL";
            }
        }

        return null;
    }

    private static bool Agrees(MultiBufferHmac engine, ReadOnlySpan<byte> key, int length, int count)
    {
        byte[] content = GC.AllocateUninitializedArray<byte>(length + count, pinned: true);
        RandomNumberGenerator.Fill(content);
        var work = new TagWork[count];
        fixed (byte* start = content)
        {
            for (int i = 0; i < count; i++)
            {
                // Each begins a byte further on, so that they differ and are aligned in no way.
                work[i] = new TagWork { Content = (nint)(start + i), Purpose = Format.BlockPurpose.Data, Block = 977 * i, Version = ulong.MaxValue - (ulong)i };
            }

            if (!engine.TryTag(work, length))
            {
                return false;
            }
        }

        Span<byte> header = stackalloc byte[Authenticator.HeaderSize];
        for (int i = 0; i < count; i++)
        {
            using var reference = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
            Authenticator.WriteBlockHeader(header, work[i].Purpose, work[i].Block, work[i].Version, length);
            reference.AppendData(header);
            reference.AppendData(content.AsSpan(i, length));
            if (Format.Tag.Read(reference.GetHashAndReset()) != work[i].Tag)
            {
                return false;
            }
        }

        return true;
    }
}
