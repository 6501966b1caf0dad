// Promise: one workload under one planned fault, step by step beside the model, then the judgement:
//   report  an operation that met the fault said so (or the device was asked again and nothing is lost);
//   sticky  after a failed write or flush no synchronisation succeeds and nothing changes any more;
//   whole   an operation that failed did all or nothing (a large write: a prefix of its blocks);
//   next    the next mount succeeds by itself, whatever un-flushed writes arrived, and shows a state of the history that
//           contains everything acknowledged;
//   true    where the device lied (lost, misdirected, doubled, rotten or stale blocks): what can be read is the truth.
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>What one faulty run came to.</summary>
internal enum FaultOutcome
{
    /// <summary>The fault was not reached, or hit what nobody needed.</summary>
    NotReached,

    /// <summary>An operation (or the mount, or the close) reported an error.</summary>
    Reported,

    /// <summary>The store asked again, or did without; no operation failed and nothing is missing.</summary>
    Absorbed,

    /// <summary>Nothing failed while it happened; the damage was detected later.</summary>
    DetectedLater,

    /// <summary>A promise was broken.</summary>
    Broken,
}

/// <summary>One run under one fault.</summary>
internal sealed class FaultRun : IDisposable
{
    private const int Block = 4096;

    private readonly IntegrityFsSubject _subject;
    private readonly Workload _workload;
    private readonly FaultPlan _plan;
    private readonly PageImage _image;
    private readonly PageImage _start;
    private readonly Trace _trace = new();
    private readonly ManualClock _clock = new();
    private readonly ModelFileSystem _model;
    private readonly OperationExecutor _shadow;
    private readonly List<TreeFacts> _history = [];
    private readonly List<int> _acknowledgedAt = [];
    private readonly List<string> _broken = [];
    private readonly PlannedFault _fault;
    private IMountedSubject? _mounted;
    private OperationExecutor? _store;
    private readonly bool _counting;
    private bool _writeFailed;
    private bool _reported;
    private int _acknowledged;

    /// <summary>With <paramref name="counting"/> the buffers are counted too.</summary>
    public FaultRun(IntegrityFsSubject subject, Workload workload, FaultStart start, FaultPlan plan, bool counting = false)
    {
        _counting = counting;
        _subject = subject;
        _workload = workload;
        _plan = plan;
        _start = start.Image;
        _image = start.Image.ForkForThread();
        _fault = new PlannedFault(plan, new RecordingDevice(new ImageDevice(_image), _trace));
        _clock.SetStep(0);
        _model = new ModelFileSystem(_clock, start.State);
        _shadow = new OperationExecutor(_model);
        Remember();
    }

    /// <summary>What was broken, in words.</summary>
    public IReadOnlyList<string> Broken => _broken;

    /// <summary>Calls of each kind that the run made.</summary>
    public int Calls(DeviceOperation operation) => _fault.Count(operation);

    /// <summary>Buffers that the run asked for.</summary>
    public int Buffers => _fault.Buffers;

    /// <summary>States after which the image was mounted again.</summary>
    public int StatesJudged { get; private set; }

    public FaultOutcome Run()
    {
        _fault.Armed = true;
        if (Mount())
        {
            for (int k = 0; k < _workload.Operations.Count && _mounted is not null; k++)
            {
                if (_writeFailed && _workload.Operations[k].Verb == Verb.Remount)
                {
                    // The next mount is judged below.
                    break;
                }

                Step(k, _workload.Operations[k]);
            }

            Close();
        }

        _fault.Armed = false;
        _mounted?.Dispose();
        _mounted = null;
        bool later = Judge();
        return _broken.Count > 0 ? FaultOutcome.Broken
            : _fault.Happened == 0 ? FaultOutcome.NotReached
            : _reported ? FaultOutcome.Reported
            : later ? FaultOutcome.DetectedLater
            : FaultOutcome.Absorbed;
    }

    public void Dispose() => _mounted?.Dispose();

    private bool Mount()
    {
        try
        {
            _mounted = _subject.Mount(_fault.Device, _clock, readOnly: false, _plan.Memory || _counting ? _fault.AllowBuffer : null);
            _store = new OperationExecutor(_mounted.Files);
            return true;
        }
        catch (IOException error) when (_fault.Happened > 0)
        {
            NoteFailure(error);
        }
        catch (OutOfMemoryException) when (_fault.Happened > 0)
        {
            _reported = true;
        }
        catch (Exception error)
        {
            Break("report", $"the mount threw {error.GetType().Name}: {error.Message}");
        }

        return false;
    }

