using System.Globalization;
using IntegrityFs.CrashTesting;
using IntegrityFs.Format;
using IntegrityFs.Keys;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>Explores one recording under one or more personalities.</summary>
internal sealed class ExploreSession : IDisposable
{
    private readonly ExploreRequest _request;
    private readonly ProgramRecording _recording;
    private readonly VolumeRecovery? _recovery;
    private readonly KeySource _key;
    private readonly string? _temporaryKey;

    public ExploreSession(ExploreRequest request)
    {
        _request = request;
        _recording = Load(request);
        _key = request.Key;
        if (_recording.Header.IsIntegrityFs)
        {
            if (_key is KeySource.Unspecified && _recording.Header.ThrowAwayKey.Length > 0)
            {
                (_temporaryKey, _) = RecordVolume.KeyFile(_recording.Header.ThrowAwayKey.ToArray());
                _key = new KeySource.KeyFile(_temporaryKey);
            }

            _recovery = new VolumeRecovery(Unlock());
        }
    }

    public ProgramRecording Recording => _recording;

    /// <summary>The personalities to explore.</summary>
    public IReadOnlyList<string> Personalities => _request.Personalities.Count > 0 ? _request.Personalities : [_recording.Header.Personality];

    public void Dispose()
    {
        if (_temporaryKey is not null)
        {
            File.Delete(_temporaryKey);
        }
    }

    /// <summary>Runs everything for one personality.</summary>
    public ExploreResult Explore(string personality, ProgressLine progress, CancellationToken cancel)
    {
        (ICaseSource source, DeviceCases? device) = Source(personality);
        string check = _request.Check ?? throw new CommandFailure(Cause.Usage, "--check CHECKER says what a good state is");
        using var stage = new StateStage(_recording, device, new Checker(check, _request.Timeout), Kind, _key);
        Exploration exploration = null!;
        exploration = new Exploration(_recording, source, stage)
        {
            Jobs = _request.Jobs,
            MostStates = _request.MostStates,
            Seed = _request.Seed,
            OnProgress = () => progress.Show(() => string.Create(
                CultureInfo.InvariantCulture, $"{personality}: {exploration.Built} states built, {exploration.Checked} checked, {exploration.Failed} failed")),
        };
        ExploreResult result = exploration.Run(personality, cancel);
        progress.Clear();
        return result;
    }

    /// <summary>Exports one state, and judges it where there is a checker.</summary>
    public (string Path, Verdict? Verdict, IReadOnlyList<string> Lost) ShowState(string personality, string id, string directory)
    {
        (ICaseSource source, DeviceCases? device) = Source(personality);
        CrashCase state;
        try
        {
            state = source.Find(id);
        }
        catch (FormatException e)
        {
            throw new CommandFailure(Cause.Usage, e.Message, e);
        }

        string path = StateStage.Keep(_recording, device, state, Path.GetFullPath(directory));
        Verdict? verdict = null;
        if (_request.Check is { } check)
        {
            using var stage = new StateStage(_recording, device, new Checker(check, _request.Timeout), Kind, _key);
            verdict = state.Problem is null ? stage.Judge(state) : new Verdict(false, -1, state.Problem);
        }

        return (path, verdict, source.Lost(state));
    }

    private StageKind Kind => !_recording.Header.IsIntegrityFs ? StageKind.Image : _request.Mount ? StageKind.Mount : StageKind.Directory;

    private (ICaseSource Source, DeviceCases? Device) Source(string personality)
    {
        if (PersonalityTable.Find(personality) is not { } known)
        {
            throw new CommandFailure(Cause.Usage, $"no personality '{personality}'; known are {string.Join(", ", PersonalityTable.All.Select(item => item.Name))}");
        }

        if (personality == PersonalityTable.Own)
        {
            var device = new DeviceCases(_recording, _recovery is null ? null : _recovery.Recover, _request.Profile, _request.Seed);
            return _recovery is null || !HasRequests
                ? (device, device)
                : (new OwnCases(device, Requests(personality)), device);
        }

        if (_recovery is null || !HasRequests)
        {
            throw new CommandFailure(Cause.Unsuitable, $"personality '{personality}' works on requests, and this log has only device writes");
        }

        if (known.FailsSyncs && _recording.Header.Personality != personality)
        {
            throw new CommandFailure(Cause.Unsuitable, $"personality '{personality}' must be active while the program runs: crashtest record --personality {personality}");
        }

        return (Requests(personality), null);
    }

    private bool HasRequests => _recording.Events.Any(item => item.Kind == RecordingEventKind.Request);

    private RequestCases Requests(string personality)
    {
        FileTree start = _recovery!.Recover(_recording.Image.ForkForThread());
        return new RequestCases(_recording, start, personality, _request.Profile, _request.Seed, _request.MostStates * 40L);
    }

    private byte[] Unlock()
    {
        using var device = new ImageDevice(_recording.Image.ForkForThread(), readOnly: true);
        VolumeHeader header = VolumeHeader.Read(device) ?? throw VolumeHeader.NotAVolume(_request.Recording);
        KeySlotTable slots = KeySlotTable.Read(device);
        using Credential credential = Credentials.Open(_key, header.Superblock.Uuid, _request.Recording);
        using MasterKey master = slots.Unlock(credential);
        return master.Bytes.ToArray();
    }

    private static ProgramRecording Load(ExploreRequest request)
    {
        if (request.Base is null)
        {
            return ProgramRecording.Load(request.Recording);
        }

        PageImage image = RecordVolume.ReadImage(request.Base);
        using FileStream log = File.OpenRead(request.Recording);
        ProgramRecording imported = LogWrites.Import(log, image, [Path.GetFileName(request.Recording)]);
        bool ours = imported.Header.IsIntegrityFs && ReadsAsOurs(image);
        return new ProgramRecording(imported.Header with { IsIntegrityFs = ours }, image, imported.Events);
    }

    private static bool ReadsAsOurs(PageImage image)
    {
        using var device = new ImageDevice(image.ForkForThread(), readOnly: true);
        try
        {
            return VolumeHeader.Read(device) is not null;
        }
        catch (Exception e) when (e is IntegrityException or CorruptFormatException or DeviceException or CommandFailure)
        {
            return false;
        }
    }
}
