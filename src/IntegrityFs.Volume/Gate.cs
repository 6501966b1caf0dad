// Promise: any number of readers, or one writer; who waits as a writer comes before readers that arrive later. Scopes do
// not nest, and end on the thread that began them.
// Why not ReaderWriterLockSlim: where threads outnumber processors, its spinning gives the processor away to threads that
// spin as well (1.4 sched_yield for each synced write of sixteen). A read-write lock of the C library sleeps at once, and
// whoever leaves wakes whom it must (futex(2)).
// Cost: two calls into the C library for each scope; a system call only where somebody waits. No allocation.
using System.Runtime.InteropServices;

namespace IntegrityFs.Volume;

/// <summary>What a <see cref="ReadScope"/> leaves.</summary>
public interface ISharedGate
{
    /// <summary>One reader fewer.</summary>
    void LeaveShared();
}

/// <summary>The gate of a volume: pthread_rwlock_t, preferring writers.</summary>
internal sealed unsafe partial class Gate : ISharedGate, IDisposable
{
    // Larger than the structures of any C library for Linux (56 and 8 bytes with glibc on 64 bits).
    private const int LockBytes = 256;
    private const int AttributeBytes = 64;
    private const int PreferWriterNonRecursive = 2;

    private void* _lock;

    public Gate()
    {
        _lock = NativeMemory.AlignedAlloc(LockBytes, 64);
        NativeMemory.Clear(_lock, LockBytes);
        byte* attributes = stackalloc byte[AttributeBytes];
        Check(Initialize(attributes));
        Check(Prefer(attributes, PreferWriterNonRecursive));
        Check(Initialize(_lock, attributes));
        Check(DestroyAttributes(attributes));
    }

    /// <summary>Waits until no writer is inside or waiting.</summary>
    public void EnterShared() => Check(LockShared(_lock));

    /// <inheritdoc/>
    public void LeaveShared() => Check(Unlock(_lock));

    /// <summary>Waits until nobody is inside.</summary>
    public void EnterExclusive() => Check(LockExclusive(_lock));

    /// <summary>The writer leaves.</summary>
    public void LeaveExclusive() => Check(Unlock(_lock));

    /// <summary>Nobody is inside, or ever will be.</summary>
    public void Dispose()
    {
        if (_lock != null)
        {
            _ = Destroy(_lock);
            NativeMemory.AlignedFree(_lock);
            _lock = null;
        }
    }

    /// <summary>EDEADLK where a thread waits for itself; EAGAIN after 2^30 readers.</summary>
    private static void Check(int error)
    {
        if (error != 0)
        {
            throw new InvalidOperationException($"the volume's gate: {Marshal.GetPInvokeErrorMessage(error)}");
        }
    }

    [LibraryImport("libc", EntryPoint = "pthread_rwlockattr_init")]
    private static partial int Initialize(byte* attributes);

    [LibraryImport("libc", EntryPoint = "pthread_rwlockattr_setkind_np")]
    private static partial int Prefer(byte* attributes, int kind);

    [LibraryImport("libc", EntryPoint = "pthread_rwlockattr_destroy")]
    private static partial int DestroyAttributes(byte* attributes);

    [LibraryImport("libc", EntryPoint = "pthread_rwlock_init")]
    private static partial int Initialize(void* gate, byte* attributes);

    [LibraryImport("libc", EntryPoint = "pthread_rwlock_destroy")]
    private static partial int Destroy(void* gate);

    [LibraryImport("libc", EntryPoint = "pthread_rwlock_rdlock")]
    private static partial int LockShared(void* gate);

    [LibraryImport("libc", EntryPoint = "pthread_rwlock_wrlock")]
    private static partial int LockExclusive(void* gate);

    [LibraryImport("libc", EntryPoint = "pthread_rwlock_unlock")]
    private static partial int Unlock(void* gate);
}