    private void Step(int k, Operation operation)
    {
        _clock.SetStep(k + 1);
        bool before = _fault.Happened > 0;
        OperationResult result;
        try
        {
            result = operation.Verb switch
            {
                Verb.Checkpoint => Checkpoint(),
                Verb.Remount => Remount(),
                _ => _store!.Execute(operation),
            };
        }
        catch (OutOfMemoryException) when (_plan.Memory)
        {
            result = new OperationResult(Errno.ENOMEM, default, 0);
        }
        catch (Exception error)
        {
            Break("report", $"'{operation}' threw {error.GetType().Name}: {error.Message} {error.StackTrace?.Split('\n')[0]}");
            return;
        }

        if (result.Error is Errno.EIO or Errno.EROFS or Errno.ENOMEM && (before || _fault.Happened > 0))
        {
            Failed(operation, result.Error);
        }
        else
        {
            Follow(operation, result);
        }

        Remember();
        if (operation.Synchronises && result.Error == Errno.OK)
        {
            if (_writeFailed)
            {
                Break("sticky", $"'{operation}' succeeded after a write or flush had failed");
            }

            _acknowledged = _history.Count - 1;
            _acknowledgedAt.Add(_trace.Events.Count);
            _trace.Operation(TraceEventKind.Acknowledged, _acknowledged);
        }
    }

    private OperationResult Checkpoint()
    {
        Errno error = _mounted!.Files.SyncFileSystem();
        if (error == Errno.OK)
        {
            try
            {
                _mounted.Checkpoint();
            }
            catch (Exception failure) when (failure is IOException or OutOfMemoryException)
            {
                error = Errno.EIO;
            }
        }

        return new OperationResult(error, default, 0);
    }

    /// <summary>Unmounts and mounts again; where either fails the store is gone and the rest of the run with it.</summary>
    private OperationResult Remount()
    {
        try
        {
            _store!.CloseAll();
            _shadow.CloseAll();
            IMountedSubject leaving = _mounted!;
            _mounted = null;
            using (leaving)
            {
                leaving.Close();
            }

            _mounted = _subject.Mount(_fault.Device, _clock, readOnly: false, _plan.Memory || _counting ? _fault.AllowBuffer : null);
            _store = new OperationExecutor(_mounted.Files);
            return default;
        }
        catch (Exception error) when (error is IOException or OutOfMemoryException)
        {
            return new OperationResult(Errno.EIO, default, 0);
        }
    }

    /// <summary>The operation went through: the model does the same.</summary>
    private void Follow(Operation operation, OperationResult result)
    {
        if (result.Error == Errno.OK && result.Created != InodeNumber.None)
        {
            _model.NumberNext(result.Created);
        }

        if (result.Error == Errno.EBADF && _reported)
        {
            // The operation that would have opened the handle has failed.
            return;
        }

        bool partial = result.Error == Errno.OK && operation.MaySplit && result.Done > 0 && result.Done < operation.Length;
        _reported |= partial && operation.Verb != Verb.Copy;
        Errno expected = _shadow.Execute(partial ? operation with { Length = result.Done } : operation).Error;
        if (expected != result.Error)
        {
            Break("true", $"'{operation}' returned {result.Error}, the model {expected}: {_mounted!.LastError}");
        }

        if (_writeFailed && result.Error == Errno.OK && Changes(operation))
        {
            Break("sticky", $"'{operation}' changed the volume after a write or flush had failed");
        }
    }

    /// <summary>The operation failed: the store must show the state before it, or after it, or a split of it.</summary>
    private void Failed(Operation operation, Errno error)
    {
        _reported = true;
        _writeFailed |= error == Errno.EROFS || (_plan.Fails && _plan.Operation != DeviceOperation.Read);
        if (_mounted is null || operation.Verb is Verb.Remount)
        {
            return;
        }

        ModelState before = _model.State;
        var candidates = new List<(ModelState State, TreeFacts Facts)> { (before, _history[^1]) };
        foreach (long length in Lengths(operation))
        {
            _shadow.Execute(operation with { Length = length });
            candidates.Add((_model.State, TreeFacts.Read(_model)));
            _model.State = before;
        }

        bool armed = _fault.Armed;
        _fault.Armed = false;
        TreeFacts seen = TreeFacts.Read(_mounted.Files);
        _fault.Armed = armed;
        foreach ((ModelState state, TreeFacts facts) in candidates)
        {
            if (seen.Contradiction(facts) is null)
            {
                _model.State = state;
                return;
            }
        }

        Break("whole", $"'{operation}' failed with {error} and left a state that is neither before nor after it: {seen.Contradiction(_history[^1])}");
    }

