// Promise: every operation runs on the store first and then on the model, with the same clock and inode numbers; the
// device sees nothing but the store's own writes. The model follows the store only where the store's answer may differ
// by right: lack of space, a planned device error, or a partial write.
using IntegrityFs.Device;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>How a workload is recorded.</summary>
internal sealed record RecordOptions
{
    /// <summary>A fault below the store, armed when the set-up is durable.</summary>
    public Fault? Fault { get; init; }

    /// <summary>Keep the expected tree of every operation (else only of the last).</summary>
    public bool Snapshots { get; init; } = true;

    /// <summary>Leave so many blocks free before the workload begins; −1 for all.</summary>
    public long FreeBlocks { get; init; } = -1;

    /// <summary>A whole checkpoint runs in the middle of every commit that writes content in place.</summary>
    public bool CheckpointInCommits { get; init; }

    /// <summary>A wrapper around the device, below the store: device-level mutants.</summary>
    public Func<IDevice, IDevice>? Wrap { get; init; }
}

/// <summary>Runs one workload on a subject and the model side by side and records the device.</summary>
internal sealed class LockstepRun
{
    private const int Block = 4096;

    private readonly ICrashSubject _subject;
    private readonly RecordOptions _options;
    private readonly ManualClock _clock = new();
    private readonly Trace _trace = new();
    private readonly PageImage _image;
    private readonly FaultDevice? _fault;
    private readonly CheckpointBetween? _between;
    private readonly IDevice _device;
    private readonly ModelFileSystem _model;
    private readonly OperationExecutor _modelExecutor;
    private IMountedSubject _mounted;
    private OperationExecutor _executor;
    private bool _failed;

    private LockstepRun(ICrashSubject subject, PageImage formatted, RecordOptions options)
    {
        _subject = subject;
        _options = options;
        _image = formatted.ForkForThread();
        IDevice recorder = new RecordingDevice(new ImageDevice(_image), _trace);
        recorder = options.Wrap?.Invoke(recorder) ?? recorder;
        _fault = options.Fault is { } fault ? new FaultDevice(recorder, fault) : null;
        _device = _fault ?? recorder;
        if (options.CheckpointInCommits)
        {
            _device = _between = new CheckpointBetween(_device, subject, () => _mounted!.Checkpoint());
        }

        _clock.SetStep(0);
        _mounted = subject.Mount(_device, _clock, readOnly: false);
        _executor = new OperationExecutor(_mounted.Files);
        _model = new ModelFileSystem(_clock);
        _modelExecutor = new OperationExecutor(_model);
    }

    /// <summary>The fault device, where a fault was planned.</summary>
    public FaultDevice? FaultDevice => _fault;

    /// <summary>Checkpoints that ran in the middle of a commit.</summary>
    public int CheckpointsInCommits => _between?.Happened ?? 0;

    public static Recording Record(ICrashSubject subject, PageImage formatted, Workload workload, RecordOptions options) =>
        Record(subject, formatted, workload, options, out _);

    public static Recording Record(ICrashSubject subject, PageImage formatted, Workload workload, RecordOptions options, out LockstepRun run)
    {
        run = new LockstepRun(subject, formatted, options);
        try
        {
            return run.Run(workload);
        }
        finally
        {
            run._mounted.Dispose();
        }
    }

    private Recording Run(Workload workload)
    {
        long empty = _mounted.FreeBlocks;
        List<string> problems = [];
        AdoptRoot(problems);
        foreach (Operation operation in workload.Setup)
        {
            Step(operation, problems, out _);
        }

        Fill();
        Errno error = _mounted.Files.SyncFileSystem();
        if (error != Errno.OK)
        {
            problems.Add($"sync of the set-up: {error}");
        }

        _device.Flush();
        _trace.Clear();
        var recording = new Recording
        {
            Workload = workload,
            Base = _image.Copy(),
            Trace = _trace,
            EmptyFreeBlocks = empty,
        };
        recording.Findings.AddRange(problems);
        recording.Expected.Add(Compare(recording.Findings, "set-up"));
        if (_fault is not null)
        {
            _fault.Armed = true;
        }

        if (_between is not null)
        {
            _between.Armed = true;
        }

        for (int k = 0; k < workload.Operations.Count; k++)
        {
            RunOne(recording, k, workload.Operations[k]);
        }

        Finish(recording);
        recording.Seal();
        return recording;
    }

    private void RunOne(Recording recording, int k, Operation operation)
    {
        _clock.SetStep(k + 1);
        HashSet<ulong> between = operation.MaySplit && operation.Length > Block ? Splits(operation) : [];
        _trace.Operation(TraceEventKind.OperationStart, k);
        OperationResult result = Step(operation, recording.Findings, out ulong applied);
        _trace.Operation(TraceEventKind.OperationEnd, k);
        if (applied != 0)
        {
            between.Add(applied);
        }

        if (operation.Synchronises && result.Error == Errno.OK)
        {
            TraceRules.OnAcknowledged(_subject, _trace, k, recording.Findings);
            _trace.Operation(TraceEventKind.Acknowledged, k + 1);
        }

        recording.Results.Add(result);
        recording.Between.Add(between);
        recording.Created.Add(result.Created.Value);
        recording.Expected.Add(_options.Snapshots || k == recording.Workload.Operations.Count - 1
            ? Compare(recording.Findings, $"operation {k} '{operation}'")
            : recording.Expected[^1]);
    }

