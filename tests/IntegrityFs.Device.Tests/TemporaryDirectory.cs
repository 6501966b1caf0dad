namespace IntegrityFs.Device.Tests;

/// <summary>A directory that goes away with the test.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("integrityfs-device-").FullName;

    public string this[string name] => System.IO.Path.Combine(_path, name);

    public string Image(long length, string name = "image")
    {
        FileDevice.CreateImage(this[name], length);
        return this[name];
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
