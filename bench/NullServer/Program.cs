// The ceiling of what a FUSE server in this runtime can reach: answers from memory, throws writes away.
//   NullServer DIR [--size BYTES] [--keep] [--source NAME] [--fuseblk] [--writeback] [--threads N]
// Prints "ready" when the mount can be used; SIGTERM or SIGINT unmounts; then prints what it served.
using System.Globalization;
using System.Runtime.InteropServices;
using IntegrityFs.Fuse;
using IntegrityFs.NullServer;
using Microsoft.Extensions.Logging;

string? directory = null;
string source = "nullserver";
long size = 4L << 30;
int threads = 0;
bool keep = false, block = false, writeback = false;
for (int i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--size": size = long.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--threads": threads = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--source": source = args[++i]; break;
        case "--keep": keep = true; break;
        case "--fuseblk": block = true; break;
        case "--writeback": writeback = true; break;
        default: directory = args[i]; break;
    }
}

if (directory == null)
{
    Console.Error.WriteLine("usage: NullServer DIR [--size BYTES] [--keep] [--source NAME] [--fuseblk] [--writeback] [--threads N]");
    return 1;
}

using ILoggerFactory logging = LoggerFactory.Create(builder => builder.AddSimpleConsole(console => console.SingleLine = true));
var files = new MemoryFileSystem(keep).Initialize();
if (size > 0)
{
    files.AddFile("big", size);
}

var options = new FuseServerOptions
{
    Threads = threads,
    Writeback = writeback,
    Unmounted = () => Console.WriteLine("closed"),
};
using var server = new FuseServer(files, options, logging.CreateLogger("fuse"));
try
{
    server.MountAndServe(new FuseMountOptions { Source = source, Target = directory, Subtype = "nullserver", BlockDevice = block });
}
catch (FuseMountException refused)
{
    Console.Error.WriteLine(refused.Message);
    return 32;
}

using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
Console.WriteLine($"ready {server.Connection}");
FuseExit exit = server.WaitForExit();
Console.WriteLine($"exit {exit.Reason}, {files.Syncs} syncs");
return exit.IsClean ? 0 : 1;

void Stop(PosixSignalContext context)
{
    context.Cancel = true;
    _ = server.Stop(TimeSpan.FromSeconds(10));
}
