// Promise: Intel's Multi-Buffer Crypto library where it is installed, of a version whose layout is known, has proved here
// that it computes HMAC-SHA-256, and is faster than OpenSSL; else a reason why not. Looked for once in a process.
// Layout: from the library's public headers, versions 1.3 to 1.5 (structures IMB_MGR and IMB_JOB). What is used of them
// stands at the same place in all three; the size of a job does not. Other versions are refused, because nobody compared them.
// Kernels: those for SHA instructions that interleave two messages reach their rate with two; those for AVX-512 need sixteen, and
// are then slower or up to 1.6 times as fast, as the processor will have it. So both are timed, for each number of blocks.
// Memory: a manager takes 0.2 MiB; they are lent and taken back, because making one asks the processor what it can, which is
// slow in virtual machines. Nothing that makes tags stays in them: keys are in their borrower's memory.
using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace IntegrityFs.Integrity;

/// <summary>The library's functions, and its managers to lend.</summary>
internal sealed unsafe class MultiBufferLibrary
{
    /// <summary>The name that the dynamic linker knows it by.</summary>
    internal const string FileName = "libIPSec_MB.so.1";

    /// <summary>Where sha256_one_block stands in a manager.</summary>
    internal const int OneBlockOffset = 176;

    /// <summary>Where submit_hash_burst stands in a manager.</summary>
    internal const int BurstOffset = 1000;

    private const ulong FeatureShaInstructions = 1;

    private static readonly Lazy<MultiBufferLibrary> s_process = new(static () => new MultiBufferLibrary(FileName));

    private readonly ConcurrentBag<nint>[] _managers = [[], []];
    private readonly MultiBufferKernels?[] _fastest = new MultiBufferKernels?[MultiBufferHmac.Lanes + 1];
    private delegate* unmanaged<ulong, nint> _allocate;
    private delegate* unmanaged<nint, void> _initializeInterleaved;
    private delegate* unmanaged<nint, int*, void> _initializeBest;
    private delegate* unmanaged<nint, int> _error;
    private MultiBufferKernels[] _available = [];
    private volatile string? _refusal;

    /// <summary>Loads it and lets it prove itself. <paramref name="only"/> is for tests: with it, those kernels are taken for
    /// any number of blocks.</summary>
    internal MultiBufferLibrary(string fileName, MultiBufferKernels? only = null)
    {
        _refusal = Load(fileName);
        if (_refusal is null)
        {
            using var proof = new MultiBufferProof(this);
            foreach (MultiBufferKernels kernels in Available)
            {
                _refusal ??= proof.Compare(kernels);
            }

            if (only is not null)
            {
                Array.Fill(_fastest, only, 1, MultiBufferHmac.Lanes);
            }
            else if (_refusal is null)
            {
                proof.Measure(_fastest);
                _refusal ??= Array.TrueForAll(_fastest, k => k is null) ? "it is no faster than OpenSSL on this processor" : null;
            }
        }
    }

    /// <summary>This process's.</summary>
    public static MultiBufferLibrary Process => s_process.Value;

    /// <summary>Why it is not used; null where it is.</summary>
    public string? Refusal => _refusal;

    /// <summary>"1.3.0"; empty where it could not be asked.</summary>
    public string Version { get; private set; } = "";

    /// <summary>Bytes of a job.</summary>
    public int JobSize { get; private set; }

    /// <summary>The kernels that this processor can run.</summary>
    public ReadOnlySpan<MultiBufferKernels> Available => _available;

    /// <summary>The kernels that are fastest for so many blocks at once, 1 to <see cref="MultiBufferHmac.Lanes"/>; null where
    /// OpenSSL is, one block after the other.</summary>
    public MultiBufferKernels? FastestFor(int count) => _fastest[count];

    /// <summary>Bytes of an IMB_JOB; 0 for versions whose structures are not known.</summary>
    /// <param name="version">As IMB_VERSION_NUM: one byte each for major, minor, patch.</param>
    public static int JobSizeOf(uint version) => (version >> 8) switch
    {
        0x0103 => 200,
        0x0104 or 0x0105 => 240,
        _ => 0,
    };

    /// <summary>Nobody uses it from now on. The first reason stays.</summary>
    public void Distrust(string reason) => _refusal ??= reason;

    /// <summary>A manager for one thread at a time, until it is given back; 0 where there is none.</summary>
    public nint Lend(MultiBufferKernels kernels) =>
        _managers[(int)kernels].TryTake(out nint manager) ? manager : Create(kernels);

    /// <summary>Takes a manager back. One that failed must not come back: it may still point to its borrower's memory.</summary>
    public void TakeBack(MultiBufferKernels kernels, nint manager) => _managers[(int)kernels].Add(manager);

    private string? Load(string fileName)
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return "it is for x86-64";
        }

        if (!NativeLibrary.TryLoad(fileName, out nint library))
        {
            return $"{fileName} is not installed";
        }

        if (!NativeLibrary.TryGetExport(library, "imb_get_version", out nint version)
            || !NativeLibrary.TryGetExport(library, "imb_get_feature_flags", out nint features)
            || !NativeLibrary.TryGetExport(library, "imb_get_errno", out nint error)
            || !NativeLibrary.TryGetExport(library, "alloc_mb_mgr", out nint allocate)
            || !NativeLibrary.TryGetExport(library, "init_mb_mgr_sse", out nint interleaved)
            || !NativeLibrary.TryGetExport(library, "init_mb_mgr_auto", out nint best))
        {
            return $"{fileName} lacks a function";
        }

        uint number = ((delegate* unmanaged<uint>)version)();
        Version = $"{number >> 16}.{(number >> 8) & 0xff}.{number & 0xff}";
        JobSize = JobSizeOf(number);
        if (JobSize == 0)
        {
            return $"{fileName} has version {Version}; 1.3 to 1.5 are known";
        }

        _error = (delegate* unmanaged<nint, int>)error;
        _allocate = (delegate* unmanaged<ulong, nint>)allocate;
        _initializeInterleaved = (delegate* unmanaged<nint, void>)interleaved;
        _initializeBest = (delegate* unmanaged<nint, int*, void>)best;
        bool hasSha = (((delegate* unmanaged<ulong>)features)() & FeatureShaInstructions) != 0;
        _available = hasSha ? [MultiBufferKernels.Interleaved, MultiBufferKernels.Widest] : [MultiBufferKernels.Widest];
        return null;
    }

    private nint Create(MultiBufferKernels kernels)
    {
        nint manager = _allocate(0);
        if (manager == 0)
        {
            return 0;
        }

        if (kernels == MultiBufferKernels.Interleaved)
        {
            _initializeInterleaved(manager);
        }
        else
        {
            int architecture;
            _initializeBest(manager, &architecture);
        }

        // Not zero where the processor lacks something, or the library's own self-test failed. What it left is not freed:
        // this happens once, and then it is not used.
        return _error(manager) == 0 ? manager : 0;
    }
}

/// <summary>The library's kernels for SHA-256.</summary>
internal enum MultiBufferKernels
{
    /// <summary>SHA instructions, two messages side by side.</summary>
    Interleaved,

    /// <summary>The widest vectors that the processor has, as the library itself would choose.</summary>
    Widest,
}
