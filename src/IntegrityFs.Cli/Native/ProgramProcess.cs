using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Native;

/// <summary>The program under test: its standard output is a pipe of ours, its directory the mount. The pipe is read
/// without waiting, so that what was printed before a request can be fetched while that request is served.</summary>
internal sealed unsafe partial class ProgramProcess : IDisposable
{
    private const string LibC = "libc.so.6";
    private const int Piece = 64 << 10;

    private readonly SafeFileHandle _output;
    private readonly byte[] _buffer = new byte[Piece];

    private ProgramProcess(int id, SafeFileHandle output)
    {
        Id = id;
        _output = output;
    }

    /// <summary>The process id.</summary>
    public int Id { get; }

    /// <summary>Starts a program, found in PATH, with the present environment and standard input and error.</summary>
    /// <exception cref="CommandFailure">It cannot be started.</exception>
    public static ProgramProcess Start(IReadOnlyList<string> command, string directory)
    {
        (SafeFileHandle read, SafeFileHandle write) = Descriptors.OpenPipe();
        _ = fcntl(Descriptors.Number(read), F_SETFL, O_NONBLOCK);
        byte* actions = stackalloc byte[1024];
        byte** argv = ChildProcess.MakeVector(command);
        byte** environment = ChildProcess.MakeVector(ChildProcess.Environment());
        try
        {
            using SafeFileHandle output = Descriptors.Raise(write);
            _ = Posix.FileActionsInit(actions);
            _ = FileActionsChangeDirectory(actions, directory);
            _ = Posix.FileActionsDuplicate(actions, Descriptors.Number(output), 1);
            int process;
            int error = SpawnFound(&process, command[0], actions, null, argv, environment);
            _ = Posix.FileActionsDestroy(actions);
            if (error != 0)
            {
                read.Dispose();
                throw new CommandFailure(Cause.System, $"{command[0]}: {Posix.Describe(error)}");
            }

            return new ProgramProcess(process, read);
        }
        finally
        {
            write.Dispose();
            ChildProcess.FreeVector(argv);
            ChildProcess.FreeVector(environment);
        }
    }

    /// <summary>What was printed since the last call; empty where nothing was. Not for two threads at once.</summary>
    public byte[] Fetch()
    {
        var all = new MemoryStream();
        while (true)
        {
            ssize_t count;
            fixed (byte* buffer = _buffer)
            {
                count = read(Descriptors.Number(_output), buffer, Piece);
            }

            if ((long)count <= 0)
            {
                return all.Length == 0 ? [] : all.ToArray();
            }

            all.Write(_buffer, 0, (int)(long)count);
        }
    }

    /// <summary>Waits for its end; its exit status, or 128 plus the signal.</summary>
    public int Wait() => ChildProcess.Wait(Id);

    public void Dispose() => _output.Dispose();

    [LibraryImport(LibC, EntryPoint = "posix_spawnp", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SpawnFound(int* process, string file, void* fileActions, void* attributes, byte** arguments, byte** environment);

    [LibraryImport(LibC, EntryPoint = "posix_spawn_file_actions_addchdir_np", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int FileActionsChangeDirectory(void* actions, string path);
}
