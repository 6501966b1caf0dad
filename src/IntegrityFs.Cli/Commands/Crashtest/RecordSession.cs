using System.Globalization;
using IntegrityFs.Cli.Daemon;
using IntegrityFs.Cli.Logging;
using IntegrityFs.Cli.Native;
using IntegrityFs.CrashTesting;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>What is to be recorded.</summary>
internal sealed record RecordRequest
{
    public required string Image { get; init; }

    public required IReadOnlyList<string> Program { get; init; }

    public string? Output { get; init; }

    public required KeySource Key { get; init; }

    public bool Fresh { get; init; }

    public string? Size { get; init; }

    public string? MountOptions { get; init; }

    public string? SetUp { get; init; }

    public required string Personality { get; init; }

    public int FailSync { get; init; } = 1;

    public bool Quiet { get; init; }
}

/// <summary>One recording from its mount to its unmount. The mount is served by threads of this process; the program is a
/// child of it.</summary>
internal sealed class RecordSession(RecordRequest request)
{
    private static readonly TimeSpan s_outputPause = TimeSpan.FromMilliseconds(5);

    private readonly RecordedOutput _echo = new();

    /// <summary>Returns the program's exit status.</summary>
    public int Run()
    {
        PersonalityDescription personality = PersonalityTable.Find(request.Personality)
            ?? throw new CommandFailure(Cause.Usage, $"no personality '{request.Personality}'");
        if (personality.Name != PersonalityTable.Own && !personality.FailsSyncs)
        {
            throw new CommandFailure(Cause.Usage, $"'{personality.Name}' is for 'crashtest explore' or 'crashtest live': nothing differs while the program runs");
        }

        string output = Path.GetFullPath(request.Output ?? request.Image + ".crashtest");
        using RecordVolume volume = RecordVolume.Prepare(request.Image, request.Key, request.Fresh, request.Size);
        string directory = Directory.CreateTempSubdirectory("integrityfs-crashtest-").FullName;
        Environment.SetEnvironmentVariable("CRASHTEST_DIR", directory);
        try
        {
            if (request.SetUp is { } setUp)
            {
                RunSetUp(volume, directory, setUp);
            }

            return Record(volume, directory, output, personality);
        }
        finally
        {
            Directory.SetCurrentDirectory("/");
            Directory.Delete(directory);
        }
    }

    private int Record(RecordVolume volume, string directory, string output, PersonalityDescription personality)
    {
        PageImage image = volume.ReadImage();
        var header = new RecordingHeader
        {
            DeviceLength = image.Length,
            Command = request.Program,
            Created = DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
            ThrowAwayKey = volume.ThrowAwayKey,
            Personality = personality.Name,
        };
        var faults = personality.FailsSyncs ? new NthSyncFails(request.FailSync) : null;
        using var writer = new RecordingWriter(output, header, image);
        int status;
        using (var mount = new ServedMount(volume.Path, directory, request.MountOptions, volume.Key, new RecordTaps(writer, faults)))
        {
            status = RunProgram(writer, directory);
            writer.Append(new RecordingEvent(RecordingEventKind.End));
            mount.Stop();
        }

        if (faults is { Struck: 0 })
        {
            Console.Error.WriteLine($"crashtest: the program made fewer than {request.FailSync} fsyncs; none failed");
        }

        if (!request.Quiet)
        {
            Console.Error.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"crashtest: recorded {writer.Requests} requests, {writer.Writes} device writes, {writer.Flushes} flushes; program ended with {status}\ncrashtest: {output}"));
        }

        return status;
    }

    private int RunProgram(RecordingWriter writer, string directory)
    {
        using ProgramProcess program = ProgramProcess.Start(request.Program, directory);
        byte[] Fetch() => _echo.Pass(program.Fetch());
        writer.FetchOutputFrom(Fetch);
        using var stop = new CancellationTokenSource();
        var reader = new Thread(() =>
        {
            // Requests fetch by themselves; this is for programs that print and do nothing else.
            while (!stop.Token.WaitHandle.WaitOne(s_outputPause))
            {
                writer.FetchOutputNow();
            }
        }) { IsBackground = true, Name = "output" };
        reader.Start();
        int status = program.Wait();
        stop.Cancel();
        reader.Join();
        writer.FetchOutputFrom(null);
        return status;
    }

    private void RunSetUp(RecordVolume volume, string directory, string setUp)
    {
        using var mount = new ServedMount(volume.Path, directory, request.MountOptions, volume.Key, null);
        using ProgramProcess program = ProgramProcess.Start(["/bin/sh", "-c", setUp], directory);
        using var stop = new CancellationTokenSource();
        var reader = new Thread(() =>
        {
            while (!stop.Token.WaitHandle.WaitOne(s_outputPause))
            {
                _echo.Pass(program.Fetch());
            }
        }) { IsBackground = true, Name = "output" };
        reader.Start();
        int status = program.Wait();
        stop.Cancel();
        reader.Join();
        _echo.Pass(program.Fetch());
        mount.Stop();
        if (status != 0)
        {
            throw new CommandFailure(Cause.System, $"the set-up command ended with status {status}");
        }
    }

    /// <summary>Passes the program's output on to ours.</summary>
    private sealed class RecordedOutput
    {
        private readonly Stream _out = Console.OpenStandardOutput();

        public byte[] Pass(byte[] bytes)
        {
            if (bytes.Length > 0)
            {
                _out.Write(bytes);
                _out.Flush();
            }

            return bytes;
        }
    }
}

/// <summary>A mount that threads of this process serve.</summary>
internal sealed class ServedMount : IDisposable
{
    private readonly ILoggerFactory _loggers = LogSinks.Console(LogLevel.Warning);
    private readonly MountHost _host;
    private readonly Thread _thread;
    private readonly Readiness _readiness = new();
    private Cause _exit = Cause.Internal;

    /// <summary>Mounts; returns when it is ready.</summary>
    public ServedMount(string image, string directory, string? options, KeySource key, IMountTaps? taps)
    {
        var arguments = new List<string> { image, directory };
        if (!string.IsNullOrEmpty(options))
        {
            arguments.AddRange(["-o", options]);
        }

        _host = new MountHost(MountRequest.Parse(arguments), _readiness, _loggers, taps);
        _thread = new Thread(() =>
        {
            _exit = _host.Run(key);
            _readiness.End();
        }) { Name = "mount" };
        _thread.Start();
        if (!_readiness.Wait())
        {
            _thread.Join();
            throw new CommandFailure(Cause.System, _readiness.Reason);
        }
    }

    /// <summary>Unmounts in good order.</summary>
    public void Stop()
    {
        _host.Stop();
        _thread.Join();
        if (_exit != Cause.None)
        {
            throw new CommandFailure(Cause.System, "the volume could not be closed in order");
        }
    }

    public void Dispose()
    {
        if (_thread.IsAlive)
        {
            _host.Stop();
            _thread.Join();
        }

        _host.Dispose();
        _loggers.Dispose();
    }

    private sealed class Readiness : IReadiness
    {
        private readonly ManualResetEventSlim _decided = new();
        private bool _ready;

        public string Reason { get; private set; } = "the mount ended before it was ready";

        public bool Wait()
        {
            _decided.Wait();
            return _ready;
        }

        public void Note(string text) => Console.Error.WriteLine($"crashtest: {text}");

        public bool Ready()
        {
            _ready = true;
            _decided.Set();
            return true;
        }

        public void Failed(Cause cause, string text)
        {
            Reason = text;
            _decided.Set();
        }

        public void End() => _decided.Set();
    }
}
