using IntegrityFs.FileSystem.Conformance;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>The hot paths allocate nothing.</summary>
public sealed class AllocationTests
{
    private readonly Harness _harness = new();

    [Fact]
    public void Lookup_attributes_open_read_write_and_release_allocate_nothing()
    {
        Driver t = _harness.T;
        IFileSystem fs = _harness.Fs;
        Caller caller = t.Caller;
        InodeNumber f = t.File(InodeNumber.Root, "f", Driver.Pattern(100_000));
        byte[] buffer = new byte[50_000];
        ulong held = t.Open(f);

        long Run()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++)
            {
                Errno result = fs.Lookup(InodeNumber.Root, "f"u8, out _);
                result |= fs.GetAttributes(f, out _);
                result |= fs.Open(caller, f, OpenMode.Read | OpenMode.Write, out ulong handle);
                result |= fs.Read(handle, f, 1000, buffer, out _);
                result |= fs.Write(handle, f, 1000, buffer, killPrivileges: i % 2 == 0, out _);
                result |= fs.Seek(f, 0, hole: true, out _);
                result |= fs.Flush(handle, f);
                result |= fs.Release(handle, f);
                result |= fs.GetStatistics(out _);
                result |= fs.Sync(f, dataOnly: true);
                if (result != Errno.OK)
                {
                    return -1;
                }
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        // The runtime allocates once or twice while it warms up; what allocates for each request never ends at nothing.
        Assert.Contains(0, Enumerable.Range(0, 8).Select(_ => Run()));
        t.Close(held, f);
    }
}
