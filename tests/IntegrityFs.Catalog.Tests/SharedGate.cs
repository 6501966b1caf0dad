using IntegrityFs.Volume;

namespace IntegrityFs.Catalog.Tests;

/// <summary>A gate that knows which thread is inside, as a read scope leaves it.</summary>
internal sealed class SharedGate() : ReaderWriterLockSlim(LockRecursionPolicy.NoRecursion), ISharedGate
{
    public void LeaveShared() => ExitReadLock();
}
