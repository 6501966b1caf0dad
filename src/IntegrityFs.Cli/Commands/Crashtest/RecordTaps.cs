using IntegrityFs.Cli.Daemon;
using IntegrityFs.CrashTesting;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>Records a mount at both ends: at the device, and at the file system's door.</summary>
internal sealed class RecordTaps(RecordingWriter writer, ISyncFaults? faults) : IMountTaps
{
    public IDevice Below(IDevice device) => new EventDevice(device, writer);

    public IFileSystem Above(IFileSystem files) => new RequestRecorder(files, writer, TimeProvider.System, faults);

    public string? Answer(string request)
    {
        if (!request.StartsWith("mark ", StringComparison.Ordinal))
        {
            return null;
        }

        writer.Append(new RecordingEvent(RecordingEventKind.Mark, Text: request[5..]));
        return "ok\n";
    }
}
