using System.Diagnostics;
using IntegrityFs.Cli.Daemon;
using IntegrityFs.Cli.Native;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>How a state is shown to the checker.</summary>
internal enum StageKind
{
    /// <summary>A plain directory with a copy of the tree.</summary>
    Directory,

    /// <summary>A real mount of a volume in that state.</summary>
    Mount,

    /// <summary>The image, for states of a foreign file system.</summary>
    Image,
}

/// <summary>Puts states on the stage, one directory each, and clears them away after the checker has judged.</summary>
internal sealed class StateStage : ICaseJudge, IDisposable
{
    private readonly ProgramRecording _recording;
    private readonly DeviceCases? _device;
    private readonly Checker _checker;
    private readonly StageKind _kind;
    private readonly string _root;
    private readonly string _key = "";
    private readonly string? _templateKey;
    private readonly string? _template;
    private int _next;

    /// <param name="recording">For what had been printed.</param>
    /// <param name="device">The states of the device, where they are explored; null for those of a personality.</param>
    /// <param name="checker">The checker.</param>
    /// <param name="kind">What it is to see.</param>
    /// <param name="volumeKey">Key of the recorded volume, for real mounts of its images.</param>
    public StateStage(ProgramRecording recording, DeviceCases? device, Checker checker, StageKind kind, KeySource volumeKey)
    {
        _recording = recording;
        _device = device;
        _checker = checker;
        _kind = kind;
        string fast = "/dev/shm";
        _root = Directory.Exists(fast) && kind == StageKind.Directory
            ? Directory.CreateDirectory(Path.Combine(fast, "integrityfs-crashtest-" + Path.GetRandomFileName()), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName
            : Directory.CreateTempSubdirectory("integrityfs-crashtest-").FullName;
        if (kind == StageKind.Mount)
        {
            // States of requests have no image of their own: each goes to a copy of an empty volume.
            (_templateKey, _) = RecordVolume.NewKey();
            _template = Path.Combine(_root, "template");
            RecordVolume.Format(_template, new KeySource.KeyFile(_templateKey), recording.Header.DeviceLength.ToString(System.Globalization.CultureInfo.InvariantCulture));
            _key = volumeKey is KeySource.KeyFile file ? file.Path : device is null ? "" : throw new CommandFailure(Cause.Usage, "--mount needs --key-file, or a recording with a throw-away key");
        }
    }

    private bool HasImage(CrashCase state) => _device is not null && state.Id.StartsWith('p');

    /// <inheritdoc/>
    public Verdict Judge(CrashCase state)
    {
        string place = Path.Combine(_root, Interlocked.Increment(ref _next).ToString(System.Globalization.CultureInfo.InvariantCulture));
        Directory.CreateDirectory(place);
        try
        {
            string output = Path.Combine(place, "stdout");
            File.WriteAllBytes(output, _recording.Output[..state.OutputLength]);
            return _kind switch
            {
                StageKind.Image => _checker.Run(WriteImage(state, place), output, state.Id),
                StageKind.Mount => JudgeMounted(state, place, output),
                _ => _checker.Run(WriteTree(state.Tree!, Path.Combine(place, "tree")), output, state.Id),
            };
        }
        finally
        {
            Remove(place);
        }
    }

    /// <summary>Leaves a state at a place of the user's, and judges it where there is a checker.</summary>
    public static string Keep(ProgramRecording recording, DeviceCases? device, CrashCase state, string directory)
    {
        Directory.CreateDirectory(directory);
        File.WriteAllBytes(Path.Combine(directory, "stdout"), recording.Output[..state.OutputLength]);
        if (device is not null && state.Id.StartsWith('p'))
        {
            using FileStream image = File.Create(Path.Combine(directory, "image"));
            WriteSparse(device.Image(state.Id), image);
        }

        return state.Tree is { } tree ? WriteTree(tree, Path.Combine(directory, "tree")) : Path.Combine(directory, "image");
    }

    public void Dispose()
    {
        Remove(_root);
        if (_templateKey is not null)
        {
            File.Delete(_templateKey);
        }
    }

    private Verdict JudgeMounted(CrashCase state, string place, string output)
    {
        string mount = Path.Combine(place, "mount");
        Directory.CreateDirectory(mount);
        bool hasImage = HasImage(state);
        string image = hasImage ? WriteImage(state, place) : Path.Combine(place, "image");
        if (!hasImage)
        {
            File.Copy(_template!, image);
        }

        int status = RunSelf("mount", image, mount, "-o", "keyfile=" + MountRequest.Quote(hasImage ? _key : _templateKey!));
        if (status != 0)
        {
            return new Verdict(false, status, $"the state cannot be mounted: exit code {status}");
        }

        try
        {
            if (!hasImage)
            {
                TreeExport.Write(state.Tree!, mount);
            }

            return _checker.Run(mount, output, state.Id);
        }
        finally
        {
            RunSelf("umount", mount);
        }
    }

    private string WriteImage(CrashCase state, string place)
    {
        string path = Path.Combine(place, "image");
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite };
        using FileStream stream = new(path, options);
        WriteSparse(_device!.Image(state.Id), stream);
        return path;
    }

    private static void WriteSparse(PageImage image, FileStream stream)
    {
        stream.SetLength(image.Length);
        for (int i = 0; i < image.PageCount; i++)
        {
            ReadOnlySpan<byte> page = image.Page(i);
            if (page.IndexOfAnyExcept((byte)0) >= 0)
            {
                stream.Position = (long)i * PageImage.PageSize;
                stream.Write(page[..(int)Math.Min(PageImage.PageSize, image.Length - stream.Position)]);
            }
        }
    }

    private static string WriteTree(FileTree tree, string directory)
    {
        Directory.CreateDirectory(directory);
        TreeExport.Write(tree, directory);
        return directory;
    }

    private static int RunSelf(params string[] arguments)
    {
        var start = new ProcessStartInfo(Launcher.Self()) { UseShellExecute = false, RedirectStandardError = true };
        foreach (string word in Launcher.Leading().Concat(arguments))
        {
            start.ArgumentList.Add(word);
        }

        using Process process = Process.Start(start)!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }

    private static void Remove(string directory)
    {
        try
        {
            Directory.Delete(directory, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A state may hold directories that even their owner cannot enter.
            foreach (string inner in Directory.EnumerateDirectories(directory, "*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true }))
            {
                File.SetUnixFileMode(inner, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }

            Directory.Delete(directory, recursive: true);
        }
    }
}