    private IEnumerable<long> Lengths(Operation operation)
    {
        if (operation.MaySplit)
        {
            long start = operation.Verb == Verb.Copy ? operation.OtherOffset : operation.Offset;
            if (operation.Verb == Verb.Append && _model.Lookup(InodeNumber.Root, System.Text.Encoding.UTF8.GetBytes(operation.Path), out Attributes a) == Errno.OK)
            {
                start = a.Size;
            }

            for (long done = Block - (start % Block); done < operation.Length; done += Block)
            {
                yield return done;
            }
        }

        yield return operation.Length;
    }

    private void Close()
    {
        _clock.SetStep(_workload.Operations.Count + 1);
        bool clean = false;
        try
        {
            _store?.CloseAll();
            _shadow.CloseAll();
            _mounted?.Close();
            clean = _mounted is not null;
        }
        catch (IOException error) when (_fault.Happened > 0)
        {
            NoteFailure(error);
        }
        catch (OutOfMemoryException) when (_fault.Happened > 0)
        {
            _reported = true;
        }
        catch (Exception error)
        {
            Break("report", $"the close threw {error.GetType().Name}: {error.Message}");
        }

        _model.State = _model.State.AfterCrash();
        Remember();
        if (clean && !_reported)
        {
            _acknowledged = _history.Count - 1;
        }
    }

    private void NoteFailure(IOException error)
    {
        _reported = true;
        _writeFailed |= error is VolumeFaultedException or DeviceException { Operation: DeviceOperation.Write or DeviceOperation.Flush };
    }

    /// <summary>Mounts what the run left: everything that was written, and, where the device did not lie, what a power
    /// failure at the end leaves of the un-flushed writes. True where damage was detected.</summary>
    private bool Judge()
    {
        if (_plan.Fails && _fault.Happened > 0 && !_reported && _plan.Operation != DeviceOperation.Read && !_plan.Memory)
        {
            Break("report", $"{_plan} happened and nobody was told");
        }

        bool detected = Examine(new PageImage(_image), "as written", _acknowledged);
        if (_plan.Lies)
        {
            return detected;
        }

        var profile = new CrashProfile { ExhaustiveUnits = 2, PairUnits = 0, Samples = 2, Torn = false };
        List<CrashPoint> points = CrashPoint.Of(_trace.Events);
        PageImage durable = _start.Copy();
        foreach (CrashPoint point in points)
        {
            StateHasher.MakeDurable(point.NewlyDurable, durable);
        }

        CrashPoint last = points[^1];
        foreach (CrashState state in CrashStates.Enumerate(last, profile, 1, 6))
        {
            var image = new PageImage(durable);
            state.Apply(last, image);
            Examine(image, "after power loss " + state.Describe(last), _acknowledged);
        }

        return detected;
    }

    private bool Examine(PageImage image, string when, int least)
    {
        StatesJudged++;
        try
        {
            using IMountedSubject mounted = _subject.Mount(new ImageDevice(image), _clock, readOnly: false);
            TreeFacts seen = TreeFacts.Read(mounted.Files);
            string? contradiction = null;
            for (int k = _history.Count - 1; k >= (_plan.Lies ? 0 : least); k--)
            {
                contradiction = seen.Contradiction(_history[k]);
                if (contradiction is null)
                {
                    break;
                }
            }

            if (contradiction is not null)
            {
                Break("next", $"{when}: no state from {least} to {_history.Count - 1} of the history: {seen.Contradiction(_history[^1])}");
            }
            else if (seen.HasGaps && !_plan.Lies)
            {
                Break("next", $"{when}: unreadable: {string.Join("; ", seen.Gaps.Take(3))} {mounted.LastError}");
            }

            return seen.HasGaps;
        }
        catch (IOException error) when (_plan.Lies)
        {
            _ = error;
            return true;
        }
        catch (Exception error)
        {
            Break("next", $"{when}: the mount threw {error.GetType().Name}: {error.Message}");
            return true;
        }
    }

    private void Remember() => _history.Add(TreeFacts.Read(_model));

    private void Break(string rule, string what)
    {
        if (_broken.Count < 4)
        {
            _broken.Add($"{rule}: {what}");
        }
    }

    private static bool Changes(Operation operation) => operation.Verb is Verb.Create or Verb.MakeDirectory or Verb.MakeNode
        or Verb.Symlink or Verb.Link or Verb.Unlink or Verb.RemoveDirectory or Verb.Write or Verb.Append or Verb.WriteSync
        or Verb.SetXattr or Verb.RemoveXattr or Verb.ChangeMode or Verb.ChangeOwner or Verb.SetTimes or Verb.Allocate;
}
