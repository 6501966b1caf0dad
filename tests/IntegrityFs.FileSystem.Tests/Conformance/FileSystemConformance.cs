using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Conformance;

/// <summary>What every <see cref="IFileSystem"/> must do, whatever it is made of: the real one over any catalog, and the
/// model that the crash harness compares it with. Derive, give a factory, and the tests come along. The files of this
/// directory need nothing but IFileSystem, so another test project may compile them too.</summary>
public abstract partial class FileSystemConformance : IDisposable
{
    private Driver? _driver;

    protected SteppingClock Clock { get; } = new();

    /// <summary>The driver on an empty file system.</summary>
    protected Driver T => _driver ??= new Driver(CreateFileSystem(Clock));

    protected static InodeNumber Root => InodeNumber.Root;

    /// <summary>An empty file system whose root directory has mode 0755 and whose times come from the clock.</summary>
    protected abstract IFileSystem CreateFileSystem(TimeProvider clock);

    /// <summary>Called at the end of each test; a place to check the structure underneath.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }
}
