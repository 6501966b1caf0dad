using IntegrityFs.FileSystem.Conformance;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>The suite over the strict catalog in memory.</summary>
public sealed class FakeConformance : FileSystemConformance
{
    private FakeCatalog? _catalog;
    private PosixFileSystem? _fs;

    protected override IFileSystem CreateFileSystem(TimeProvider clock)
    {
        _catalog = new FakeCatalog(Format.Timestamp.Now(clock));
        return _fs = new PosixFileSystem(_catalog, clock);
    }

    protected override void Dispose(bool disposing)
    {
        Assert.Null(_catalog?.FindProblem());
        Assert.Equal(default, _fs?.Faults ?? default);
    }
}