    private void Finish(Recording recording)
    {
        int count = recording.Workload.Operations.Count;
        _clock.SetStep(count + 1);
        try
        {
            _executor.CloseAll();
            _mounted.Close();
            _trace.Operation(TraceEventKind.Acknowledged, count);
        }
        catch (IOException) when (_fault is not null)
        {
            // A faulted volume may refuse to close cleanly; what is on the device is judged by the oracle.
            _failed = true;
        }

        if (_fault is null)
        {
            TraceRules.OnTrace(_subject, recording.Base, _trace, recording.Findings);
        }
    }

    private OperationResult Step(Operation operation, List<string> findings, out ulong applied)
    {
        applied = 0;
        OperationResult result = operation.Verb switch
        {
            Verb.Remount => Remount(),
            Verb.Checkpoint => Checkpoint(),
            _ => _executor.Execute(operation),
        };
        if (result.Error == Errno.OK && result.Created != InodeNumber.None)
        {
            _model.NumberNext(result.Created);
        }

        Errno expected = Follow(operation, result, out applied);
        if (expected != result.Error)
        {
            findings.Add($"'{operation}' returned {result.Error}, the model {expected} {(result.Error == Errno.EIO ? _mounted.LastError : "")}");
        }

        return result;
    }

    /// <summary>Runs the operation on the model as far as the store came; returns the error that the model expects.</summary>
    private Errno Follow(Operation operation, OperationResult result, out ulong applied)
    {
        applied = 0;
        bool mayFail = result.Error == Errno.ENOSPC
            || ((_fault is not null || _failed) && result.Error is Errno.EIO or Errno.EROFS);
        if (mayFail)
        {
            ModelState before = _model.State;
            if (result.Done > 0)
            {
                _modelExecutor.Execute(operation with { Length = result.Done });
            }
            else
            {
                // The store says that it failed; after a crash it may turn out to have happened.
                _modelExecutor.Execute(operation);
                applied = TreeSnapshot.Take(_model).ModelHash;
                _model.State = before;
            }

            return result.Error;
        }

        bool partial = result.Error == Errno.OK && operation.MaySplit && result.Done > 0 && result.Done < operation.Length;
        return _modelExecutor.Execute(partial ? operation with { Length = result.Done } : operation).Error;
    }

    /// <summary>Trees that a crash may leave when a large change reaches the store in several transactions.</summary>
    private HashSet<ulong> Splits(Operation operation)
    {
        var hashes = new HashSet<ulong>();
        ModelState before = _model.State;
        long start = operation.Verb == Verb.Copy ? operation.OtherOffset : operation.Offset;
        if (operation.Verb == Verb.Append && _model.Lookup(InodeNumber.Root, System.Text.Encoding.UTF8.GetBytes(operation.Path), out var attributes) == Errno.OK)
        {
            start = attributes.Size;
        }

        for (long done = Block - (start % Block); done < operation.Length; done += Block)
        {
            _modelExecutor.Execute(operation with { Length = done });
            hashes.Add(TreeSnapshot.Take(_model).ModelHash);
            _model.State = before;
        }

        return hashes;
    }

    private OperationResult Remount()
    {
        _executor.CloseAll();
        _modelExecutor.CloseAll();
        _mounted.Close();
        _mounted.Dispose();
        _mounted = _subject.Mount(_device, _clock, readOnly: false);
        _executor = new OperationExecutor(_mounted.Files);
        return default;
    }

    private OperationResult Checkpoint()
    {
        Errno error = _mounted.Files.SyncFileSystem();
        if (error == Errno.OK)
        {
            _mounted.Checkpoint();
        }

        return new OperationResult(error, default, 0);
    }

    /// <summary>The root's own times and owner were set by the formatter: the model takes them over.</summary>
    private void AdoptRoot(List<string> problems)
    {
        Errno error = _mounted.Files.GetAttributes(InodeNumber.Root, out var root);
        if (error != Errno.OK)
        {
            problems.Add($"stat of the root: {error}");
            return;
        }

        _model.AdoptRoot(root);
    }

    /// <summary>Takes space away until only the wanted number of blocks is free.</summary>
    private void Fill()
    {
        if (_options.FreeBlocks < 0)
        {
            return;
        }

        Step(Operation.Parse("creat filler"), [], out _);
        for (long chunk = 64; chunk >= 1; chunk /= 2)
        {
            while (_mounted.FreeBlocks - chunk >= _options.FreeBlocks)
            {
                _mounted.Files.Lookup(InodeNumber.Root, "filler"u8, out var attributes);
                var more = new Operation { Verb = Verb.Write, Path = "filler", Offset = attributes.Size, Length = chunk * Block, Seed = 99 };
                if (Step(more, [], out _).Done == 0)
                {
                    break;
                }
            }
        }
    }

    private TreeSnapshot Compare(List<string> findings, string when)
    {
        TreeSnapshot real = TreeSnapshot.Take(_mounted.Files);
        foreach (string problem in _fault is null ? real.Problems : [])
        {
            findings.Add($"after {when}: {problem}");
        }

        TreeSnapshot model = TreeSnapshot.Take(_model);
        if (real.ModelHash != model.ModelHash && _fault is null)
        {
            findings.Add($"after {when} the tree is not the model's (- model, + store):\n{model.Difference(real, withBlocks: false)}");
        }

        return real;
    }
}
