using IntegrityFs.Device;
using IntegrityFs.FileSystem;

namespace IntegrityFs.Cli.Daemon;

/// <summary>What a crash test puts between the floors of a mount.</summary>
internal interface IMountTaps
{
    /// <summary>Between the volume and its device.</summary>
    IDevice Below(IDevice device);

    /// <summary>Between the kernel and the file system.</summary>
    IFileSystem Above(IFileSystem files);

    /// <summary>Answers a request on the control socket; null where it knows none such.</summary>
    string? Answer(string request);
}
